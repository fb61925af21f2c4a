// Which keys there are.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { views } from "../views";
import "./help.css";

const open = signal(false);

export function openHelp(): void {
  open.value = true;
}

export function Help() {
  const element = useRef<HTMLDialogElement>(null);
  const shown = open.value;
  useEffect(() => {
    if (shown) element.current?.showModal();
    else element.current?.close();
  }, [shown]);
  const keys: [string, string][] = [
    ["/ or ctrl k", "Search agents, dialogues, ids, views"],
    ...views.flatMap(({ nav }): [string, string][] =>
      nav === undefined ? [] : [[`g ${nav.key}`, nav.label]],
    ),
    ["↑ ↓ or j k", "From row to row of a table, or of the log"],
    ["Enter", "Open the row"],
    ["Esc", "Close, or empty a field"],
    ["?", "This list"],
  ];
  return (
    <dialog
      ref={element}
      class="dialog help"
      onClose={() => (open.value = false)}
      aria-label="Keys"
    >
      {shown && (
        <>
          <h2>Keys</h2>
          <dl class="help-keys">
            {keys.map(([key, words]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{words}</dd>
              </div>
            ))}
          </dl>
          <form method="dialog" class="row dialog-actions">
            <button class="button" type="submit">
              Close
            </button>
          </form>
        </>
      )}
    </dialog>
  );
}
