// States and performatives: by colour, and by shape or word.
import { performativeTone, stateTone, type StateTone } from "./tones";
import { visible } from "./text";
import type { ComponentChildren } from "preact";
import "./badge.css";

/** A shape for each tone, so that colour alone says nothing. */
const SHAPES: Record<StateTone, string> = {
  good: "M6 1.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 1 1 0-9",
  wait: "M2 2h3v8H2zM7 2h3v8H7z",
  bad: "M6 1l5.5 10H.5z",
  idle: "M2 2h8v8H2z",
};

/** A state with its shape and word. `tone` where the word is not one that ui/tones.ts knows. */
export function Status({ state, tone = stateTone(state) }: { state: string; tone?: StateTone }) {
  return (
    <span class={`status status-${tone}`}>
      <svg viewBox="0 0 12 12" width="10" height="10" aria-hidden="true">
        <path d={SHAPES[tone]} fill="currentColor" />
      </svg>
      {visible(state)}
    </span>
  );
}

/** A word in a box. */
export function Badge({
  tone = "idle",
  children,
}: {
  tone?: StateTone;
  children: ComponentChildren;
}) {
  return <span class={`badge status-${tone}`}>{children}</span>;
}

/** What a message does; in the colour that the graph and the sequence diagram give it. */
export function Performative({ name }: { name: string }) {
  return <span class={`performative tone-${performativeTone(name)}`}>{visible(name)}</span>;
}
