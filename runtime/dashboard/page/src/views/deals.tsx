// What agents of this host have agreed on: prices over time, what came of it, and each deal with its proof.
import { useMemo, useState } from "preact/hooks";
import { colorsOf, Prices } from "../deals/prices";
import { SideOf } from "../deals/side";
import { sumsOf, tradesOf, type ServiceSum, type Trade } from "../deals/trade";
import { useTopic } from "../feed/connection";
import { setQuery, to } from "../route";
import {
  Empty,
  Failure,
  formatNumber,
  formatShare,
  Loading,
  Money,
  Num,
  Panel,
  Search,
  Select,
  Stat,
  Status,
  Table,
  Text,
  Time,
  ViewHead,
  visible,
  type Column,
} from "../ui";
import type { ViewProps } from "./index";
import "./deals.css";

const ROWS = 100;

export default function Deals({ query }: ViewProps) {
  const agent = query.get("agent") ?? "";
  const service = query.get("service") ?? "";
  const topic = useTopic("deals", { ...(agent && { agent }), ...(service && { service }) });
  const { data, error, stale } = topic.value;
  const [rows, setRows] = useState(ROWS);
  const trades = useMemo(() => tradesOf(data?.deals ?? []), [data]);
  const wanted = filterOf(query);
  const shown = useMemo(() => trades.filter(wanted), [trades, query.toString()]);
  const sums = useMemo(() => sumsOf(shown), [shown]);
  if (error !== null) return <Failure error={error} />;
  if (data === null) return <Loading />;
  const filtered = query.toString() !== "";
  return (
    <div class="stack">
      <ViewHead
        title="Deals"
        note={noteOf(shown)}
        actions={<Filters query={query} trades={trades} />}
      />
      {shown.length === 0 ? (
        <Panel>
          <Empty title={filtered ? "No deal matches" : "No deals yet"}>
            {filtered
              ? "Clear a filter to see more."
              : "Deals that agents make with haggle.market, or record with agent.deal, are listed here."}
          </Empty>
        </Panel>
      ) : (
        <>
          <Totals trades={shown} />
          <div class="deals-two">
            <Panel title="Price over time">
              <Prices trades={shown} sums={sums} />
            </Panel>
            <Panel title="By service" flush>
              <Services sums={sums} />
            </Panel>
          </div>
          <Panel title="Latest" flush>
            <Table
              label="Deals, the latest first"
              columns={COLUMNS}
              rows={shown.slice(0, rows)}
              rowKey={(trade) => trade.id}
              href={(trade) => to.deal(trade.id)}
              stale={stale}
            />
            {shown.length > rows && (
              <p class="deals-more">
                <button class="button small" type="button" onClick={() => setRows(rows + ROWS)}>
                  {formatNumber(shown.length - rows)} more
                </button>
              </p>
            )}
          </Panel>
        </>
      )}
    </div>
  );
}

function filterOf(query: URLSearchParams): (trade: Trade) => boolean {
  const status = query.get("status") ?? "";
  const role = query.get("role") ?? "";
  const text = (query.get("q") ?? "").trim().toLowerCase();
  return (trade) => {
    if (status && trade.status !== status) return false;
    if (role && !trade.records.some((record) => record.role === role)) return false;
    if (!text) return true;
    const { id, service, buyer, seller, why } = trade;
    return [id, service, buyer?.name, buyer?.did, seller?.name, seller?.did, why].some((one) =>
      one?.toLowerCase().includes(text),
    );
  };
}

function Filters({ query, trades }: { query: URLSearchParams; trades: readonly Trade[] }) {
  const agents = trades.flatMap(({ records }) => records.map((record) => record.agent));
  return (
    <>
      <Search
        label="Find deals"
        placeholder="Service, party or id"
        value={query.get("q") ?? ""}
        onChange={(q) => setQuery({ q })}
      />
      <Choice
        name="service"
        any="Any service"
        query={query}
        values={trades.map((one) => one.service)}
      />
      <Choice name="agent" any="Any agent" query={query} values={agents} />
      <Select
        label="Role"
        value={query.get("role") ?? ""}
        options={[
          ["", "Bought and sold"],
          ["seller", "Sold here"],
          ["buyer", "Bought here"],
        ]}
        onChange={(role) => setQuery({ role })}
      />
      <Choice
        name="status"
        any="Any state"
        query={query}
        values={trades.map((one) => one.status)}
      />
    </>
  );
}

interface ChoiceProps {
  name: string;
  any: string;
  query: URLSearchParams;
  values: readonly string[];
}

function Choice({ name, any, query, values }: ChoiceProps) {
  const value = query.get(name) ?? "";
  const known = [...new Set([...values, value])].filter(Boolean).sort().slice(0, 200);
  return (
    <Select
      label={any}
      value={value}
      options={[["", any], ...known.map((one) => [one, visible(one)] as const)]}
      onChange={(chosen) => setQuery({ [name]: chosen })}
    />
  );
}

function noteOf(trades: readonly Trade[]): string {
  const oldest = trades.at(-1)?.time_ms;
  if (oldest === undefined) return "";
  return trades.length === 1 ? "1 deal" : `The latest ${formatNumber(trades.length)} deals`;
}

function Totals({ trades }: { trades: readonly Trade[] }) {
  const of = (status: string) => trades.filter((trade) => trade.status === status);
  const delivered = of("delivered");
  const breached = of("breached").length;
  const paid = delivered.reduce((sum, { price }) => sum + (price ?? 0), 0);
  const rounds = trades.flatMap((trade) => (trade.rounds === null ? [] : [trade.rounds]));
  const mean = rounds.length > 0 ? rounds.reduce((sum, one) => sum + one, 0) / rounds.length : null;
  return (
    <div class="deals-stats">
      <Stat label="Delivered">
        <Num value={delivered.length} />
      </Stat>
      <Stat label="In progress">
        <Num value={of("agreed").length} />
      </Stat>
      <Stat
        label="Breached"
        note={breached > 0 ? formatShare(breached / trades.length) : ""}
        {...(breached > 0 && { tone: "bad" as const, href: to.deals({ status: "breached" }) })}
      >
        <Num value={breached} />
      </Stat>
      <Stat label="Total paid">
        <Num value={paid} short />
      </Stat>
      <Stat label="Rounds" note="mean per deal">
        <Num value={mean} />
      </Stat>
    </div>
  );
}

function Services({ sums }: { sums: readonly ServiceSum[] }) {
  const colors = colorsOf(sums);
  const columns: Column<ServiceSum>[] = [
    {
      key: "service",
      label: "Service",
      grows: true,
      render: ({ service }) => (
        <span class="cut">
          <svg class="deals-dot" viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
            <circle cx="4" cy="4" r="4" style={{ fill: `var(${colors.get(service)})` }} />
          </svg>{" "}
          <a href={to.deals({ service })}>
            <Text text={service || "no service"} />
          </a>
        </span>
      ),
    },
    { key: "deals", label: "Deals", number: true, render: (sum) => <Num value={sum.deals} /> },
    { key: "last", label: "Last", number: true, render: (sum) => <Money value={sum.last} /> },
    { key: "mean", label: "Mean", number: true, render: (sum) => <Money value={sum.mean} /> },
    {
      key: "range",
      label: "Range",
      number: true,
      wide: true,
      render: (sum) =>
        sum.least === sum.most ? (
          <Money value={sum.least} />
        ) : (
          <>
            <Money value={sum.least} />–<Money value={sum.most} />
          </>
        ),
    },
  ];
  return (
    <Table
      label="Services"
      columns={columns}
      rows={sums.slice(0, 12)}
      rowKey={(sum) => sum.service}
    />
  );
}

const COLUMNS: Column<Trade>[] = [
  { key: "time", label: "Changed", render: (trade) => <Time ms={trade.time_ms} /> },
  {
    key: "service",
    label: "Service",
    grows: true,
    render: (trade) => (
      <>
        <a href={to.deal(trade.id)}>
          <Text text={trade.service || trade.id} />
        </a>
        {trade.why && <span class="muted deals-why">{visible(trade.why)}</span>}
      </>
    ),
  },
  { key: "price", label: "Price", number: true, render: (trade) => <Money value={trade.price} /> },
  {
    key: "rounds",
    label: "Rounds",
    number: true,
    wide: true,
    render: (trade) => <Num value={trade.rounds} />,
  },
  { key: "buyer", label: "Buyer", wide: true, render: (trade) => <SideOf side={trade.buyer} /> },
  { key: "seller", label: "Seller", wide: true, render: (trade) => <SideOf side={trade.seller} /> },
  { key: "status", label: "State", render: (trade) => <StateOf trade={trade} /> },
];

function StateOf({ trade }: { trade: Trade }) {
  return (
    <span title={visible(trade.why)}>
      <Status state={trade.status} {...(trade.status === "breached" && { tone: "bad" as const })} />
    </span>
  );
}
