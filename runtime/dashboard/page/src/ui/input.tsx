// Fields. What is typed is handed on after a moment, so that each letter is no question to the host.
import { useEffect, useRef, useState } from "preact/hooks";

interface SearchProps {
  value: string;
  onChange(value: string): void;
  label: string;
  placeholder?: string;
  delay_ms?: number;
  class?: string;
}

export function Search({
  value,
  onChange,
  label,
  placeholder,
  delay_ms = 200,
  class: extra = "",
}: SearchProps) {
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const hand = (next: string, ms: number) => {
    setText(next);
    clearTimeout(timer.current);
    // Who presses Enter in a form sends it with what stands there now.
    if (ms === 0) onChange(next);
    else timer.current = setTimeout(() => onChange(next), ms);
  };
  return (
    <input
      class={`field ${extra}`}
      type="search"
      aria-label={label}
      placeholder={placeholder ?? label}
      spellcheck={false}
      autocomplete="off"
      value={text}
      onInput={(event) => hand(event.currentTarget.value, delay_ms)}
      onKeyDown={(event) => {
        const { value: now } = event.currentTarget;
        if (event.key === "Enter") hand(now, 0);
        if (event.key === "Escape" && now !== "") hand("", 0);
      }}
    />
  );
}

interface SelectProps<V extends string> {
  value: V;
  options: readonly (readonly [value: V, label: string])[];
  onChange(value: V): void;
  label: string;
}

export function Select<V extends string>({ value, options, onChange, label }: SelectProps<V>) {
  return (
    <select
      class="field"
      aria-label={label}
      value={value}
      onChange={(event) => {
        const chosen = options.find(([option]) => option === event.currentTarget.value);
        if (chosen !== undefined) onChange(chosen[0]);
      }}
    >
      {options.map(([option, words]) => (
        <option key={option} value={option}>
          {words}
        </option>
      ))}
    </select>
  );
}
