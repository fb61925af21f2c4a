// A list of which only what can be seen is there: ten thousand lines cost as much as fifty. Rows have one height.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import "./virtual.css";

const AROUND = 8;

interface VirtualListProps {
  count: number;
  row_px: number;
  render(index: number): ComponentChildren;
  label: string;
  /** The end is kept in view while rows are added. */
  atEnd: boolean;
  onEnd(is: boolean): void;
  /** This row is brought into view when it becomes another. */
  current?: number | undefined;
  onKeyDown?(event: KeyboardEvent): void;
}

export function VirtualList(props: VirtualListProps) {
  const { count, row_px, render, label, atEnd, onEnd, current, onKeyDown } = props;
  const element = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(400);

  useLayoutEffect(() => {
    const shown = element.current;
    if (shown === null) return undefined;
    const watcher = new ResizeObserver(() => setHeight(shown.clientHeight));
    watcher.observe(shown);
    return () => watcher.disconnect();
  }, []);

  useLayoutEffect(() => {
    const shown = element.current;
    if (atEnd && shown !== null) shown.scrollTop = shown.scrollHeight;
  }, [count, atEnd, height]);

  useLayoutEffect(() => {
    const shown = element.current;
    if (shown === null || current === undefined || current < 0) return;
    const row = current * row_px;
    const last = row + row_px - shown.clientHeight;
    shown.scrollTop = Math.max(last, Math.min(row, shown.scrollTop));
  }, [current, height]);

  const scrolled = () => {
    const shown = element.current;
    if (shown === null) return;
    setTop(shown.scrollTop);
    const is = shown.scrollTop + shown.clientHeight >= shown.scrollHeight - row_px;
    if (is !== atEnd) onEnd(is);
  };

  const first = Math.max(0, Math.floor(top / row_px) - AROUND);
  const last = Math.min(count, Math.ceil((top + height) / row_px) + AROUND);
  const rows: ComponentChildren[] = [];
  for (let i = first; i < last; i++) rows.push(render(i));
  return (
    <div
      class="virtual"
      ref={element}
      onScroll={scrolled}
      onKeyDown={onKeyDown}
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label={label}
    >
      <div class="virtual-all" style={{ height: `${count * row_px}px` }}>
        <div class="virtual-rows" style={{ transform: `translateY(${first * row_px}px)` }}>
          {rows}
        </div>
      </div>
    </div>
  );
}
