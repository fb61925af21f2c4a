// Tables of things that can be opened. Up and down (or j and k) go from row to row, Enter opens one; heads that
// sort are buttons. On narrow screens columns marked `wide` are left out, those marked `roomy` sooner, and the rest scrolls within.
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import "./table.css";

export interface Column<Row> {
  key: string;
  label: string;
  render(row: Row): ComponentChildren;
  /** Aligned right, in tabular figures. */
  number?: boolean;
  /** Clicking the head sorts by it. */
  sorts?: boolean;
  /** Left out on narrow screens. */
  wide?: boolean;
  /** Left out unless there is a lot of room. */
  roomy?: boolean;
  /** Says more of what the column shows. */
  title?: string;
  /** Takes what room is left, and is cut. */
  grows?: boolean;
}

export interface Sorting {
  key: string;
  descending: boolean;
}

interface TableProps<Row> {
  columns: Column<Row>[];
  rows: readonly Row[];
  rowKey(row: Row): string;
  label: string;
  /** Where a row leads. */
  href?(row: Row): string;
  sorting?: Sorting;
  onSort?(sorting: Sorting): void;
  selected?: string;
  /** Shown instead of rows when there are none. */
  empty?: ComponentChildren;
  stale?: boolean;
}

export function Table<Row>(props: TableProps<Row>) {
  const {
    columns,
    rows,
    rowKey,
    label,
    href,
    sorting,
    onSort,
    selected,
    empty,
    stale = false,
  } = props;
  const body = useRef<HTMLTableSectionElement>(null);

  const step = (event: KeyboardEvent) => {
    const by =
      event.key === "ArrowDown" || event.key === "j"
        ? 1
        : event.key === "ArrowUp" || event.key === "k"
          ? -1
          : 0;
    if (by === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = [...(body.current?.querySelectorAll<HTMLElement>("tr[tabindex]") ?? [])];
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[at + by];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  };

  const open = (row: Row, event: MouseEvent | KeyboardEvent) => {
    if (href === undefined) return;
    // Links and buttons within do their own work, and text can be selected.
    if ((event.target as Element).closest("a, button, input, select") !== null) return;
    if (event instanceof KeyboardEvent ? event.key !== "Enter" : String(getSelection()) !== "")
      return;
    if (event.ctrlKey || event.metaKey) window.open(href(row));
    else location.hash = href(row);
  };

  return (
    <div class={`table-wrap ${stale ? "table-stale" : ""}`}>
      <table class="table" aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.key} column={column} sorting={sorting} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={step}>
          {rows.map((row) => {
            const key = rowKey(row);
            return (
              <tr
                key={key}
                tabIndex={href === undefined ? undefined : 0}
                class={href === undefined ? undefined : "table-opens"}
                aria-selected={selected === undefined ? undefined : key === selected}
                onClick={(event) => open(row, event)}
                onKeyDown={(event) => open(row, event)}
              >
                {columns.map((column) => (
                  <td key={column.key} class={classOf(column)}>
                    {column.render(row)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
      {rows.length === 0 && empty}
    </div>
  );
}

function classOf<Row>(column: Column<Row>): string {
  return `${column.number === true ? "number" : ""} ${column.wide === true ? "wide" : ""} ${column.roomy === true ? "roomy" : ""} ${column.grows === true ? "grows" : ""}`;
}

function Head<Row>({
  column,
  sorting,
  onSort,
}: {
  column: Column<Row>;
  sorting: Sorting | undefined;
  onSort: ((sorting: Sorting) => void) | undefined;
}) {
  const sorted = sorting?.key === column.key;
  const direction = sorting?.descending === true ? "descending" : "ascending";
  return (
    <th
      class={classOf(column)}
      scope="col"
      title={column.title}
      aria-sort={sorted ? direction : undefined}
    >
      {column.sorts === true && onSort !== undefined ? (
        <button
          type="button"
          onClick={() =>
            // Of numbers, the largest are what one looks for first.
            onSort({
              key: column.key,
              descending: sorted ? sorting?.descending !== true : column.number === true,
            })
          }
        >
          {column.label}
          <span aria-hidden="true">
            {sorted ? (sorting?.descending === true ? " ▾" : " ▴") : ""}
          </span>
        </button>
      ) : (
        column.label
      )}
    </th>
  );
}
