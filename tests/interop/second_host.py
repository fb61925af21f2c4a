"""A host of Haggle's protocol in Python, written from protocol/SPEC.md alone: handshake, frames,
batches. Only as much of one as tests need to talk to a real host, honestly or not.

Noise and Ed25519 are libsodium's through PyNaCl, CBOR is cbor2's.
"""

import base64
import hashlib
import hmac
import os
import socket
import struct
import time

import cbor2
from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.signing import SigningKey, VerifyKey
from verify_evidence import (
    DELEGATION_TYPE,
    HEADER_TYPE,
    NO_HASH,
    Evidence,
    cose_sign,
    did_of,
    key_of,
    leaf_hash,
    node_hash,
    verify,
)

NOISE = b"Noise_XX_25519_ChaChaPoly_SHA256"
PROLOGUE = b"haggle.v1"
STATIC_KEY_DOMAIN = b"haggle-noise-static-key:"
HELLO, BATCH, ACK, SETTLE, GOSSIP, PING, PONG, WANT, HAVE, ERROR = range(1, 11)
PART_MAX = 65518


class Closed(Exception):
    """The host ended the connection."""


def encode(item):
    return cbor2.dumps(item, canonical=True)


def now_ms():
    return int(time.time() * 1000)


# WebSocket, as a client ---------------------------------------------------------------------------


class WebSocket:
    def __init__(self, port, timeout=15):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.settimeout(timeout)
        self.data = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: haggle.v1\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self.data:
            self._more()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        if b" 101 " not in head:
            raise Closed(head.decode(errors="replace"))

    def _more(self):
        try:
            piece = self.socket.recv(65536)
        except ConnectionError as error:
            raise Closed(str(error)) from error
        if not piece:
            raise Closed("the host hung up")
        self.data += piece

    def _take(self, size):
        while len(self.data) < size:
            self._more()
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def send(self, payload):
        head = b"\x82"
        if len(payload) < 126:
            head += bytes([0x80 | len(payload)])
        elif len(payload) < 65536:
            head += struct.pack(">BH", 0x80 | 126, len(payload))
        else:
            head += struct.pack(">BQ", 0x80 | 127, len(payload))
        try:
            self.socket.sendall(head + bytes(4) + payload)  # a mask of zeros changes nothing
        except ConnectionError as error:
            raise Closed(str(error)) from error

    def receive(self):
        """The payload of the next binary message (or a piece of one: records do not mind)."""
        while True:
            first, second = self._take(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self._take(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._take(8))
            payload = self._take(size)
            if first & 0x0F == 8:
                raise Closed("the host closed the WebSocket")
            if first & 0x0F in (0, 2):
                return payload

    def close(self):
        self.socket.close()


# Noise XX, as the initiator -----------------------------------------------------------------------


def hkdf(key, material):
    temporary = hmac.digest(key, material, "sha256")
    first = hmac.digest(temporary, b"\x01", "sha256")
    return first, hmac.digest(temporary, first + b"\x02", "sha256")


class Cipher:
    def __init__(self, key):
        self.key, self.counter = key, 0

    def _nonce(self):
        nonce = bytes(4) + struct.pack("<Q", self.counter)
        self.counter += 1
        return nonce

    def encrypt(self, text, data=b""):
        return crypto_aead_chacha20poly1305_ietf_encrypt(text, data, self._nonce(), self.key)

    def decrypt(self, text, data=b""):
        return crypto_aead_chacha20poly1305_ietf_decrypt(text, data, self._nonce(), self.key)


class Handshake:
    def __init__(self):
        self.hash = NOISE if len(NOISE) == 32 else hashlib.sha256(NOISE).digest()
        self.chain = self.hash
        self.cipher = None
        self.mix(PROLOGUE)

    def mix(self, data):
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, secret):
        self.chain, key = hkdf(self.chain, secret)
        self.cipher = Cipher(key)

    def encrypt(self, text):
        sealed = self.cipher.encrypt(text, self.hash)
        self.mix(sealed)
        return sealed

    def decrypt(self, sealed):
        text = self.cipher.decrypt(sealed, self.hash)
        self.mix(sealed)
        return text


class Link:
    """A link that was dialled to a port on this machine. `third` alters the last handshake message
    before it is sent. `on_want` is called with each want frame that comes while one expects something.
    """

    def __init__(self, port, identity, third=None):
        self.web = WebSocket(port)
        self.records = b""
        static = os.urandom(32)
        ephemeral = os.urandom(32)
        noise = Handshake()
        mine = crypto_scalarmult_base(ephemeral)
        noise.mix(mine)
        noise.mix(b"")
        self._send_record(mine)

        second = self._receive_record()
        theirs, sealed_static, payload = second[:32], second[32:80], second[80:]
        noise.mix(theirs)
        noise.mix_key(crypto_scalarmult(ephemeral, theirs))
        their_static = noise.decrypt(sealed_static)
        noise.mix_key(crypto_scalarmult(ephemeral, their_static))
        claim = cbor2.loads(noise.decrypt(payload))
        VerifyKey(claim[1]).verify(STATIC_KEY_DOMAIN + their_static, claim[2])
        self.host = claim[1]

        my_static = crypto_scalarmult_base(static)
        signature = identity.sign(STATIC_KEY_DOMAIN + my_static).signature
        message = noise.encrypt(my_static)
        noise.mix_key(crypto_scalarmult(static, theirs))
        message += noise.encrypt(encode({1: bytes(identity.verify_key), 2: signature}))
        self.third = message
        self._send_record(third(message) if third else message)
        sending, receiving = hkdf(noise.chain, b"")
        self.sending, self.receiving = Cipher(sending), Cipher(receiving)
        self.on_want = None

    def _send_record(self, record):
        self.web.send(struct.pack(">H", len(record)) + record)

    def _receive_record(self):
        def enough():
            return len(self.records) >= 2 and len(self.records) >= 2 + int.from_bytes(
                self.records[:2], "big")

        while not enough():
            self.records += self.web.receive()
        size = int.from_bytes(self.records[:2], "big")
        record, self.records = self.records[2 : 2 + size], self.records[2 + size :]
        return record

    def send_bytes(self, frame, alter=None):
        """`alter` changes each record after it was encrypted."""
        parts = [frame[at : at + PART_MAX] for at in range(0, len(frame), PART_MAX)] or [b""]
        for i, part in enumerate(parts):
            record = self.sending.encrypt(part + bytes([i == len(parts) - 1]))
            self._send_record(alter(record) if alter else record)

    def send(self, kind, content):
        self.send_bytes(encode([kind, content]))

    def receive(self):
        frame = b""
        while True:
            text = self.receiving.decrypt(self._receive_record())
            frame += text[:-1]
            if text[-1] == 1:
                return cbor2.loads(frame)

    def expect(self, kind, test=lambda content: True, within_s=15):
        """The content of the next frame of a kind that passes the test."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            got, content = self.receive()
            if got == WANT and self.on_want:
                self.on_want(self, content)
            if got == kind and test(content):
                return content
            if got == ERROR and kind != ERROR:
                raise Closed(f"{content[1]}: {content[2]}")
        raise TimeoutError(f"no frame of kind {kind}")

    def close(self):
        self.web.close()


# Batches ------------------------------------------------------------------------------------------


def tree_root(hashes):
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(tree_root(hashes[:split]), tree_root(hashes[split:]))


class SecondHost:
    """What a host remembers: its chain, its numbers, what it heard."""

    def __init__(self):
        self.identity = SigningKey.generate()
        self.agent = SigningKey.generate()
        self.key = bytes(self.identity.verify_key)
        self.agent_key = bytes(self.agent.verify_key)
        self.incarnation = os.urandom(8)
        self.sequence, self.header_hash = 0, NO_HASH
        self.next, self.leaf = 1, NO_HASH
        self.heard, self.resume = [], None

    def link(self, port, **options):
        link = Link(port, self.identity, **options)
        link.on_want = self.answer_want
        self.say_hello(link)
        return link

    def say_hello(self, link, **changes):
        hello = {1: now_ms(), 2: self.incarnation, 4: [], 5: "second", 6: self.sequence}
        if self.resume:
            hello[3] = self.resume
        link.send(HELLO, {**hello, **changes})

    def answer_want(self, link, content):
        """The delegation of our agent, and who is not here."""
        absent = [key for key in content[1] if key != self.agent_key]
        here = [self.delegation()] if self.agent_key in content[1] else []
        link.send(HAVE, {1: here, 2: absent})

    def delegation(self, *, agent=None, host=None, begins=-60, ends=3600, sequence=None):
        agent = agent or self.agent
        time_s = now_ms() // 1000
        claims = {
            1: did_of(bytes(agent.verify_key)),
            2: did_of(host or self.key),
            4: time_s + ends,
            6: time_s + begins,
            -65537: sequence or now_ms(),
        }
        return cose_sign(DELEGATION_TYPE, encode(claims), agent)

    def envelope(self, to, type, body, **changes):
        envelope = {1: os.urandom(16), 2: type, 3: self.agent_key, 4: to, 7: now_ms(), 9: body}
        envelope.update({int(key[1:]): value for key, value in changes.items()})
        return encode({key: value for key, value in envelope.items() if value is not None})

    def batch(self, destination, envelopes, *, delegations=(), keep=True, first=None, header=None,
              signer=None, leaf=None, time_ms=None):
        """The content of a batch frame of one group; with `keep` the chain goes on from it."""
        hashes = [leaf_hash(envelope) for envelope in envelopes]
        group = {
            1: destination,
            2: first or self.next,
            3: len(envelopes),
            4: self.leaf,
            5: tree_root(hashes),
            **(leaf or {}),
        }
        group_bytes = encode(group)
        payload = {
            1: self.key,
            2: self.incarnation,
            3: self.sequence + 1,
            4: self.header_hash,
            5: leaf_hash(group_bytes),
            6: 1,
            7: time_ms or now_ms(),
            **(header or {}),
        }
        signed = cose_sign(HEADER_TYPE, encode(payload), signer or self.identity)
        if keep:
            self.sequence, self.header_hash = payload[3], hashlib.sha256(signed).digest()
            self.next, self.leaf = group[2] + group[3], leaf_hash(group_bytes)
        return {1: signed, 2: group_bytes, 3: [0, []], 4: list(delegations), 5: list(envelopes)}

    def hear(self, link, within_s=15):
        """The next batch from the host: its envelopes, each checked as evidence; acknowledged."""
        content = link.expect(BATCH, within_s=within_s)
        header = cbor2.loads(cbor2.loads(content[1])[2])
        group = cbor2.loads(content[2])
        hashes = [leaf_hash(envelope) for envelope in content[5]]
        if tree_root(hashes) != group[5] or group[1] != self.key:
            raise ValueError("the group is not what its leaf says")
        delegations = {}
        for delegation in content[4]:
            claims = cbor2.loads(cbor2.loads(delegation)[2])
            delegations[key_of(claims[1], "iss")] = delegation
        for i, envelope in enumerate(content[5]):
            read = cbor2.loads(envelope)
            evidence = Evidence(
                delegations.get(read[3]) or self.delegations[read[3]],
                content[1],
                content[2],
                (content[3][0], tuple(content[3][1])),
                (i, tuple(path_of(hashes, i))),
                envelope,
            )
            verify(evidence.encode())
            self.heard.append(read)
        last = group[2] + group[3] - 1
        self.resume = [header[2], last, leaf_hash(content[2]), content[1]]
        self.delegations = {**getattr(self, "delegations", {}), **delegations}
        link.send(ACK, {1: header[2], 2: last, 3: []})
        return [cbor2.loads(envelope) for envelope in content[5]]


def path_of(hashes, index):
    """The inclusion path of one entry, from its leaf upwards."""
    if len(hashes) == 1:
        return []
    split = 1 << (len(hashes) - 1).bit_length() - 1
    if index < split:
        return path_of(hashes[:split], index) + [tree_root(hashes[split:])]
    return path_of(hashes[split:], index - split) + [tree_root(hashes[:split])]
