/** The vectors of protocol/vectors, which the C side is held to as well. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import "./webcrypto";
import type { Bytes } from "../../src/proof/bytes";

const SOURCE = process.env.HAGGLE_SOURCE ?? join(process.env.PAGE_FOLDER ?? ".", "../../..");

/** A vector's JSON: fields by name, which a test knows the types of. */
export interface Fields {
  [name: string]: unknown;
}

export interface Vector {
  name: string;
  json: Fields;
  bytes?: Bytes; // of the .cbor beside it
}

export function vectors(folder: "valid" | "invalid", kind: string): Vector[] {
  const path = join(SOURCE, "protocol", "vectors", folder);
  const files = readdirSync(path);
  const found = files.filter((file) => file.startsWith(`${kind}-`) && file.endsWith(".json"));
  return found.map((file) => {
    const name = file.slice(0, -".json".length);
    const json = JSON.parse(readFileSync(join(path, file), "utf8"));
    const bytes = files.includes(`${name}.cbor`)
      ? new Uint8Array(readFileSync(join(path, `${name}.cbor`)))
      : undefined;
    return { name, json, ...(bytes && { bytes }) };
  });
}
