// Copying. Browsers lend the clipboard to secure pages only; the way that works elsewhere comes second.
import { toast } from "./toast";
import "./copy.css";

export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    toast(done ? "Copied" : "The browser does not permit copying", done ? "good" : "bad");
  }
}

export function Copy({ text, what = "Copy" }: { text: string; what?: string }) {
  return (
    <button
      class="copy"
      type="button"
      title={what}
      aria-label={what}
      onClick={(event) => {
        event.preventDefault();
        event.stopPropagation();
        void copyText(text);
      }}
    >
      <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
        <path
          d="M5.5 5.5v-4h9v9h-4M1.5 5.5h9v9h-9z"
          fill="none"
          stroke="currentColor"
          stroke-width="1.4"
        />
      </svg>
    </button>
  );
}

/** Saves a text as a file of this machine. */
export function download(name: string, data: string | Uint8Array<ArrayBuffer>, type: string): void {
  const address = URL.createObjectURL(new Blob([data], { type }));
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
