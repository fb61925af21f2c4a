// A dialogue that came in a file. It is in this page's memory only: nothing of it is sent to the host.
import { signal } from "@preact/signals";
import { Refused } from "../proof/refused";
import { go, link } from "../route";
import { toast } from "../ui";
import { readFile, SIZE_MAX_BYTES, type DialogueFile } from "./file";

export const imported = signal<{ name: string; file: DialogueFile } | null>(null);

export async function importFile(file: File | null | undefined): Promise<void> {
  if (!file) return;
  try {
    if (file.size > SIZE_MAX_BYTES) throw new Refused("too_large", "a file of more than 64 MiB");
    imported.value = { name: file.name, file: readFile(await file.text()) };
    go(link(["dialogues", "imported"]));
  } catch (error) {
    const why = error instanceof Refused ? error.message : String(error);
    toast(`${file.name} cannot be imported: ${why}`, "bad");
  }
}

/** For the root of a view that takes dropped files. */
export const takesFiles = {
  onDragOver(event: DragEvent): void {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  },
  onDrop(event: DragEvent): void {
    const file = event.dataTransfer?.files[0];
    if (file === undefined) return;
    event.preventDefault();
    void importFile(file);
  },
};
