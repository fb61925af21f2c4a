/**
 * Evidence (SPEC.md §7): one self-contained proof that an agent said something. Verified here, link
 * by link, in the order of §7.2; the first failure is the result. What follows a failure is still
 * tried as far as it can be, so that whoever looks sees which links hold.
 */
import { equal, hex, type Bytes } from "./bytes";
import { readGroupLeaf, readHeader, type GroupLeaf, type Header } from "./batch";
import { Reader } from "./cbor";
import { verifyCose } from "./cose";
import { checkLife, readDelegation, verifyDelegation, type Delegation } from "./delegation";
import { canVerify, type Ability } from "./ed25519";
import { didOf } from "./did";
import { decodeEnvelope, ENVELOPE_SIZE_MAX, type Envelope } from "./envelope";
import { climb, leafHash, readPath, type Level, type Path } from "./merkle";
import { Refused, refuse } from "./refused";

export const EVIDENCE_SIZE_MAX = ENVELOPE_SIZE_MAX + 8192;
const MARK = "haggle-evidence/1";

export interface Evidence {
  delegation: Bytes;
  header: Bytes;
  groupLeaf: Bytes;
  groupPath: Path;
  envelopePath: Path;
  envelope: Bytes;
}

export function decodeEvidence(bytes: Bytes): Evidence {
  if (bytes.length > EVIDENCE_SIZE_MAX)
    refuse("too_large", `evidence of ${bytes.length} bytes, limit ${EVIDENCE_SIZE_MAX}`);
  const reader = new Reader(bytes);
  const out: Partial<Evidence> = {};
  const limit = bytes.length; // the parts have limits of their own, checked where they are read
  const read: (() => void)[] = [
    () => {
      if (reader.text("mark", 64) !== MARK) refuse("bad_type", `not marked as “${MARK}”`);
    },
    () => (out.delegation = reader.byteString("delegation", limit)),
    () => (out.header = reader.byteString("header", limit)),
    () => (out.groupLeaf = reader.byteString("group leaf", limit)),
    () => (out.groupPath = readPath(reader, "group's path")),
    () => (out.envelopePath = readPath(reader, "envelope's path")),
    () => (out.envelope = reader.byteString("envelope", limit)),
  ];
  reader.fields("evidence", 0, 6, (key) => read[key]!());
  reader.end("evidence");
  return out as Evidence;
}

/** The links of the chain, in the order in which they are tried. */
export type StepName =
  | "shape"
  | "group_leaf"
  | "envelope"
  | "header"
  | "delegation"
  | "delegation_signature"
  | "author"
  | "host"
  | "life"
  | "header_signature"
  | "group_path"
  | "envelope_path";

/** What was compared or computed, for whoever wants to follow: a name and a text each. */
export type Facts = [name: string, text: string][];

export interface Step {
  name: StepName;
  what: string;
  /** null: not tried, for want of what went before, or of a browser that can. */
  ok: boolean | null;
  code?: string;
  why?: string;
  facts: Facts;
  levels?: Level[]; // of paths
}

/** What the parts say, as far as they could be read; proved only by a verdict that says so. */
export interface Parts {
  evidence?: Evidence;
  group?: GroupLeaf;
  envelope?: Envelope;
  header?: Header;
  delegation?: Delegation;
}

export interface Verdict {
  /** "unchecked": nothing is wrong with the shape, and this browser cannot check the rest. */
  result: "proved" | "false" | "unchecked";
  code?: string; // of the first failure
  why?: string;
  ability: Ability;
  steps: Step[];
  parts: Parts;
  /** Of the envelope, among all that the one host said to the other; where proved. */
  number?: number;
}

const WHAT: Record<StepName, string> = {
  shape: "The evidence has its one permitted form",
  group_leaf: "The group leaf is well formed",
  envelope: "The envelope is well formed",
  header: "The header is well formed",
  delegation: "The delegation is well formed",
  delegation_signature: "The agent signed the delegation",
  author: "The author is the agent that delegated",
  host: "The delegation is to the host of the header",
  life: "The delegation covers the header's time",
  header_signature: "The host signed the header",
  group_path: "The group is in the header's tree",
  envelope_path: "The envelope is in the group's tree",
};

class Chain {
  readonly steps: Step[] = [];

  /** `check` returns what it compared; undefined if what it needs is not there. */
  async try(
    name: StepName,
    check: (facts: Facts, step: Step) => unknown | Promise<unknown>,
    possible = true,
  ): Promise<void> {
    const step: Step = { name, what: WHAT[name], ok: null, facts: [] };
    this.steps.push(step);
    if (!possible) return;
    try {
      await check(step.facts, step);
      step.ok = true;
    } catch (error) {
      // Only what was refused is a verdict about the evidence; else a flaw in here: no claim.
      if (!(error instanceof Refused)) throw error;
      step.ok = false;
      step.code = error.code;
      step.why = error.message;
    }
  }
}

export async function verifyEvidence(bytes: Bytes): Promise<Verdict> {
  const ability = await canVerify();
  const chain = new Chain();
  const parts: Parts = {};
  await readParts(chain, bytes, parts);
  const { delegation, header, envelope, group } = parts;
  const able = ability === "able";
  await chain.try(
    "delegation_signature",
    (facts) => {
      facts.push(["key", didOf(delegation!.agent)], ["signature", hex(delegation!.cose.signature)]);
      return verifyDelegation(delegation!);
    },
    able && !!delegation,
  );
  await chain.try(
    "author",
    (facts) => checkAuthor(facts, envelope!, delegation!),
    !!envelope && !!delegation,
  );
  await chain.try(
    "host",
    (facts) => checkHost(facts, header!, delegation!),
    !!header && !!delegation,
  );
  await chain.try(
    "life",
    (facts) => {
      facts.push(
        ["delegated from", isoTime(delegation!.issuedS * 1000)],
        ["header's time", isoTime(header!.timeMs)],
        ["delegated until", isoTime(delegation!.expiresS * 1000)],
      );
      checkLife(delegation!, header!.timeMs);
    },
    !!header && !!delegation,
  );
  await chain.try(
    "header_signature",
    (facts) => {
      facts.push(["key", didOf(header!.host)], ["signature", hex(header!.cose.signature)]);
      return verifyCose(header!.cose, header!.host);
    },
    able && !!header,
  );
  await tryPaths(chain, parts, able);
  return judge(chain.steps, ability, parts, group);
}

async function readParts(chain: Chain, bytes: Bytes, parts: Parts): Promise<void> {
  await chain.try("shape", (facts) => {
    facts.push(["size", `${bytes.length} bytes`]);
    parts.evidence = decodeEvidence(bytes);
  });
  const { evidence } = parts;
  await chain.try(
    "group_leaf",
    (facts) => {
      const group = (parts.group = readGroupLeaf(evidence!.groupLeaf));
      facts.push(
        ["destination host", didOf(group.destination)],
        ["numbers", `${group.firstNumber} to ${group.firstNumber + group.count - 1}`],
      );
    },
    !!evidence,
  );
  await chain.try(
    "envelope",
    (facts) => {
      parts.envelope = decodeEnvelope(evidence!.envelope);
      facts.push(["id", hex(parts.envelope.id)], ["type", parts.envelope.type]);
    },
    !!evidence,
  );
  await chain.try(
    "header",
    (facts) => {
      const header = (parts.header = readHeader(evidence!.header));
      facts.push(
        ["incarnation", hex(header.incarnation)],
        ["sequence", String(header.sequence)],
        ["groups", String(header.groupCount)],
        ["time claimed by the host", isoTime(header.timeMs)],
      );
    },
    !!evidence,
  );
  await chain.try(
    "delegation",
    (facts) => {
      const delegation = (parts.delegation = readDelegation(evidence!.delegation));
      facts.push(
        ["agent", didOf(delegation.agent)],
        ["host", didOf(delegation.host)],
        ["sequence", String(delegation.sequence)],
      );
    },
    !!evidence,
  );
}

function checkAuthor(facts: Facts, envelope: Envelope, delegation: Delegation): void {
  facts.push(
    ["envelope's from", didOf(envelope.from)],
    ["delegation's agent", didOf(delegation.agent)],
  );
  if (!equal(envelope.from, delegation.agent))
    refuse("no_delegation", "said by another agent than the one that delegated");
}

function checkHost(facts: Facts, header: Header, delegation: Delegation): void {
  facts.push(["header's host", didOf(header.host)], ["delegation's host", didOf(delegation.host)]);
  if (!equal(header.host, delegation.host))
    refuse("wrong_host", "delegated to another host than the one that signed");
}

async function tryPaths(chain: Chain, parts: Parts, able: boolean): Promise<void> {
  const { evidence, group, header } = parts;
  await chain.try(
    "group_path",
    (facts, step) =>
      follow(
        facts,
        step,
        evidence!.groupLeaf,
        evidence!.groupPath,
        header!.groupCount,
        header!.root,
      ),
    able && !!evidence && !!header,
  );
  await chain.try(
    "envelope_path",
    (facts, step) =>
      follow(facts, step, evidence!.envelope, evidence!.envelopePath, group!.count, group!.root),
    able && !!evidence && !!group,
  );
}

async function follow(
  facts: Facts,
  step: Step,
  entry: Bytes,
  path: Path,
  count: number,
  root: Bytes,
): Promise<void> {
  const leaf = await leafHash(entry);
  facts.push(
    ["place", `${path.index + 1} of ${count}`],
    ["leaf", hex(leaf)],
    ["root named", hex(root)],
  );
  const computed: Level[] = (step.levels = []);
  await climb(leaf, path, count, root, computed);
}

function judge(steps: Step[], ability: Ability, parts: Parts, group?: GroupLeaf): Verdict {
  const failed = steps.find((step) => step.ok === false);
  if (failed)
    return { result: "false", code: failed.code!, why: failed.why!, ability, steps, parts };
  // Every link was tried and holds, or nothing is claimed.
  if (ability !== "able" || !steps.every((step) => step.ok === true))
    return { result: "unchecked", ability, steps, parts };
  const number = group!.firstNumber + parts.evidence!.envelopePath.index;
  return { result: "proved", ability, steps, parts, number };
}

function isoTime(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? `${ms} ms since 1970` : time.toISOString();
}
