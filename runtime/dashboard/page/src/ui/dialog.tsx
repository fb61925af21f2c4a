// One question at a time, in the middle of the page: `await confirm({…})`.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import "./dialog.css";

interface Question {
  title: string;
  /** What happens when it is done. */
  text: ComponentChildren;
  /** The word on the button: "Restart". */
  action: string;
  danger?: boolean;
}

const asked = signal<(Question & { answer(yes: boolean): void }) | null>(null);

export function confirm(question: Question): Promise<boolean> {
  asked.peek()?.answer(false);
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      answer(yes) {
        asked.value = null;
        resolve(yes);
      },
    };
  });
}

export function Dialogs() {
  const element = useRef<HTMLDialogElement>(null);
  const question = asked.value;
  useEffect(() => {
    if (question !== null) element.current?.showModal();
    else element.current?.close();
  }, [question]);
  return (
    <dialog
      ref={element}
      class="dialog"
      onCancel={() => question?.answer(false)}
      aria-labelledby="dialog-title"
    >
      {question !== null && (
        <>
          <h2 id="dialog-title">{question.title}</h2>
          <div>{question.text}</div>
          <div class="row dialog-actions">
            <button class="button" type="button" onClick={() => question.answer(false)}>
              Cancel
            </button>
            <button
              class={`button ${question.danger === true ? "danger" : "primary"}`}
              type="button"
              onClick={() => question.answer(true)}
            >
              {question.action}
            </button>
          </div>
        </>
      )}
    </dialog>
  );
}
