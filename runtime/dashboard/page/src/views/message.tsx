// One message: what was said, byte by byte if need be, and the proof of it, verified here. Also of evidence that
// someone brings along: a message that this host has never seen.
import { useEffect, useState } from "preact/hooks";
import { checkEvidence, differs, type Check } from "../dialogue/check";
import { evidenceIn } from "../evidence/input";
import { Shown, type Fact } from "../evidence/shown";
import { useCheck } from "../evidence/use";
import { call, connection, type FeedError } from "../feed/connection";
import type { MessageDetail } from "../feed/types";
import { base64url, fromBase64url, type Bytes as Octets } from "../proof/bytes";
import { isConflict, verifyConflict, type Conflict } from "../proof/conflict";
import { didOf } from "../proof/did";
import { decodeEnvelope, type Envelope } from "../proof/envelope";
import type { Verdict } from "../proof/evidence";
import { Refused } from "../proof/refused";
import { link } from "../route";
import { Did, Failure, Id, Loading, Panel, Status, ViewHead, visible } from "../ui";
import type { ViewProps } from "./index";

export default function Message({ params, query }: ViewProps) {
  const { id } = params;
  const tab = query.get("tab") ?? "evidence";
  if (id === undefined) return <Brought tab={tab} />;
  return <Told id={id} from={query.get("from")} tab={tab} />;
}

// A message of this host --------------------------------------------------------------------------

function Told({ id, from, tab }: { id: string; from: string | null; tab: string }) {
  const [detail, setDetail] = useState<MessageDetail | null>(null);
  const [error, setError] = useState<FeedError | null>(null);
  const epoch = connection.value.epoch;
  useEffect(() => {
    let wanted = true;
    call("message", { of: id, ...(from !== null && { from }) }).then(
      (found) => {
        if (!wanted) return;
        setDetail(found);
        setError(null);
      },
      (failed: FeedError) => {
        if (wanted && failed.code !== "closed") setError(failed);
      },
    );
    return () => {
      wanted = false;
    };
  }, [id, from, epoch]);
  if (error !== null && detail === null) {
    return (
      <div class="stack">
        <ViewHead title="Message" note={<Id id={id} />} />
        <Failure error={error} />
        <p class="muted">
          Hosts forget messages in time. Someone who kept its evidence can still show it:{" "}
          <a href={link(["message"])}>verify evidence</a>.
        </p>
      </div>
    );
  }
  return detail === null ? <Loading /> : <Detail detail={detail} tab={tab} />;
}

/** The envelope as its own bytes have it; undefined where these cannot be read. */
function envelopeOf(detail: MessageDetail, verdict: Verdict | undefined): Envelope | undefined {
  if (verdict?.parts.envelope) return verdict.parts.envelope;
  try {
    return decodeEnvelope(fromBase64url(detail.raw));
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

function Detail({ detail, tab }: { detail: MessageDetail; tab: string }) {
  const { evidence, envelope: told } = detail;
  const check = useCheck(`${evidence}`, () =>
    evidence === null
      ? Promise.resolve<Check>({ state: "missing", why: detail.unproved ?? "the host has none" })
      : checkEvidence(evidence, { ...told }),
  );
  const envelope = check === null ? undefined : envelopeOf(detail, check.verdict);
  const names = new Map<string, string>();
  if (detail.from_name !== undefined) names.set(told.from, detail.from_name);
  if (detail.to_name !== undefined) names.set(told.to, detail.to_name);
  const nameOf = (did: string) => names.get(did);
  return (
    <Shown
      envelope={envelope}
      envelopeBytes={detail.raw}
      evidence={evidence}
      check={check}
      nameOf={nameOf}
      tab={tab}
      href={(next) => link(["message", told.id], { from: told.from, tab: next })}
      facts={[
        ["direction", detail.direction === "said" ? "sent by an agent of this host" : "received"],
        ["state", <Fate key="state" detail={detail} />],
        ...(detail.path === undefined
          ? []
          : ([
              [
                "place",
                `${detail.path.index + 1} of ${detail.path.count} in its group, group ${detail.path.group + 1} of ${detail.path.groups}`,
              ],
            ] as Fact[])),
      ]}
      lies={envelope === undefined ? undefined : differs(envelope, { ...told })}
    />
  );
}

function Fate({ detail }: { detail: MessageDetail }) {
  if (detail.refused !== undefined) {
    const why = detail.why === undefined ? "" : `: ${detail.why}`;
    return <Status state={`refused (${detail.refused})${why}`} tone="bad" />;
  }
  if (detail.direction === "heard") return <Status state="received" tone="good" />;
  if (detail.acknowledged === null) return <span class="muted">not known any more</span>;
  return detail.acknowledged ? (
    <Status state="acknowledged" />
  ) : (
    <Status state="under way" tone="wait" />
  );
}

// Evidence that someone brings --------------------------------------------------------------------

function Brought({ tab }: { tab: string }) {
  const [text, setText] = useState("");
  const [pieces, setPieces] = useState<Octets[]>([]);
  const [wrong, setWrong] = useState<string | null>(null);
  const take = (input: string | Octets) => {
    try {
      setPieces(evidenceIn(input));
      setWrong(null);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setPieces([]);
      setWrong(error.message);
    }
  };
  const takeFile = async (file: File | undefined) => {
    if (file !== undefined) take(new Uint8Array(await file.arrayBuffer()));
  };
  return (
    <div class="stack message">
      <ViewHead
        title="Verify evidence"
        note="Evidence proves by itself what an agent said. It is verified in this browser; nothing of it is sent to the host."
      />
      <Panel>
        <form
          class="stack brought"
          onSubmit={(event) => {
            event.preventDefault();
            take(text);
          }}
          onDragOver={(event) => event.preventDefault()}
          onDrop={(event) => {
            event.preventDefault();
            void takeFile(event.dataTransfer?.files[0]);
          }}
        >
          <textarea
            class="field mono"
            rows={5}
            aria-label="Evidence"
            spellcheck={false}
            placeholder="Evidence as base64url, hexadecimal or the JSON of haggle export; or drop a .cbor file here"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <div class="row">
            <button class="button primary" type="submit" disabled={text.trim() === ""}>
              Verify
            </button>
            <label class="button">
              Choose a file
              <input
                class="sr"
                type="file"
                onChange={(event) => void takeFile(event.currentTarget.files?.[0])}
              />
            </label>
          </div>
          {wrong !== null && (
            <div class="bad" role="alert">
              {visible(wrong)}
            </div>
          )}
        </form>
      </Panel>
      {pieces.map((bytes, i) =>
        isConflict(bytes) ? (
          <BroughtConflict key={`${i} ${bytes.length}`} bytes={bytes} />
        ) : (
          <Piece key={`${i} ${bytes.length}`} bytes={bytes} tab={tab} />
        ),
      )}
    </div>
  );
}

function Piece({ bytes, tab }: { bytes: Octets; tab: string }) {
  const evidence = base64url(bytes);
  const check = useCheck(evidence, () => checkEvidence(bytes, {}));
  const parts = check?.verdict?.parts;
  return (
    <Shown
      envelope={parts?.envelope}
      envelopeBytes={parts?.evidence === undefined ? "" : base64url(parts.evidence.envelope)}
      evidence={evidence}
      check={check}
      nameOf={() => undefined}
      tab={tab}
      href={(next) => link(["message"], { tab: next })}
      facts={[]}
    />
  );
}

/** The proof that a host or an agent signed what contradicts itself. */
function BroughtConflict({ bytes }: { bytes: Octets }) {
  const [found, setFound] = useState<Conflict | string | null>(null);
  useEffect(() => {
    verifyConflict(bytes).then(setFound, (error: unknown) =>
      setFound(error instanceof Refused ? error.message : "The page failed to verify it."),
    );
  }, [bytes]);
  if (found === null) return <div class="verdict verdict-idle">Verifying…</div>;
  if (typeof found === "string") {
    return (
      <div class="verdict verdict-bad" role="status">
        <div>
          <strong>No conflict.</strong> {visible(found)}
        </div>
      </div>
    );
  }
  const what =
    found.kind === "fork"
      ? "signed two histories of itself"
      : "authorised hosts in two ways at once";
  return (
    <div class="verdict verdict-good" role="status">
      <div>
        <strong>Proved.</strong> <Did did={didOf(found.subject)} /> {what}, at sequence{" "}
        {found.sequence}.
      </div>
    </div>
  );
}
