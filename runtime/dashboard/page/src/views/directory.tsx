// Who offers what: a query, what it finds, and why it does not find the rest.
import { useEffect, useState } from "preact/hooks";
import { checkOffer, useSigned, type Signed } from "../directory/proof";
import { columnOf, EXAMPLES, missText, restOf } from "../directory/words";
import { CheckMark } from "../evidence/verdict";
import { call, connection, type FeedError } from "../feed/connection";
import type { Did as DidText, FindExplained, Offer } from "../feed/types";
import { setQuery, to } from "../route";
import {
  AgentLink,
  Did,
  Duration,
  Empty,
  Failure,
  formatNumber,
  Loading,
  Money,
  now,
  Panel,
  Search,
  Table,
  Text,
  ViewHead,
  visible,
  type Column,
} from "../ui";
import type { ViewProps } from "./index";
import "./directory.css";

const LIMIT = 50;
/** Offers come and go: asked again after this. */
const AGAIN_MS = 10_000;

export default function Directory({ query }: ViewProps) {
  const text = query.get("q") ?? "";
  const { found, error } = useFound(text);
  const signed = useSigned(found?.hits ?? []);
  return (
    <div class="stack">
      <ViewHead
        title="Directory"
        note="What agents offer, here and on the hosts that this one knows."
      />
      <Panel>
        <Search
          class="directory-query mono"
          label="Query"
          placeholder="service=… price<=…   (empty: all offers)"
          value={text}
          delay_ms={400}
          onChange={(q) => setQuery({ q })}
        />
        {error !== null && text !== "" && <Mistake error={error} query={text} />}
        <Help />
      </Panel>
      {error !== null && text === "" && <Failure error={error} />}
      {error === null && found === null && <Loading />}
      {error === null && found !== null && (
        <>
          <Hits found={found} signed={signed} text={text} />
          <NearMisses found={found} />
        </>
      )}
    </div>
  );
}

function useFound(query: string): { found: FindExplained | null; error: FeedError | null } {
  const [state, setState] = useState<{ found: FindExplained | null; error: FeedError | null }>({
    found: null,
    error: null,
  });
  const epoch = connection.value.epoch;
  useEffect(() => {
    let wanted = true;
    let timer: ReturnType<typeof setTimeout>;
    const ask = () =>
      call("find.explain", { query, limit: LIMIT }).then(
        (found) => {
          if (!wanted) return;
          setState({ found, error: null });
          timer = setTimeout(ask, AGAIN_MS);
        },
        (error: FeedError) => {
          if (wanted && error.code !== "closed") setState({ found: null, error });
        },
      );
    void ask();
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [query, epoch]);
  return state;
}

/** The query with a mark under what the host did not understand. */
function Mistake({ error, query }: { error: FeedError; query: string }) {
  const at = columnOf(error.message, query);
  return (
    <div class="directory-mistake" role="alert">
      {at !== null && (
        <pre aria-hidden="true">
          {visible(query)}
          {"\n"}
          {" ".repeat(Array.from(visible(Array.from(query).slice(0, at).join(""))).length)}
          <span class="bad">▲</span>
        </pre>
      )}
      <strong class="bad">{visible(error.message)}</strong>
    </div>
  );
}

function Help() {
  return (
    <details class="directory-help">
      <summary>Query syntax</summary>
      <p class="muted">
        Conditions stand one after the other, and all have to hold: <code>=</code> <code>!=</code>{" "}
        <code>&lt;</code> <code>&lt;=</code> <code>&gt;</code> <code>&gt;=</code>{" "}
        <code>in (…)</code> <code>has</code> <code>not</code> <code>or</code>{" "}
        <code>near (latitude, longitude, km)</code>, then <code>order FIELD</code> or{" "}
        <code>-FIELD</code>, and <code>limit N</code>. Fields lie within one another with dots.{" "}
        <code>haggle find</code> and <code>agent.find</code> take the same.
      </p>
      <dl class="facts">
        {EXAMPLES.map(([what, example]) => (
          <div key={example}>
            <dt>{what}</dt>
            <dd>
              <a class="mono" href={to.directory({ q: example })}>
                {example}
              </a>
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

interface HitsProps {
  found: FindExplained;
  signed: ReadonlyMap<DidText, Signed>;
  text: string;
}

function Hits({ found: { hits, more, considered }, signed, text }: HitsProps) {
  const count = `${formatNumber(hits.length)}${more ? " or more" : ""} of ${formatNumber(considered)} offers`;
  const columns: Column<Offer>[] = [
    ...OFFER_COLUMNS,
    {
      key: "expires",
      label: "Expires in",
      title: "Unless it is renewed",
      render: Expiry,
    },
    {
      key: "proof",
      label: "Proof",
      title: "Of what the agent signed, verified in this browser",
      render: (offer) => {
        const known = signed.get(offer.agent);
        return <CheckMark check={known === undefined ? null : checkOffer(offer, known)} />;
      },
    },
  ];
  return (
    <Panel
      title={text === "" ? "All offers" : "Matches"}
      actions={<span class="muted">{count}</span>}
      flush
    >
      <Table
        label="Offers that were found"
        columns={columns}
        rows={hits}
        rowKey={(offer) => JSON.stringify(offer)}
        empty={
          <Empty title={text === "" ? "No offers" : "No offer meets all conditions"}>
            {considered === 0
              ? "No agent here or on a host that this one knows offers anything (agent.offer)."
              : "The closest are below, with what they lack."}
          </Empty>
        }
      />
    </Panel>
  );
}

function Expiry(offer: Offer) {
  const left = typeof offer.expires_ms === "number" ? offer.expires_ms - now.value : null;
  if (left === null) return <span class="muted">–</span>;
  return left <= 0 ? (
    <span class="bad">ended</span>
  ) : (
    <Duration ms={Math.round(left / 1000) * 1000} />
  );
}

function Offerer({ offer }: { offer: Offer }) {
  const here = offer.host === connection.value.hello?.host;
  if (here && typeof offer.name === "string") return <AgentLink name={offer.name} />;
  return (
    <Did
      did={String(offer.agent)}
      name={typeof offer.name === "string" ? offer.name : ""}
      copy={false}
    />
  );
}

function Attributes({ offer }: { offer: Offer }) {
  return (
    <span class="directory-rest">
      {restOf(offer).map(([field, text]) => (
        <span key={field}>
          <span class="muted">
            <Text text={field} />
          </span>{" "}
          <Text text={text.length > 60 ? `${text.slice(0, 59)}…` : text} />
        </span>
      ))}
    </span>
  );
}

const OFFER_COLUMNS: Column<Offer>[] = [
  { key: "agent", label: "Agent", render: (offer) => <Offerer offer={offer} /> },
  {
    key: "service",
    label: "Service",
    render: (offer) => <Text text={typeof offer.service === "string" ? offer.service : "–"} cut />,
  },
  {
    key: "price",
    label: "Price",
    number: true,
    render: (offer) => <Money value={typeof offer.price === "number" ? offer.price : null} />,
  },
  {
    key: "protocol",
    label: "Protocol",
    wide: true,
    render: (offer) => (
      <Text text={typeof offer.protocol === "string" ? offer.protocol : "–"} cut />
    ),
  },
  {
    key: "rest",
    label: "Attributes",
    wide: true,
    grows: true,
    render: (offer) => <Attributes offer={offer} />,
  },
];

function NearMisses({ found: { near } }: { found: FindExplained }) {
  if (near.length === 0) return null;
  const columns: Column<(typeof near)[number]>[] = [
    { key: "agent", label: "Agent", render: ({ offer }) => <Offerer offer={offer} /> },
    {
      key: "service",
      label: "Service",
      wide: true,
      render: ({ offer }) => (
        <Text text={typeof offer.service === "string" ? offer.service : "–"} cut />
      ),
    },
    {
      key: "failed",
      label: "Why it does not match",
      grows: true,
      render: ({ failed }) => (
        <ul class="directory-misses">
          {failed.map((miss) => (
            <li key={miss.condition}>
              <code>{visible(miss.condition)}</code>{" "}
              <span class="muted">– {visible(missText(miss))}</span>
            </li>
          ))}
        </ul>
      ),
    },
  ];
  return (
    <Panel title="Near misses" flush>
      <Table
        label="Offers that come nearest"
        columns={columns}
        rows={near}
        rowKey={({ offer }) => JSON.stringify(offer)}
      />
    </Panel>
  );
}
