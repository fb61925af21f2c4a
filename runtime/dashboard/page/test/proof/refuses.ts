import assert from "node:assert/strict";
import { Refused } from "../../src/proof/refused";

/** The code that `act` is refused with; undefined where it is not refused. */
export async function codeOf(act: () => unknown): Promise<string | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Refused, String(error));
    return error.code;
  }
}
