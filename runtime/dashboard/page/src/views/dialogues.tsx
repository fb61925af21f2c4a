// What agents said to each other lately, one line a dialogue, the newest first.
import { ImportButton } from "./dialogue";
import { takesFiles } from "../dialogue/imported";
import { peerName, spanOf } from "../dialogue/words";
import { useTopic } from "../feed/connection";
import type { ArgsOf, Dialogue } from "../feed/types";
import { link, setQuery, to } from "../route";
import {
  Ago,
  Did,
  Duration,
  Empty,
  Failure,
  formatSpan,
  Loading,
  Money,
  now,
  Panel,
  Performative,
  Search,
  Select,
  shortDid,
  Status,
  Table,
  Text,
  ViewHead,
  visible,
  type Column,
} from "../ui";
import type { ViewProps } from "./index";
import "../dialogue/dialogue.css";

const STATES = [
  ["", "Any state"],
  ["open", "open"],
  ["ended", "ended"],
  ["failed", "failed"],
] as const;

/** What links from other views choose by; whoever searches by hand has the text. */
const EXACT = ["agent", "peer", "protocol"] as const;
const FILTERS = [...EXACT, "state", "text"] as const;
const SHOWN = 100;

const COLUMNS: Column<Dialogue>[] = [
  {
    key: "state",
    label: "State",
    render: ({ state }) => <Status state={state} tone={state === "ended" ? "idle" : undefined} />,
  },
  {
    key: "who",
    label: "Between",
    render: (dialogue) => (
      <span class="dialogues-who">
        <Text text={dialogue.agent} cut /> <span class="muted">↔</span>{" "}
        <Did did={dialogue.peer} name={peerName(dialogue) ?? ""} copy={false} />
      </span>
    ),
  },
  {
    key: "about",
    label: "About",
    title: "The service, or the protocol where none is named",
    wide: true,
    render: ({ protocol, service }) => (
      <span class="dialogues-about" title={visible(protocol ?? "")}>
        {service === undefined ? (
          <span class="mono">{visible(protocol ?? "")}</span>
        ) : (
          <Text text={service} cut />
        )}
      </span>
    ),
  },
  {
    key: "last",
    label: "Last",
    title: "The latest message",
    render: ({ last }) => (last === undefined ? "" : <Performative name={last} />),
  },
  {
    key: "price",
    label: "Price",
    number: true,
    render: ({ price }) => (price === undefined ? "" : <Money value={price} />),
  },
  { key: "messages", label: "Messages", number: true, roomy: true, render: (d) => d.messages },
  {
    key: "took",
    label: "Duration",
    number: true,
    roomy: true,
    render: (dialogue) => <Duration ms={spanOf(dialogue, now.value)} />,
  },
  { key: "when", label: "Updated", number: true, render: ({ last_ms }) => <Ago ms={last_ms} /> },
  {
    key: "why",
    label: "Why",
    grows: true,
    wide: true,
    render: ({ why, state, deal_status }) =>
      why === undefined ? (
        <span class="muted">{visible(deal_status === undefined ? "" : `deal ${deal_status}`)}</span>
      ) : (
        <span class={state === "failed" ? "bad" : "muted"} title={visible(why)}>
          {visible(why)}
        </span>
      ),
  },
];

export default function Dialogues({ query }: ViewProps) {
  const filters = Object.fromEntries(
    FILTERS.map((name) => [name, query.get(name) ?? ""]).filter(([, value]) => value !== ""),
  ) as Omit<ArgsOf<"dialogues">, "limit" | "every_ms">;
  const topic = useTopic("dialogues", { ...filters, limit: SHOWN }).value;
  const filtered = Object.keys(filters).length > 0;
  return (
    <div class="stack" {...takesFiles}>
      <ViewHead
        title="Dialogues"
        note={<Reach oldest_ms={topic.data?.oldest_ms ?? null} />}
        actions={
          <>
            <ImportButton />
            <a class="button" href={link(["message"])}>
              Verify evidence
            </a>
          </>
        }
      />
      <div class="row dialogues-filters">
        <Search
          label="Search"
          placeholder="Agent, service, protocol, reason, thread"
          value={filters.text ?? ""}
          onChange={(text) => setQuery({ text })}
        />
        <Select
          label="State"
          value={(filters.state ?? "") as (typeof STATES)[number][0]}
          options={STATES}
          onChange={(state) => setQuery({ state })}
        />
        {EXACT.map((name) => {
          const value = filters[name];
          return value === undefined ? null : (
            <button
              key={name}
              class="button"
              type="button"
              title="Leave out this filter"
              onClick={() => setQuery({ [name]: "" })}
            >
              <span class="muted">{name}</span>
              {visible(value.startsWith("did:key:") ? shortDid(value) : value)} ✕
            </button>
          );
        })}
      </div>
      <Panel flush>
        {topic.error !== null ? (
          <Failure error={topic.error} />
        ) : topic.data === null ? (
          <Loading />
        ) : (
          <Table
            label="Dialogues"
            columns={COLUMNS}
            rows={topic.data.dialogues}
            rowKey={(dialogue) => `${dialogue.agent} ${dialogue.peer} ${dialogue.thid}`}
            href={(dialogue) => to.dialogue(dialogue.agent, dialogue.peer, dialogue.thid)}
            stale={topic.stale}
            empty={<Nothing filtered={filtered} />}
          />
        )}
        {(topic.data?.dialogues.length ?? 0) >= SHOWN && (
          <p class="dialogues-more muted">These are the latest {SHOWN}: search to find others.</p>
        )}
      </Panel>
    </div>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty title="No dialogue matches">Clear a filter to see more.</Empty>
  ) : (
    <Empty title="No dialogues yet">Dialogues appear here as agents begin to talk.</Empty>
  );
}

/** A host remembers its latest events only. */
function Reach({ oldest_ms }: { oldest_ms: number | null }) {
  if (oldest_ms === null) return <>What agents said to each other lately</>;
  return (
    <>
      What agents said to each other in the last {formatSpan(now.value - oldest_ms)}, as far as the
      host remembers
    </>
  );
}
