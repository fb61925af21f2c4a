// Tabs that are links: each has an address.
import type { ComponentChildren } from "preact";
import "./tabs.css";

export interface Tab {
  id: string;
  label: ComponentChildren;
  href: string;
}

export function Tabs({ tabs, current, label }: { tabs: Tab[]; current: string; label: string }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <a key={tab.id} href={tab.href} aria-current={tab.id === current ? "page" : undefined}>
          {tab.label}
        </a>
      ))}
    </nav>
  );
}
