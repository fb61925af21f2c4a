/** Evidence of messages that a test makes up: signed as a host would, one tick for each message. */
import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import "./webcrypto";
import { concat, fromHex, utf8, type Bytes } from "../../src/proof/bytes";
import { head } from "../../src/proof/cbor";
import { definitionDigest, encodeJson } from "../../src/proof/definition";
import { didOf } from "../../src/proof/did";
import { leafHash } from "../../src/proof/merkle";

const [UINT, NEGATIVE, BYTES, TEXT, LIST, MAP] = [0, 1, 2, 3, 4, 5] as const;

function bytes(content: Uint8Array): Bytes {
  return concat(head(BYTES, content.length), content);
}

function text(content: string): Bytes {
  return concat(head(TEXT, utf8(content).length), utf8(content));
}

function uint(value: number): Bytes {
  return head(UINT, value);
}

/** Keys and their encoded values; what is undefined is left out. */
function map(...fields: [key: number, value: Bytes | undefined][]): Bytes {
  const there = fields.flatMap(([key, value]) =>
    value ? [key < 0 ? head(NEGATIVE, -1 - key) : uint(key), value] : [],
  );
  return concat(head(MAP, there.length / 2), ...there);
}

export class Identity {
  readonly key: Bytes;
  readonly did: string;
  private readonly secret: KeyObject;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    this.secret = privateKey;
    this.key = new Uint8Array(publicKey.export({ type: "spki", format: "der" }).subarray(-32));
    this.did = didOf(this.key);
  }

  /** A COSE_Sign1 of the type over the payload. */
  cose(type: string, payload: Bytes): Bytes {
    const protectedHeader = concat(Uint8Array.of(0xa2, 0x01, 0x27, 0x10), text(type));
    const parts = [bytes(protectedHeader), bytes(new Uint8Array(0)), bytes(payload)];
    const signed = concat(head(LIST, 4), text("Signature1"), ...parts);
    const signature = bytes(sign(null, signed, this.secret));
    const empty = Uint8Array.of(0xa0);
    return concat(head(LIST, 4), bytes(protectedHeader), empty, bytes(payload), signature);
  }
}

export interface Draft {
  id: string;
  type: string;
  from: Identity;
  to: Identity;
  thid?: string;
  pthid?: string;
  timeMs: number;
  body: unknown;
  definition?: unknown;
}

export async function envelopeOf(draft: Draft): Promise<Bytes> {
  const { definition } = draft;
  return map(
    [1, bytes(fromHex(draft.id))],
    [2, text(draft.type)],
    [3, bytes(draft.from.key)],
    [4, bytes(draft.to.key)],
    [5, draft.thid === undefined ? undefined : bytes(fromHex(draft.thid))],
    [6, draft.pthid === undefined ? undefined : bytes(fromHex(draft.pthid))],
    [7, uint(draft.timeMs)],
    [9, encodeJson(draft.body)],
    [10, definition === undefined ? undefined : bytes(await definitionDigest(definition))],
  );
}

const HASH = new Uint8Array(32).fill(0x77);

export async function evidenceOf(host: Identity, draft: Draft, number = 2): Promise<Bytes> {
  const envelope = await envelopeOf(draft);
  const issued = Math.floor(draft.timeMs / 1000) - 60;
  const claims = map(
    [1, text(draft.from.did)],
    [2, text(host.did)],
    [4, uint(issued + 86_400)],
    [6, uint(issued)],
    [-65537, uint(issued * 1000)],
  );
  const leaf = map(
    [1, bytes(host.key)],
    [2, uint(number)],
    [3, uint(1)],
    [4, bytes(number === 1 ? new Uint8Array(32) : HASH)],
    [5, bytes(await leafHash(envelope))],
  );
  const header = map(
    [1, bytes(host.key)],
    [2, bytes(new Uint8Array(8).fill(9))],
    [3, uint(number)],
    [4, bytes(number === 1 ? new Uint8Array(32) : HASH)],
    [5, bytes(await leafHash(leaf))],
    [6, uint(1)],
    [7, uint(draft.timeMs)],
  );
  const path = concat(head(LIST, 2), uint(0), head(LIST, 0));
  return map(
    [0, text("haggle-evidence/1")],
    [1, bytes(draft.from.cose("application/haggle-delegation+cwt", claims))],
    [2, bytes(host.cose("application/haggle-header+cbor", header))],
    [3, bytes(leaf)],
    [4, path],
    [5, path],
    [6, bytes(envelope)],
  );
}
