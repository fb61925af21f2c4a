// What an operator may do and a viewer may not: shown to both, with the reason to the latter.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { CallError, connection, isOperator, live } from "../feed/connection";
import { confirm } from "./dialog";
import { toast } from "./toast";

const READ_ONLY =
  "Your token may look and not act. The operator's link, which haggle dashboard prints on the host's machine, may.";

/** Why the viewer may not act now, or null. */
export function whyNot(): string | null {
  if (!live.value) return "There is no connection to the host.";
  return isOperator.value ? null : READ_ONLY;
}

interface ActionProps {
  children: ComponentChildren;
  /** Why it cannot be done in this state, if so. */
  impossible?: string | null;
  danger?: boolean;
  primary?: boolean;
  /** Asked before; without it, it is done at once. */
  question?: { title: string; text: ComponentChildren; action: string };
  /** Does it; what it returns is told. */
  run(): Promise<string>;
}

export function Action({
  children,
  impossible = null,
  danger = false,
  primary = false,
  question,
  run,
}: ActionProps) {
  const [busy, setBusy] = useState(false);
  const reason = whyNot() ?? impossible;

  const act = async () => {
    if (question !== undefined && !(await confirm({ ...question, danger }))) return;
    const { epoch } = connection.peek();
    setBusy(true);
    try {
      toast(await run());
    } catch (error) {
      const lost = epoch !== connection.peek().epoch || !live.peek();
      const words = error instanceof CallError ? error.message : String(error);
      toast(lost ? `${words} Look whether it was done.` : words, "bad");
    } finally {
      setBusy(false);
    }
  };

  return (
    <button
      class={`button ${danger ? "danger" : ""} ${primary ? "primary" : ""}`}
      type="button"
      disabled={busy || reason !== null}
      title={reason ?? undefined}
      aria-busy={busy}
      onClick={() => void act()}
    >
      {children}
    </button>
  );
}
