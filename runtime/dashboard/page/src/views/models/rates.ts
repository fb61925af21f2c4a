// Calls a second, from counts that only grow.
import { useRef } from "preact/hooks";
import type { EventOf } from "../../feed/types";

const KEPT = 60;

/** Of each model the latest rates, a whole event at a time; they begin anew when the counts do. */
export function useRates(event: EventOf<"models"> | null): ReadonlyMap<string, number[]> {
  const known = useRef(new Map<string, { calls: number; time_ms: number; rates: number[] }>());
  if (event !== null) {
    for (const { name, calls } of event.models) {
      const before = known.current.get(name);
      if (before === undefined || calls < before.calls) {
        known.current.set(name, { calls, time_ms: event.time_ms, rates: [] });
      } else if (event.time_ms > before.time_ms) {
        const rate = ((calls - before.calls) * 1000) / (event.time_ms - before.time_ms);
        const rates = [...before.rates, rate].slice(-KEPT);
        known.current.set(name, { calls, time_ms: event.time_ms, rates });
      }
    }
  }
  return new Map([...known.current].map(([name, { rates }]) => [name, rates]));
}
