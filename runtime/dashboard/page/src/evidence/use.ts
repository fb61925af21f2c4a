// Verifying while a view is there: what is asked for last is what counts.
import { useEffect, useState } from "preact/hooks";
import type { Check } from "../dialogue/check";

/** null: it is still being verified. `key` names what is verified; it is tried anew when that changes. */
export function useCheck(key: string, check: () => Promise<Check>): Check | null {
  const [found, setFound] = useState<{ key: string; check: Check } | null>(null);
  useEffect(() => {
    let wanted = true;
    check().then(
      (result) => {
        if (wanted) setFound({ key, check: result });
      },
      (error: unknown) => {
        // A flaw in here is no verdict about the message.
        console.error(error);
        const why = "The page failed to verify it.";
        if (wanted) setFound({ key, check: { state: "unchecked", why } });
      },
    );
    return () => {
      wanted = false;
    };
  }, [key]);
  return found?.key === key ? found.check : null;
}
