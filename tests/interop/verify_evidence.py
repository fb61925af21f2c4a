#!/usr/bin/env python3
"""Verifies Haggle evidence, written from protocol/SPEC.md alone.

    verify_evidence.py FILE...        "ok FILE: ..." or "bad FILE: reason" for each
    verify_evidence.py --tamper FILE  makes variants of a valid evidence and checks that each fails

Exit status: 0 all accepted (or all variants refused), 1 not, 2 wrong usage, 3 a flaw in here.
It shares no code with Haggle: CBOR is cbor2's, Ed25519 is libsodium's through PyNaCl.
"""

import hashlib
import math
import re
import sys
import traceback
from dataclasses import dataclass, replace

import cbor2
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

MARK = "haggle-evidence/1"
HEADER_TYPE = "application/haggle-header+cbor"
DELEGATION_TYPE = "application/haggle-delegation+cwt"

COUNTER_MAX = 2**53 - 1
ENVELOPE_SIZE_MAX = 1024 * 1024 + 4096
EVIDENCE_SIZE_MAX = ENVELOPE_SIZE_MAX + 8192
DELEGATION_SIZE_MAX = 1024
HEADER_SIZE_MAX = 1024
GROUP_LEAF_SIZE_MAX = 256
GROUP_COUNT_MAX = 65536
GROUP_ENVELOPES_MAX = 4096
PATH_MAX = 16
BODY_SIZE_MAX = 1024 * 1024
VALUE_DEPTH_MAX = 32
VALUE_ITEMS_MAX = 65536
DELEGATION_LIFE_MAX_S = 7 * 24 * 3600
CLOCK_SKEW_MAX_MS = 2 * 60 * 1000

NO_HASH = bytes(32)


class Bad(Exception):
    """The evidence is refused; the text says why."""


def require(condition, reason):
    if not condition:
        raise Bad(reason)


# Deterministic CBOR ------------------------------------------------------------------------------


def decode(data, what, size_max):
    """The one item in data. Only the deterministic encoding of an item encodes back to itself."""
    require(len(data) <= size_max, f"{what}: {len(data)} bytes, limit {size_max}")
    try:
        item = cbor2.loads(data)
        again = cbor2.dumps(item, canonical=True)
    except Exception as error:  # cbor2 has many, and an odd input must only ever be refused
        raise Bad(f"{what}: not CBOR: {error}") from error
    require(again == data, f"{what}: not in deterministic encoding, or more follows")
    return item


def uint(item, what, least=0, most=COUNTER_MAX):
    require(type(item) is int and least <= item <= most, f"{what}: not in {least}..{most}")
    return item


def fixed(item, what, size):
    require(type(item) is bytes and len(item) == size, f"{what}: not {size} bytes")
    return item


def fields(item, what, *key_sets):
    require(type(item) is dict, f"{what}: not a map")
    require(all(type(key) is int for key in item), f"{what}: a key is not an integer")
    require(set(item) in [set(keys) for keys in key_sets], f"{what}: keys {sorted(item)}")
    return item


def items(item, what, count):
    require(type(item) is list and len(item) == count, f"{what}: not a list of {count}")
    return item


def check_value(item, depth=0):
    """Checks a value as SPEC's "Values" has it; returns how many values it holds."""
    if item is None or type(item) in (bool, bytes, str):
        return 1
    if type(item) is int:
        require(-(2**63) <= item < 2**63, "body: integer beyond 64 bits")
        return 1
    if type(item) is float:
        require(math.isfinite(item), "body: float that is not finite")
        return 1
    require(type(item) in (list, dict), f"body: {type(item).__name__} is not a value")
    require(depth < VALUE_DEPTH_MAX, "body: too deep")
    if type(item) is dict:
        require(all(type(key) is str for key in item), "body: a key is not text")
        item = item.values()
    return 1 + sum(check_value(inner, depth + 1) for inner in item)


def check_whole_value(item):
    require(check_value(item) <= VALUE_ITEMS_MAX, "body: too many values")


# Identities and signatures -----------------------------------------------------------------------

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PREFIX = b"\xed\x01"


def did_of(key):
    number = int.from_bytes(PREFIX + key, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = ALPHABET[digit] + digits
    return "did:key:z" + digits


def key_of(did, what):
    require(type(did) is str and did.startswith("did:key:z"), f"{what}: not a did:key")
    number = 0
    for digit in did[len("did:key:z") :]:
        require(digit in ALPHABET, f"{what}: not base58")
        number = number * 58 + ALPHABET.index(digit)
    require(number.bit_length() <= 34 * 8, f"{what}: not an Ed25519 key")
    data = number.to_bytes(34, "big")
    require(data[:2] == PREFIX, f"{what}: not an Ed25519 key")
    require(did_of(data[2:]) == did, f"{what}: not canonical")
    check_key(data[2:], what)
    return data[2:]


def check_key(key, what):
    require(crypto_core_ed25519_is_valid_point(key), f"{what}: bad key")


def protected_header(object_type):
    return cbor2.dumps({1: -8, 16: object_type}, canonical=True)


def to_be_signed(object_type, payload):
    return cbor2.dumps(["Signature1", protected_header(object_type), b"", payload], canonical=True)


def cose_open(data, object_type, what, size_max):
    """(payload, signature) of a COSE_Sign1 in our one shape."""
    protected, unprotected, payload, signature = items(decode(data, what, size_max), what, 4)
    require(type(protected) is bytes, f"{what}: protected header")
    require(protected == protected_header(object_type), f"{what}: not of type {object_type}")
    require(unprotected == {} and type(unprotected) is dict, f"{what}: unprotected header")
    require(type(payload) is bytes, f"{what}: payload")
    return payload, fixed(signature, f"{what}: signature", 64)


def cose_check(object_type, payload, signature, key, what):
    check_key(key, what)
    try:
        VerifyKey(key).verify(to_be_signed(object_type, payload), signature)
    except (BadSignatureError, ValueError) as error:
        raise Bad(f"{what}: signature does not verify") from error


def cose_sign(object_type, payload, key):
    signature = key.sign(to_be_signed(object_type, payload)).signature
    return cbor2.dumps([protected_header(object_type), {}, payload, signature], canonical=True)


# Merkle trees, RFC 9162 --------------------------------------------------------------------------


def leaf_hash(data):
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from_path(leaf, index, size, path):
    """The root that the path leads to. Written by the recursive definition (section 2.1.3.1)."""
    if size == 1:
        require(not path, "path: longer than the tree is high")
        return leaf
    require(path, "path: shorter than the tree is high")
    split = 1 << (size - 1).bit_length() - 1
    if index < split:
        return node_hash(root_from_path(leaf, index, split, path[:-1]), path[-1])
    return node_hash(path[-1], root_from_path(leaf, index - split, size - split, path[:-1]))


def check_path(data, path, size, root, what):
    index, hashes = path
    require(index < size, f"{what}: index {index} of {size}")
    require(root_from_path(leaf_hash(data), index, size, hashes) == root, f"{what}: another root")


# The objects -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evidence:
    delegation: bytes
    header: bytes
    group_leaf: bytes
    group_path: tuple
    envelope_path: tuple
    envelope: bytes

    def encode(self):
        return cbor2.dumps(
            {
                0: MARK,
                1: self.delegation,
                2: self.header,
                3: self.group_leaf,
                4: [self.group_path[0], list(self.group_path[1])],
                5: [self.envelope_path[0], list(self.envelope_path[1])],
                6: self.envelope,
            },
            canonical=True,
        )


def read_path(item, what):
    index, hashes = items(item, what, 2)
    uint(index, what, 0, 2**32 - 1)
    require(type(hashes) is list and len(hashes) <= PATH_MAX, f"{what}: hashes")
    return index, tuple(fixed(one, what, 32) for one in hashes)


def read_evidence(data):
    item = fields(decode(data, "evidence", EVIDENCE_SIZE_MAX), "evidence", range(7))
    require(item[0] == MARK, "evidence: mark")
    for key in (1, 2, 3, 6):
        require(type(item[key]) is bytes, f"evidence: key {key} is not bytes")
    paths = read_path(item[4], "group's path"), read_path(item[5], "envelope's path")
    return Evidence(item[1], item[2], item[3], *paths, item[6])


def read_group_leaf(data):
    leaf = fields(decode(data, "group leaf", GROUP_LEAF_SIZE_MAX), "group leaf", range(1, 6))
    fixed(leaf[1], "destination", 32)
    count = uint(leaf[3], "envelope count", 1, GROUP_ENVELOPES_MAX)
    first = uint(leaf[2], "first number", 1, COUNTER_MAX - (count - 1))
    previous = fixed(leaf[4], "previous group", 32)
    require((first == 1) == (previous == NO_HASH), "group leaf: previous group and first number")
    fixed(leaf[5], "group's root", 32)
    return leaf


def read_header(payload):
    what = "header"
    header = fields(decode(payload, what, HEADER_SIZE_MAX), what, range(1, 8), range(1, 9))
    fixed(header[1], "host", 32)
    fixed(header[2], "incarnation", 8)
    sequence = uint(header[3], "header's sequence", 1)
    previous = fixed(header[4], "previous header", 32)
    fixed(header[5], "header's root", 32)
    uint(header[6], "group count", 1, GROUP_COUNT_MAX)
    uint(header[7], "header's time")
    require((sequence == 1) == (previous == NO_HASH), "header: previous header and sequence")
    if 8 in header:
        incarnation, continued, header_hash = items(header[8], "continues", 3)
        require(sequence == 1, "header: only the first continues another incarnation")
        require(fixed(incarnation, "continued incarnation", 8) != header[2], "continues itself")
        uint(continued, "continued sequence", 1)
        fixed(header_hash, "continued header", 32)
    return header


def read_delegation(data):
    what = "delegation"
    payload, signature = cose_open(data, DELEGATION_TYPE, what, DELEGATION_SIZE_MAX)
    claims = fields(decode(payload, what, DELEGATION_SIZE_MAX), what, {1, 2, 4, 6, -65537})
    agent, host = key_of(claims[1], "iss"), key_of(claims[2], "sub")
    expires = uint(claims[4], "exp", 0, COUNTER_MAX // 1000)
    issued = uint(claims[6], "iat", 0, COUNTER_MAX // 1000)
    uint(claims[-65537], "sequence")
    require(0 < expires - issued <= DELEGATION_LIFE_MAX_S, "delegation: its life")
    cose_check(DELEGATION_TYPE, payload, signature, agent, what)
    return agent, host, issued, expires


TYPE = re.compile(r"([a-z0-9._-]{1,64})/([0-9.]{1,64})/([a-z0-9._-]{1,64})")


def read_envelope(data):
    envelope = decode(data, "envelope", ENVELOPE_SIZE_MAX)
    require(type(envelope) is dict, "envelope: not a map")
    for key, item in envelope.items():
        require(type(key) is int and key >= 0, "envelope: a key is not a number")
        require(not 64 <= key <= 127, f"envelope: unknown critical key {key}")
        if key == 0 or key > 11:
            check_whole_value(item)
    require({1, 2, 3, 4, 7, 9} <= set(envelope), "envelope: a field is missing")
    require(type(envelope[2]) is str and len(envelope[2]) <= 128, "type")
    require(TYPE.fullmatch(envelope[2]), "type")
    for key, size in ((1, 16), (3, 32), (4, 32), (5, 16), (6, 16), (10, 32)):
        if key in envelope:
            fixed(envelope[key], f"envelope's key {key}", size)
    require(envelope.get(5) != envelope[1], "thid: equal to the id")
    uint(envelope[7], "created_time")
    if 8 in envelope:
        uint(envelope[8], "expires_time", 1)
    if 11 in envelope:
        trace = envelope[11]
        require(type(trace) is str and re.fullmatch(r"[!-~]{1,64}", trace), "traceparent")
    check_whole_value(envelope[9])
    body_size = len(cbor2.dumps(envelope[9], canonical=True))
    require(body_size <= BODY_SIZE_MAX, "body: too large")
    return envelope


def verify(data):
    """Returns (envelope, header, group leaf, number), or raises Bad with the first reason."""
    evidence = read_evidence(data)
    leaf = read_group_leaf(evidence.group_leaf)
    envelope = read_envelope(evidence.envelope)
    payload, signature = cose_open(evidence.header, HEADER_TYPE, "header", HEADER_SIZE_MAX)
    header = read_header(payload)
    agent, host, issued, expires = read_delegation(evidence.delegation)
    require(envelope[3] == agent, "the author is not the delegation's agent")
    require(header[1] == host, "the delegation names another host")
    require(header[7] < expires * 1000, "the delegation had ended")
    require(header[7] >= issued * 1000 - CLOCK_SKEW_MAX_MS, "the delegation had not begun")
    cose_check(HEADER_TYPE, payload, signature, header[1], "header")
    check_path(evidence.group_leaf, evidence.group_path, header[6], header[5], "group's path")
    check_path(evidence.envelope, evidence.envelope_path, leaf[3], leaf[5], "envelope's path")
    return envelope, header, leaf, leaf[2] + evidence.envelope_path[0]


# Tampering ---------------------------------------------------------------------------------------


def change_payload(cose, change):
    parts = cbor2.loads(cose)
    item = cbor2.loads(parts[2])
    change(item)
    parts[2] = cbor2.dumps(item, canonical=True)
    return cbor2.dumps(parts, canonical=True)


def change_map(data, key, value):
    item = cbor2.loads(data)
    item[key] = value
    return cbor2.dumps(item, canonical=True)


def sign_anew(evidence, life=(-60, 3600), delegated=None):
    """The same message from an agent and a host of our own, in a batch of one. Only here can what
    is signed be wrong: a life (seconds from the header's time), the host delegated to."""
    agent, host = SigningKey(bytes([3]) * 32), SigningKey(bytes([4]) * 32)
    envelope = change_map(evidence.envelope, 3, bytes(agent.verify_key))
    header = cbor2.loads(cbor2.loads(evidence.header)[2])
    time_s = header[7] // 1000
    claims = {
        1: did_of(bytes(agent.verify_key)),
        2: did_of(delegated or bytes(host.verify_key)),
        4: time_s + life[1],
        6: time_s + life[0],
        -65537: 1,
    }
    leaf = cbor2.loads(evidence.group_leaf)
    leaf.update({3: 1, 5: leaf_hash(envelope)})
    leaf_bytes = cbor2.dumps(leaf, canonical=True)
    header.update({1: bytes(host.verify_key), 5: leaf_hash(leaf_bytes), 6: 1})
    return Evidence(
        cose_sign(DELEGATION_TYPE, cbor2.dumps(claims, canonical=True), agent),
        cose_sign(HEADER_TYPE, cbor2.dumps(header, canonical=True), host),
        leaf_bytes,
        (0, ()),
        (0, ()),
        envelope,
    )


def flip(data, at):
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def flip_path(path):
    """Another hash on the way; where there is none, one too many."""
    index, hashes = path
    return (index, (flip(hashes[0], 0), *hashes[1:])) if hashes else (index, (NO_HASH,))


def next_index(path):
    return (path[0] + 1, path[1])


def variants(data):
    """(name, bytes) of evidence in which one thing is wrong."""
    good = read_evidence(data)
    other = bytes(SigningKey(bytes([5]) * 32).verify_key)

    def with_header(key, value):
        return replace(good, header=change_payload(good.header, lambda h: h.update({key: value})))

    def with_claim(key, value):
        changed = change_payload(good.delegation, lambda claims: claims.update({key: value}))
        return replace(good, delegation=changed)

    time_ms = cbor2.loads(cbor2.loads(good.header)[2])[7]
    ends = cbor2.loads(cbor2.loads(good.delegation)[2])[4]
    changed = {
        "body": replace(good, envelope=change_map(good.envelope, 9, "another body")),
        "from": replace(good, envelope=change_map(good.envelope, 3, other)),
        "to": replace(good, envelope=change_map(good.envelope, 4, other)),
        "destination": replace(good, group_leaf=change_map(good.group_leaf, 1, other)),
        "group path": replace(good, group_path=flip_path(good.group_path)),
        "envelope path": replace(good, envelope_path=flip_path(good.envelope_path)),
        "path index": replace(good, envelope_path=next_index(good.envelope_path)),
        "header time": with_header(7, time_ms + 1),
        "header root": with_header(5, bytes([1]) * 32),
        "header of another host": with_header(1, other),
        "header signature": replace(good, header=flip(good.header, -1)),
        "delegation end": with_claim(4, ends - 1),
        "delegation to another host": with_claim(2, did_of(other)),
        "delegation signature": replace(good, delegation=flip(good.delegation, -1)),
        "delegation missing": replace(good, delegation=b""),
        "header as delegation": replace(good, delegation=good.header),
        "delegation expired, properly signed": sign_anew(good, life=(-3600, 0)),
        "delegation not begun, properly signed": sign_anew(good, life=(121, 3600)),
        "wrong host, properly signed": sign_anew(good, delegated=other),
    }
    for name, evidence in changed.items():
        yield name, evidence.encode()
    yield "trailing byte", data + b"\x00"
    yield "last byte cut off", data[:-1]
    yield "unknown key", change_map(data, 7, None)
    # Every byte where a check is cheap; of a long body a sample is as telling.
    step = max(1, len(data) // 4096)
    for at in range(0, len(data), step):
        yield f"byte {at}", flip(data, at)


def accepted(data):
    try:
        verify(data)
        return True
    except Bad:
        return False


def tamper(path):
    with open(path, "rb") as file:
        data = file.read()
    try:
        verify(data)
        # What the properly signed variants rest on: signed anew without a flaw, it is accepted.
        verify(sign_anew(read_evidence(data)).encode())
    except Bad as reason:
        print(f"bad {path}: {reason}")
        return False
    count, missed = 0, []
    for name, changed in variants(data):
        count += 1
        if accepted(changed):
            missed.append(name)
    for name in missed:
        print(f"bad {path}: accepted although tampered with: {name}")
    if not missed:
        print(f"ok {path}: {count} tampered variants refused")
    return not missed


def report(path):
    try:
        with open(path, "rb") as file:
            data = file.read(EVIDENCE_SIZE_MAX + 1)
        envelope, header, leaf, number = verify(data)
    except (Bad, OSError) as reason:
        print(f"bad {path}: {reason}")
        return False
    print(
        f"ok {path}: {did_of(envelope[3])} said {envelope[2]} as number {number} from host "
        f"{did_of(header[1])} to host {did_of(leaf[1])}, at {header[7]} ms by the host's clock"
    )
    return True


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "--tamper":
        return 0 if tamper(arguments[1]) else 1
    if not arguments or any(argument.startswith("-") for argument in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    return 0 if all([report(path) for path in arguments]) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Exception:  # Python's own status for this would be 1, and read as a refusal
        traceback.print_exc()
        sys.exit(3)
