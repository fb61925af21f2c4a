// One dialogue, live: it grows as it happens. Evidence of a message is asked for when it is looked at, of all on
// demand: finding it may cost the host a look through its journal.
import { useMemo, useState } from "preact/hooks";
import { messageKey } from "../dialogue/checks";
import { fileName, writeFile } from "../dialogue/file";
import { importFile, takesFiles } from "../dialogue/imported";
import { DialogueShown } from "../dialogue/shown";
import { call, connection, hostNow, useTopic, type FeedError } from "../feed/connection";
import type { ArgsOf, Dialogue, DialogueEvent, DialogueMessage } from "../feed/types";
import { download, Failure, Loading, toast, ViewHead } from "../ui";
import type { ViewProps } from "./index";

export default function LiveDialogue({ params }: ViewProps) {
  const { agent = "", peer = "-", thid = "" } = params;
  // Who comes from a thread that this one serves does not know with whom it was.
  const args = { agent, thid, ...(peer !== "-" && { peer }) };
  const topic = useTopic("dialogue", args).value;
  const evidence = useEvidence(args);
  const told = topic.data;
  const children = useChildren(told?.dialogue);
  const messages = useMemo(
    () => told?.messages.map((message) => evidence.with(message)) ?? [],
    [told, evidence.count],
  );
  if (told === null) {
    return topic.error === null ? (
      <Loading />
    ) : (
      <div class="stack" {...takesFiles}>
        <ViewHead title="Dialogue" />
        <Failure error={topic.error} />
      </div>
    );
  }
  return (
    <div {...takesFiles}>
      <DialogueShown
        told={{ ...told, messages, children }}
        imported={false}
        stale={topic.stale}
        onLook={(message) => void evidence.one(message)}
        actions={<Actions told={told} all={evidence.all} />}
      />
    </div>
  );
}

type Found = Pick<DialogueMessage, "evidence" | "unproved">;

/** What the host has shown of evidence so far. */
function useEvidence(args: { agent: string; peer?: string; thid: string }) {
  const found = useMemo(() => new Map<string, Found>(), [args.agent, args.peer, args.thid]);
  const [count, setCount] = useState(0);
  const keep = (key: string, what: Found) => {
    found.set(key, what);
    setCount((before) => before + 1);
  };
  return {
    count,
    with(message: DialogueMessage): DialogueMessage {
      return { ...message, ...found.get(messageKey(message)) };
    },
    async one(message: DialogueMessage): Promise<void> {
      const key = messageKey(message);
      if (found.has(key)) return;
      found.set(key, {});
      try {
        const detail = await call("message", { of: message.id, from: message.from });
        if (detail.evidence !== null) keep(key, { evidence: detail.evidence });
        else keep(key, { unproved: detail.unproved ?? "the host has none" });
      } catch (error) {
        const { code, message: why } = error as FeedError;
        // What failed for the connection is tried again.
        if (code === "closed") found.delete(key);
        else keep(key, { unproved: why });
      }
    },
    async all(): Promise<DialogueEvent> {
      const whole = await call("dialogue", { ...args, evidence: true });
      for (const message of whole.messages) {
        const { evidence, unproved } = message;
        if (evidence !== undefined) found.set(messageKey(message), { evidence });
        else if (unproved !== undefined) found.set(messageKey(message), { unproved });
      }
      setCount((before) => before + 1);
      // Of a long one the host gives a part at once, and the rest one by one.
      for (const message of whole.messages) {
        if (message.evidence === undefined && message.unproved === undefined)
          await this.one(message);
        Object.assign(message, found.get(messageKey(message)));
      }
      return whole;
    },
  };
}

function Actions({ told, all }: { told: DialogueEvent; all(): Promise<DialogueEvent> }) {
  const [busy, setBusy] = useState(false);
  const doing = (act: (whole: DialogueEvent) => void) => {
    setBusy(true);
    all()
      .then(act, (error: FeedError) => toast(error.message, "bad"))
      .finally(() => setBusy(false));
  };
  const save = (whole: DialogueEvent) => {
    const host = connection.peek().hello?.host ?? "";
    const { dialogue } = whole;
    download(fileName(dialogue), writeFile(whole, host, hostNow()), "application/json");
  };
  return (
    <>
      <button class="button" type="button" disabled={busy} onClick={() => doing(() => undefined)}>
        Verify all {told.messages.length}
      </button>
      <button class="button" type="button" disabled={busy} onClick={() => doing(save)}>
        Export
      </button>
      <ImportButton />
    </>
  );
}

export function ImportButton() {
  return (
    <label class="button">
      Import
      <input
        class="sr"
        type="file"
        accept=".json,application/json"
        aria-label="Import a dialogue"
        onChange={(event) => {
          void importFile(event.currentTarget.files?.[0]);
          event.currentTarget.value = "";
        }}
      />
    </label>
  );
}

/** Dialogues that grew out of this one: what an agent of this host asked others, in order to answer. */
function useChildren(dialogue: Dialogue | undefined): Dialogue[] {
  const { agent, peer_name, thid } = dialogue ?? {};
  const ours = useTopic("dialogues", argsOf(agent)).value.data;
  const theirs = useTopic("dialogues", argsOf(peer_name)).value.data;
  return useMemo(() => {
    const found = new Map<string, Dialogue>();
    for (const child of [...(ours?.dialogues ?? []), ...(theirs?.dialogues ?? [])]) {
      if (child.parent === thid) found.set(`${child.thid} ${child.peer}`, child);
    }
    return [...found.values()].reverse();
  }, [ours, theirs, thid]);
}

function argsOf(agent: string | undefined): ArgsOf<"dialogues"> | null {
  return agent === undefined ? null : { agent, limit: 200, every_ms: 2000 };
}
