// Failed dialogues, the latest of each kind: what fails every second must not hide what failed once. Pure, and tested.
import type { Dialogue } from "../../feed/types";

export interface FailedKind {
  latest: Dialogue;
  /** How many of this kind are among those that were told. */
  times: number;
}

/** Of the same two, about the same, for the same cause; in the order in which they come. */
export function failedOf(dialogues: readonly Dialogue[]): FailedKind[] {
  const kinds = new Map<string, FailedKind>();
  for (const one of dialogues) {
    const { agent, peer, protocol, service, cause } = one;
    const key = JSON.stringify([agent, peer, protocol, service, cause]);
    const known = kinds.get(key);
    if (known === undefined) kinds.set(key, { latest: one, times: 1 });
    else known.times++;
  }
  return [...kinds.values()];
}
