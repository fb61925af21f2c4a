// A dialogue out of a file: shown like any other, but nothing of it is taken for true that its evidence does not prove.
import { imported, takesFiles } from "../dialogue/imported";
import { DialogueShown } from "../dialogue/shown";
import { to } from "../route";
import { Did, Empty, Time, ViewHead, visible } from "../ui";
import { ImportButton } from "./dialogue";
import type { ViewProps } from "./index";

export default function ImportedDialogue(_: ViewProps) {
  const now = imported.value;
  if (now === null) {
    return (
      <div class="stack" {...takesFiles}>
        <ViewHead title="Imported dialogue" actions={<ImportButton />} />
        <Empty title="No file is open">
          A dialogue that someone exported can be looked at here: choose its file, or drop it on
          this page. <a href={to.dialogues()}>All dialogues of this host</a>
        </Empty>
      </div>
    );
  }
  const { name, file } = now;
  return (
    <div {...takesFiles}>
      <DialogueShown
        key={`${name} ${file.exported_ms}`}
        told={file}
        imported
        actions={<ImportButton />}
        notes={
          <div class="verdict verdict-wait" data-imported>
            <div>
              <strong>Imported</strong> from {visible(name)}, exported by{" "}
              <Did did={file.host} copy={false} /> at <Time ms={file.exported_ms} />. What the
              messages say is verified here; states, times and what the agents did between are what
              the file tells.
            </div>
          </div>
        }
      />
    </div>
  );
}
