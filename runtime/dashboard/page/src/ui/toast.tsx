// Short notes on what was done or failed, at the lower edge; screen readers are told.
import { signal } from "@preact/signals";
import { visible } from "./text";
import "./toast.css";

interface Note {
  id: number;
  text: string;
  tone: "good" | "bad";
}

const notes = signal<Note[]>([]);
let nextId = 1;

const GOOD_MS = 4_000;
const BAD_MS = 12_000;

export function toast(text: string, tone: Note["tone"] = "good"): void {
  const note = { id: nextId++, text, tone };
  notes.value = [...notes.value, note].slice(-4);
  setTimeout(() => dismiss(note.id), tone === "good" ? GOOD_MS : BAD_MS);
}

function dismiss(id: number): void {
  notes.value = notes.value.filter((note) => note.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {notes.value.map((note) => (
        <div class={`toast toast-${note.tone}`} key={note.id}>
          <span class="grow">{visible(note.text)}</span>
          <button class="button quiet small" aria-label="Dismiss" onClick={() => dismiss(note.id)}>
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
