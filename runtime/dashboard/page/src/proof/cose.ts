/** COSE_Sign1 (RFC 9052 §4.2) in the one shape that the protocol permits (SPEC.md §5.1). */
import { concat, equal, utf8, type Bytes } from "./bytes";
import { head, Reader } from "./cbor";
import { verifySignature } from "./ed25519";
import { refuse } from "./refused";

export interface Cose {
  protected: Bytes;
  payload: Bytes;
  signature: Bytes;
}

const BYTES = 2;
const TEXT = 3;
const LIST = 4;
const SIGNATURE_SIZE = 64;

/** {1: -8, 16: type}: EdDSA, and what kind of object it is. */
function protectedHeader(type: string): Bytes {
  return concat(Uint8Array.of(0xa2, 0x01, 0x27, 0x10), head(TEXT, type.length), utf8(type));
}

export function readCose(bytes: Bytes, type: string): Cose {
  const reader = new Reader(bytes);
  reader.tuple("COSE_Sign1", 4);
  const header = reader.byteString("protected header", Infinity);
  if (!equal(header, protectedHeader(type)))
    refuse("bad_type", `protected header is not that of “${type}”`);
  if (reader.map("unprotected header", Infinity) !== 0)
    refuse("malformed", "unprotected header is not empty");
  const payload = reader.byteString("payload", Infinity);
  const signature = reader.fixed("signature", SIGNATURE_SIZE);
  reader.end("COSE_Sign1");
  return { protected: header, payload, signature };
}

/** The Sig_structure of RFC 9052 §4.4: what the signature is over. */
function signedBytes(cose: Cose): Bytes {
  const context = utf8("Signature1");
  return concat(
    head(LIST, 4),
    head(TEXT, context.length),
    context,
    head(BYTES, cose.protected.length),
    cose.protected,
    head(BYTES, 0),
    head(BYTES, cose.payload.length),
    cose.payload,
  );
}

export function verifyCose(cose: Cose, key: Bytes): Promise<void> {
  return verifySignature(key, signedBytes(cose), cose.signature);
}
