// The same as the picture, as text: for keyboards, screen readers, and for those who count.
import { useState } from "preact/hooks";
import {
  AgentLink,
  Empty,
  formatNumber,
  Num,
  Panel,
  Status,
  Table,
  Text,
  type Column,
  type Sorting,
} from "../../ui";
import { nameOf, type Tie } from "../model";
import type { Present, Scene } from "../scene";
import { dialoguesOf } from "../words";

const ROWS = 500;

export function Tables({ scene }: { scene: Scene }) {
  const [sorting, setSorting] = useState<Sorting>({ key: "name", descending: false });
  const wanted = scene.agents.filter(({ node }) => scene.matches?.has(node) ?? true);
  const spoken = new Map<unknown, { said: number; heard: number }>();
  for (const tie of scene.traffic.ties) {
    add(spoken, tie.from, "said", tie.count);
    add(spoken, tie.to, "heard", tie.count);
  }
  const rows = wanted.map((present) => ({
    ...present,
    said: spoken.get(present.node)?.said ?? 0,
    heard: spoken.get(present.node)?.heard ?? 0,
  }));
  rows.sort((a, b) => compare(a, b, sorting.key) * (sorting.descending ? -1 : 1));
  const ties = scene.traffic.ties
    .filter(({ from, to }) => !scene.matches || scene.matches.has(from) || scene.matches.has(to))
    .sort((a, b) => b.count - a.count || b.last - a.last);
  return (
    <div class="net-tables stack">
      <Panel title={`Agents (${formatNumber(rows.length)})`} flush>
        <Table
          label="Agents of the network"
          columns={AGENT_COLUMNS}
          rows={rows.slice(0, ROWS)}
          rowKey={(row) => row.node.key}
          sorting={sorting}
          onSort={setSorting}
          empty={<Empty title="No agent matches" />}
        />
        <More count={rows.length} />
      </Panel>
      <Panel title={`Who speaks with whom (${formatNumber(ties.length)})`} flush>
        <Table
          label="Traffic between agents"
          columns={TIE_COLUMNS}
          rows={ties.slice(0, ROWS)}
          rowKey={(tie) => `${tie.from.key}\n${tie.to.key}`}
          empty={<Empty title="Nobody has spoken within the last minute" />}
        />
        <More count={ties.length} />
      </Panel>
    </div>
  );
}

interface Row extends Present {
  said: number;
  heard: number;
}

const AGENT_COLUMNS: Column<Row>[] = [
  {
    key: "name",
    label: "Agent",
    sorts: true,
    grows: true,
    render: ({ node }) =>
      node.here ? <AgentLink name={node.name} /> : <Text text={nameOf(node)} />,
  },
  { key: "status", label: "State", sorts: true, render: (row) => <Status state={row.status} /> },
  {
    key: "host",
    label: "Host",
    sorts: true,
    wide: true,
    render: ({ node }) => <Text text={node.host ? nameOf(node.host) : "unknown"} cut />,
  },
  {
    key: "services",
    label: "Offers",
    wide: true,
    render: ({ node }) => <Text text={node.services.join(", ")} cut />,
  },
  {
    key: "said",
    label: "Sent",
    title: "Messages in the last ten seconds",
    number: true,
    sorts: true,
    render: (row) => <Num value={row.said} />,
  },
  {
    key: "heard",
    label: "Received",
    title: "Messages in the last ten seconds",
    number: true,
    sorts: true,
    render: (row) => <Num value={row.heard} />,
  },
];

const TIE_COLUMNS: Column<Tie>[] = [
  {
    key: "from",
    label: "From",
    grows: true,
    render: (tie) => <Text text={nameOf(tie.from)} cut />,
  },
  {
    key: "to",
    label: "To",
    grows: true,
    render: (tie) => <Text text={nameOf(tie.to)} cut />,
  },
  { key: "count", label: "Messages", number: true, render: (tie) => <Num value={tie.count} /> },
  {
    key: "open",
    label: "",
    render: (tie) => {
      const href = dialoguesOf(tie.from, tie.to);
      return href ? <a href={href}>dialogues</a> : null;
    },
  },
];

function More({ count }: { count: number }) {
  if (count <= ROWS) return null;
  return (
    <p class="muted net-more">{formatNumber(count - ROWS)} more; search for those you mean.</p>
  );
}

function add(
  spoken: Map<unknown, { said: number; heard: number }>,
  node: unknown,
  what: "said" | "heard",
  count: number,
): void {
  const known = spoken.get(node) ?? { said: 0, heard: 0 };
  known[what] += count;
  spoken.set(node, known);
}

function compare(a: Row, b: Row, key: string): number {
  switch (key) {
    case "said":
      return a.said - b.said;
    case "heard":
      return a.heard - b.heard;
    case "status":
      return a.status.localeCompare(b.status);
    case "host":
      return (a.node.host?.name ?? "").localeCompare(b.node.host?.name ?? "");
    default:
      return a.node.name.localeCompare(b.node.name, undefined, { numeric: true });
  }
}
