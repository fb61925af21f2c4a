// One message as its own bytes have it: the envelope, the verdict on its evidence, and the bytes themselves.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Check } from "../dialogue/check";
import type { Json as JsonValue } from "../feed/types";
import { annotateEnvelope, annotateEvidence } from "../proof/annotate";
import { fromBase64url, hex, type Bytes as Octets } from "../proof/bytes";
import { didOf } from "../proof/did";
import { envelopeFields, threadOf, type Envelope } from "../proof/envelope";
import { Refused } from "../proof/refused";
import { jsonText, plainJson } from "../proof/value";
import { to } from "../route";
import {
  AgentLink,
  Bytes,
  Code,
  Copy,
  Did,
  download,
  Empty,
  Facts,
  Id,
  Json,
  Panel,
  Performative,
  Tabs,
  Time,
  toast,
  ViewHead,
  visible,
} from "../ui";
import { Hex } from "./hex";
import { Banner, Chain, Steps } from "./verdict";
import "./shown.css";

export type Fact = [label: string, value: ComponentChildren];

export interface ShownProps {
  envelope: Envelope | undefined;
  /** base64url. */
  envelopeBytes: string;
  evidence: string | null;
  check: Check | null;
  nameOf(did: string): string | undefined;
  tab: string;
  href(tab: string): string;
  facts: Fact[];
  /** Where what the host tells of the message differs from its bytes. */
  lies?: string | undefined;
  title?: ComponentChildren;
}

export function Shown(props: ShownProps) {
  const { envelope, evidence, check, tab, href } = props;
  const tabs = [
    { id: "evidence", label: "Evidence", href: href("evidence") },
    { id: "decoded", label: "Decoded", href: href("decoded") },
    { id: "raw", label: "Raw", href: href("raw") },
  ];
  return (
    <div class="stack message">
      <ViewHead
        title={props.title ?? <Title envelope={envelope} />}
        note={envelope && <FromTo envelope={envelope} nameOf={props.nameOf} />}
        actions={evidence !== null && <Downloads evidence={evidence} envelope={envelope} />}
      />
      {check === null ? (
        <div class="verdict verdict-idle">Verifying…</div>
      ) : (
        <Banner check={check} nameOf={props.nameOf} />
      )}
      {props.lies !== undefined && check?.state !== "false" && (
        <div class="verdict verdict-bad" role="alert">
          The host tells something else of this message than its bytes say: {visible(props.lies)}.
          Shown is what the bytes say.
        </div>
      )}
      <div class="message-columns">
        <div class="stack">
          <Panel title="Envelope">
            {envelope === undefined ? (
              <p class="muted">{check === null ? "…" : "Its bytes are no envelope."}</p>
            ) : (
              <EnvelopeFacts {...props} envelope={envelope} />
            )}
          </Panel>
          {envelope !== undefined && (
            <Panel
              title="Body"
              actions={<Copy text={jsonText(envelope.body, 2)} what="Copy the body as JSON" />}
            >
              <Json value={plainJson(envelope.body) as JsonValue} open={4} />
            </Panel>
          )}
        </div>
        <div class="stack">
          <Tabs tabs={tabs} current={tab} label="Parts of the message" />
          <Part {...props} />
        </div>
      </div>
    </div>
  );
}

function Title({ envelope }: { envelope: Envelope | undefined }) {
  if (envelope === undefined) return <>Message</>;
  const [protocol, version] = envelope.type.split("/");
  return (
    <>
      <Performative name={envelope.performative} />{" "}
      <span class="muted message-protocol">
        {protocol}/{version}
      </span>
    </>
  );
}

function FromTo({ envelope, nameOf }: { envelope: Envelope; nameOf: ShownProps["nameOf"] }) {
  return (
    <span class="row">
      <Who did={didOf(envelope.from)} nameOf={nameOf} /> →{" "}
      <Who did={didOf(envelope.to)} nameOf={nameOf} />
    </span>
  );
}

function Who({ did, nameOf }: { did: string; nameOf: ShownProps["nameOf"] }) {
  const name = nameOf(did);
  return name === undefined ? <Did did={did} /> : <AgentLink name={name} />;
}

function Downloads({ evidence, envelope }: { evidence: string; envelope: Envelope | undefined }) {
  const name = `evidence-${envelope === undefined ? "message" : hex(envelope.id).slice(0, 8)}`;
  const save = () => {
    try {
      download(`${name}.cbor`, fromBase64url(evidence), "application/cbor");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      toast("The host gave evidence that is no base64url", "bad");
    }
  };
  return (
    <>
      <button class="button" type="button" onClick={save}>
        Download .cbor
      </button>
      <Copy text={evidence} what="Copy the evidence as base64url" />
    </>
  );
}

function EnvelopeFacts(props: ShownProps & { envelope: Envelope }) {
  const { envelope, check, nameOf } = props;
  const id = hex(envelope.id);
  const thread = hex(threadOf(envelope));
  const facts: Fact[] = [
    ["id", <Id key="id" id={id} />],
    ["type", <span class="mono">{visible(envelope.type)}</span>],
    [
      "from",
      <Did key="from" did={didOf(envelope.from)} name={nameOf(didOf(envelope.from)) ?? ""} />,
    ],
    ["to", <Did key="to" did={didOf(envelope.to)} name={nameOf(didOf(envelope.to)) ?? ""} />],
    ["thread", <Thread key="thread" {...props} thread={thread} />],
  ];
  const deal = dealOf(envelope);
  if (deal !== undefined) {
    facts.push(["deal", <Id key="deal" id={deal} href={to.deal(deal)} />]);
  }
  if (envelope.pthid !== undefined) {
    facts.push(["grew out of", <Id key="pthid" id={hex(envelope.pthid)} />]);
  }
  facts.push(["created", <Time key="created" ms={envelope.createdMs} millis />]);
  if (envelope.expiresMs !== undefined) {
    facts.push(["expires", <Time key="expires" ms={envelope.expiresMs} millis />]);
  }
  if (envelope.definition !== undefined) {
    facts.push(["definition", <Id key="definition" id={hex(envelope.definition)} />]);
  }
  if (envelope.traceparent !== undefined) {
    facts.push(["traceparent", <span class="mono">{visible(envelope.traceparent)}</span>]);
  }
  const size = check?.verdict?.parts.evidence?.envelope.length;
  if (size !== undefined) facts.push(["size", <Bytes key="size" value={size} />]);
  return <Facts facts={[...facts, ...props.facts]} />;
}

/** Messages about a deal name it. */
function dealOf({ type, body }: Envelope): string | undefined {
  if (!type.startsWith("market/") || body.kind !== "map") return undefined;
  const deal = body.entries.find(([key]) => key === "deal")?.[1];
  return deal?.kind === "text" && /^[0-9a-f]{32}$/.test(deal.text) ? deal.text : undefined;
}

/** A link to the dialogue, if one of the two is an agent of this host. */
function Thread({ envelope, nameOf, thread }: ShownProps & { envelope: Envelope; thread: string }) {
  const [from, to_] = [didOf(envelope.from), didOf(envelope.to)];
  const here = nameOf(from) !== undefined ? from : nameOf(to_) !== undefined ? to_ : undefined;
  if (here === undefined) return <Id id={thread} />;
  const peer = here === from ? to_ : from;
  return (
    <span class="row">
      <Id id={thread} />
      <a href={to.dialogue(nameOf(here) ?? here, peer, thread)}>show the dialogue</a>
    </span>
  );
}

function Part({ tab, check, evidence, envelope, envelopeBytes }: ShownProps) {
  const verdict = check?.verdict;
  if (tab === "decoded") {
    return (
      <Panel title="Envelope as JSON">
        {envelope === undefined ? <p class="muted">–</p> : <Code text={decodedText(envelope)} />}
      </Panel>
    );
  }
  if (tab === "raw") return <Raw evidence={evidence} envelope={envelopeBytes} />;
  if (verdict === undefined) {
    return (
      <Panel title="Evidence">
        <p class="muted">
          {check === null ? "Verifying…" : "There is no evidence that could be verified."}
        </p>
      </Panel>
    );
  }
  return (
    <>
      <Panel title="The chain">
        <Chain verdict={verdict} />
      </Panel>
      <Panel title="Link by link" flush>
        <Steps verdict={verdict} />
      </Panel>
      <p class="muted message-note">
        Verified in this browser from the evidence alone, without asking the host. It does not prove
        that the message arrived, nor that the agent had not revoked the delegation by then; the
        time is what the host claims.
      </p>
    </>
  );
}

/** A body has up to 65,536 values: nobody reads them all here. */
const LINES_MOST = 4000;

function decodedText(envelope: Envelope): string {
  const fields = envelopeFields(envelope).map(
    ([name, text]) => `  ${JSON.stringify(name)}: ${text.replaceAll("\n", "\n  ")}`,
  );
  const lines = `{\n${fields.join(",\n")}\n}`.split("\n");
  const left = lines.length - LINES_MOST;
  if (left <= 0) return lines.join("\n");
  return `${lines.slice(0, LINES_MOST).join("\n")}\n… ${left} lines more: copy the body to read it all`;
}

function Raw({ evidence, envelope }: { evidence: string | null; envelope: string }) {
  const [whole, setWhole] = useState(false);
  const text = whole && evidence !== null ? evidence : envelope;
  let bytes: Octets;
  try {
    bytes = fromBase64url(text);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return <Empty title="The host gave bytes that are no base64url" />;
  }
  return (
    <Panel
      title={`${whole ? "Evidence" : "Envelope"}, ${bytes.length} bytes of CBOR`}
      flush
      actions={
        evidence !== null && (
          <button class="button small" type="button" onClick={() => setWhole(!whole)}>
            {whole ? "Envelope only" : "Whole evidence"}
          </button>
        )
      }
    >
      <Hex
        key={String(whole)}
        bytes={bytes}
        rows={whole ? annotateEvidence(bytes) : annotateEnvelope(bytes)}
      />
    </Panel>
  );
}
