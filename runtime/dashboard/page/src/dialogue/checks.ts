// Verifying the messages of a dialogue, one after the other, so that the page stays at hand meanwhile.
import { useEffect, useRef, useState } from "preact/hooks";
import type { DialogueMessage } from "../feed/types";
import { checkMessage, type Check } from "./check";

interface Known {
  evidence: string;
  check: Check;
}

/** Ids are chosen by senders: two agents may have said messages of one id. */
export function messageKey(message: DialogueMessage): string {
  return `${message.id} ${message.from}`;
}

/** What became of those messages that have evidence with them; the rest are not in it (yet). */
export function useChecks(
  thid: string,
  messages: readonly DialogueMessage[],
): ReadonlyMap<string, Check> {
  const known = useRef(new Map<string, Known>());
  const [checks, setChecks] = useState<ReadonlyMap<string, Check>>(new Map());
  const latest = useRef(messages);
  latest.current = messages;
  const running = useRef(false);
  useEffect(() => {
    const next = () =>
      latest.current.find(
        (message) =>
          message.evidence !== undefined &&
          known.current.get(messageKey(message))?.evidence !== message.evidence,
      );
    const run = async () => {
      if (running.current) return;
      running.current = true;
      try {
        for (let message = next(); message !== undefined; message = next()) {
          const check = await checkMessage(message, thid);
          known.current.set(messageKey(message), { evidence: message.evidence ?? "", check });
          setChecks(new Map([...known.current].map(([key, found]) => [key, found.check])));
          await new Promise((resolve) => setTimeout(resolve));
        }
      } catch (error) {
        // A flaw in here is no verdict: what is not checked stays unmarked.
        console.error(error);
      } finally {
        running.current = false;
      }
    };
    void run();
  }, [thid, messages]);
  useEffect(
    () => () => {
      latest.current = [];
    },
    [],
  );
  return checks;
}
