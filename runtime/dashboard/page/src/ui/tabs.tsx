// Tabs that are links: each has an address.
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import "./tabs.css";

export interface Tab {
  id: string;
  label: ComponentChildren;
  href: string;
}

/** Where a row of links is longer than the screen is wide, the present one is brought into view. */
export function useCurrentInView(current: string | undefined): RefObject<HTMLElement | null> {
  const row = useRef<HTMLElement>(null);
  useEffect(() => {
    const shown = row.current;
    const link = shown?.querySelector<HTMLElement>("[aria-current]");
    if (shown && link)
      shown.scrollLeft = link.offsetLeft - (shown.clientWidth - link.clientWidth) / 2;
  }, [current]);
  return row;
}

export function Tabs({ tabs, current, label }: { tabs: Tab[]; current: string; label: string }) {
  return (
    <nav class="tabs" aria-label={label} ref={useCurrentInView(current)}>
      {tabs.map((tab) => (
        <a key={tab.id} href={tab.href} aria-current={tab.id === current ? "page" : undefined}>
          {tab.label}
        </a>
      ))}
    </nav>
  );
}
