// Answers to calls, for components: asked once, or again and again while somebody looks.
//
//   const source = useCall("agent.source", { name });                  asked anew when the arguments change
//   const trace = useCall("trace", { agent }, { every_ms: 1000 });     and each second
import { useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { callPage, live, type CallError, type FeedError } from "./connection";
import type { CallArgs, CallName, CallResult } from "./types";

export interface CallState<C extends CallName> {
  /** The latest answer; null: none yet. */
  data: CallResult<C> | null;
  /** It is a list, and goes on behind this page. */
  more: boolean;
  error: FeedError | null;
  /** It is being asked. */
  busy: boolean;
}

export interface Polled<C extends CallName> {
  state: ReadonlySignal<CallState<C>>;
  /** Asks now. */
  refresh(): void;
}

/** null as arguments asks for nothing; another `again` asks anew. */
export function useCall<C extends CallName>(
  name: C,
  args: CallArgs<C> | null,
  options: { every_ms?: number | undefined; again?: number } = {},
): Polled<C> {
  const state = useSignal<CallState<C>>({ data: null, more: false, error: null, busy: false });
  const refresh = useRef<() => void>(() => undefined);
  const key = JSON.stringify(args);
  const { every_ms, again } = options;
  const is = live.value;

  useEffect(() => {
    if (args === null || !is) return undefined;
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = () => {
      clearTimeout(timer);
      if (document.hidden && every_ms !== undefined) {
        timer = setTimeout(ask, every_ms);
        return;
      }
      state.value = { ...state.peek(), busy: true };
      callPage(name, args)
        .then(
          ({ result, next }) =>
            !over &&
            (state.value = { data: result, more: next !== undefined, error: null, busy: false }),
          (error: CallError) => !over && (state.value = { ...state.peek(), error, busy: false }),
        )
        // The next is asked behind the answer: a slow host is not asked faster than it answers.
        .finally(() => {
          if (!over && every_ms !== undefined) timer = setTimeout(ask, every_ms);
        });
    };
    refresh.current = ask;
    ask();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [name, key, every_ms, again, is]);

  return { state, refresh: () => refresh.current() };
}
