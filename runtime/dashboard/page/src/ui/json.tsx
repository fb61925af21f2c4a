// A value as a tree: closed below a depth, opened by a click. Long lists open a hundred at a time.
import { useState } from "preact/hooks";
import type { Json as Value } from "../feed/types";
import { visible } from "./text";
import "./json.css";

const STEP = 100;
const LONG_TEXT = 400;

interface JsonProps {
  value: Value;
  /** How many levels are open at first. */
  open?: number;
  name?: string;
}

export function Json({ value, open = 2, name }: JsonProps) {
  return (
    <div class="json">
      <Node value={value} open={open} name={name} />
    </div>
  );
}

function Node({ value, open, name }: { value: Value; open: number; name: string | undefined }) {
  const [opened, setOpened] = useState(open > 0);
  const [shown, setShown] = useState(STEP);
  const label = name === undefined ? null : <span class="json-key">{visible(name)}: </span>;
  if (value === null || typeof value !== "object" || isLeaf(value)) {
    return (
      <div class="json-line">
        {label}
        <Leaf value={value} />
      </div>
    );
  }
  const list = Array.isArray(value);
  const entries: [string, Value][] = Object.entries(value);
  const [left, right] = list ? "[]" : "{}";
  if (entries.length === 0) {
    return (
      <div class="json-line">
        {label}
        {left}
        {right}
      </div>
    );
  }
  return (
    <div>
      <button
        class="json-line json-fold"
        type="button"
        aria-expanded={opened}
        onClick={() => setOpened(!opened)}
      >
        {label}
        {left}
        {!opened && (
          <span class="muted">
            {` ${entries.length} ${list ? "items" : entries.length === 1 ? "field" : "fields"} `}
            {right}
          </span>
        )}
      </button>
      {opened && (
        <div class="json-inner">
          {entries.slice(0, shown).map(([key, inner]) => (
            <Node key={key} name={key} value={inner} open={open - 1} />
          ))}
          {entries.length > shown && (
            <button class="button quiet small" type="button" onClick={() => setShown(shown + STEP)}>
              {entries.length - shown} more
            </button>
          )}
        </div>
      )}
      {opened && <div class="json-line">{right}</div>}
    </div>
  );
}

/** {"$int": "9007199254740993"} and {"$bytes": "…"} are single values. */
function isLeaf(value: object): value is { $int: string } | { $bytes: string } {
  const keys = Object.keys(value);
  const [key] = keys;
  return (
    keys.length === 1 &&
    (key === "$int" || key === "$bytes") &&
    typeof (value as Record<string, unknown>)[key] === "string"
  );
}

function Leaf({ value }: { value: Value }) {
  const [whole, setWhole] = useState(false);
  if (typeof value === "string") {
    const cut = !whole && value.length > LONG_TEXT;
    return (
      <>
        <span class="json-text">"{visible(cut ? value.slice(0, LONG_TEXT) : value)}"</span>
        {cut && (
          <button class="button quiet small" type="button" onClick={() => setWhole(true)}>
            {value.length - LONG_TEXT} more characters
          </button>
        )}
      </>
    );
  }
  if (value !== null && typeof value === "object") {
    const inner = Object.entries(value)[0];
    const bytes = inner?.[0] === "$bytes";
    return (
      <span class={bytes ? "json-text" : "json-number"}>
        {bytes ? `bytes ${visible(String(inner?.[1]))}` : visible(String(inner?.[1]))}
      </span>
    );
  }
  return (
    <span class={typeof value === "number" ? "json-number" : "json-word"}>{String(value)}</span>
  );
}
