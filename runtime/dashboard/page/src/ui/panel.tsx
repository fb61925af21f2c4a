// The boxes that views are made of.
import type { ComponentChildren } from "preact";
import "./panel.css";

interface PanelProps {
  title?: ComponentChildren;
  /** Beside the title: buttons, filters, a count. */
  actions?: ComponentChildren;
  /** The content reaches the border: tables, logs. */
  flush?: boolean;
  class?: string;
  children: ComponentChildren;
}

export function Panel({ title, actions, flush = false, class: extra = "", children }: PanelProps) {
  return (
    <section class={`panel ${flush ? "panel-flush" : ""} ${extra}`}>
      {(title !== undefined || actions !== undefined) && (
        <header class="panel-head row spread">
          <h2>{title}</h2>
          {actions !== undefined && <div class="row">{actions}</div>}
        </header>
      )}
      <div class="panel-body">{children}</div>
    </section>
  );
}

/** The head of a view: its title, what it says in a sentence, and what can be done. */
export function ViewHead({
  title,
  note,
  actions,
}: {
  title: ComponentChildren;
  note?: ComponentChildren;
  actions?: ComponentChildren;
}) {
  return (
    <header class="view-head">
      <div class="grow">
        <h1>{title}</h1>
        {note !== undefined && <div class="muted">{note}</div>}
      </div>
      {actions !== undefined && <div class="row">{actions}</div>}
    </header>
  );
}

/** Says that there is nothing, why, and what to do next. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children !== undefined && <div class="muted">{children}</div>}
    </div>
  );
}

/** Labels and values, one a line. */
export function Facts({ facts }: { facts: [label: string, value: ComponentChildren][] }) {
  return (
    <dl class="facts">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
