// A text with numbered lines: a script, an export. `mark` is the line that is meant.
import { useEffect, useRef } from "preact/hooks";
import { visible } from "./text";
import "./code.css";

export function Code({ text, mark }: { text: string; mark?: number }) {
  const marked = useRef<HTMLLIElement>(null);
  useEffect(() => marked.current?.scrollIntoView({ block: "center" }), [text, mark]);
  return (
    <ol class="code" tabIndex={0}>
      {text
        .replace(/\n$/, "")
        .split(/\r?\n/)
        .map((line, i) => (
          <li
            key={i}
            ref={i + 1 === mark ? marked : undefined}
            class={i + 1 === mark ? "code-mark" : undefined}
          >
            {visible(line, true)}
          </li>
        ))}
    </ol>
  );
}
