/** Headers and group leaves (SPEC.md §6): what a host signs once a tick. */
import { equal, type Bytes } from "./bytes";
import { COUNTER_MAX, Reader } from "./cbor";
import { readCose, type Cose } from "./cose";
import { HASH_SIZE } from "./merkle";
import { refuse, within } from "./refused";

const TYPE = "application/haggle-header+cbor";
export const HEADER_SIZE_MAX = 1024;
export const GROUP_LEAF_SIZE_MAX = 256;
const GROUPS_MAX = 65536;
const ENVELOPES_MAX = 4096;
const KEY_SIZE = 32;
const INCARNATION_SIZE = 8;

export interface Header {
  host: Bytes;
  incarnation: Bytes;
  sequence: number;
  previous: Bytes;
  root: Bytes;
  groupCount: number;
  timeMs: number;
  continues?: { incarnation: Bytes; sequence: number; header: Bytes };
  cose: Cose;
}

export interface GroupLeaf {
  destination: Bytes;
  firstNumber: number;
  count: number;
  previous: Bytes;
  root: Bytes;
}

const NONE = new Uint8Array(0);
const NO_HASH = new Uint8Array(HASH_SIZE);

export function readHeader(bytes: Bytes): Header {
  return within("header", () => {
    if (bytes.length > HEADER_SIZE_MAX)
      refuse("too_large", `${bytes.length} bytes, at most ${HEADER_SIZE_MAX} are permitted`);
    const cose = readCose(bytes, TYPE);
    return readPayload(cose);
  });
}

function readPayload(cose: Cose): Header {
  const reader = new Reader(cose.payload);
  const header: Header = {
    host: NONE,
    incarnation: NONE,
    sequence: 0,
    previous: NONE,
    root: NONE,
    groupCount: 0,
    timeMs: 0,
    cose,
  };
  const read: (() => void)[] = [
    () => (header.host = reader.fixed("host", KEY_SIZE)),
    () => (header.incarnation = reader.fixed("incarnation", INCARNATION_SIZE)),
    () => (header.sequence = reader.uint("sequence")),
    () => (header.previous = reader.fixed("previous header", HASH_SIZE)),
    () => (header.root = reader.fixed("root", HASH_SIZE)),
    () => (header.groupCount = reader.uint("group count", 0xffffffff)),
    () => (header.timeMs = reader.uint("time")),
    () => (header.continues = readContinues(reader)),
  ];
  reader.fields("a header", 1, 8, (key) => read[key - 1]!(), 1);
  reader.end("header");
  checkHeader(header);
  return header;
}

function readContinues(reader: Reader): NonNullable<Header["continues"]> {
  reader.tuple("continues", 3);
  const incarnation = reader.fixed("continued incarnation", INCARNATION_SIZE);
  const sequence = reader.uint("continued sequence");
  return { incarnation, sequence, header: reader.fixed("continued header", HASH_SIZE) };
}

function checkHeader(header: Header): void {
  if (header.groupCount < 1) refuse("malformed", "without groups");
  if (header.groupCount > GROUPS_MAX)
    refuse("too_large", `${header.groupCount} groups, at most ${GROUPS_MAX} are permitted`);
  if (header.sequence < 1) refuse("malformed", "sequence is out of range");
  if ((header.sequence === 1) !== equal(header.previous, NO_HASH))
    refuse("malformed", "only the first header has no previous one");
  if (!header.continues) return;
  if (header.sequence !== 1)
    refuse("malformed", "only the first header continues another incarnation");
  if (equal(header.continues.incarnation, header.incarnation))
    refuse("malformed", "an incarnation cannot continue itself");
  if (header.continues.sequence < 1)
    refuse("malformed", "continued header's sequence is out of range");
}

export function readGroupLeaf(bytes: Bytes): GroupLeaf {
  if (bytes.length > GROUP_LEAF_SIZE_MAX)
    refuse("too_large", `group leaf of ${bytes.length} bytes, limit ${GROUP_LEAF_SIZE_MAX}`);
  return within("group leaf", () => {
    const reader = new Reader(bytes);
    const leaf = { destination: NONE, firstNumber: 0, count: 0, previous: NONE, root: NONE };
    const read: (() => void)[] = [
      () => (leaf.destination = reader.fixed("destination", KEY_SIZE)),
      () => (leaf.firstNumber = reader.uint("first number")),
      () => (leaf.count = reader.uint("envelope count", 0xffffffff)),
      () => (leaf.previous = reader.fixed("previous group", HASH_SIZE)),
      () => (leaf.root = reader.fixed("root", HASH_SIZE)),
    ];
    reader.fields("a group leaf", 1, 5, (key) => read[key - 1]!());
    reader.end("group leaf");
    checkLeaf(leaf);
    return leaf;
  });
}

function checkLeaf(leaf: GroupLeaf): void {
  if (leaf.count < 1) refuse("malformed", "without envelopes");
  if (leaf.count > ENVELOPES_MAX)
    refuse("too_large", `${leaf.count} envelopes, at most ${ENVELOPES_MAX} are permitted`);
  if (leaf.firstNumber < 1 || leaf.firstNumber > COUNTER_MAX - (leaf.count - 1))
    refuse("malformed", "numbers out of range");
  if ((leaf.firstNumber === 1) !== equal(leaf.previous, NO_HASH))
    refuse("malformed", "only the first group of a pair has no previous one");
}
