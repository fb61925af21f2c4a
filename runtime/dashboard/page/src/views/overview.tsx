// How the host is doing, at a glance: a sentence, what is wrong, the numbers, and their last minutes.
import { useTopic } from "../feed/connection";
import type { Alarm, OverviewEvent, Sample } from "../feed/types";
import { setQuery, to } from "../route";
import {
  AgentLink,
  Ago,
  Badge,
  Chart,
  Copy,
  Did,
  Empty,
  Failure,
  formatBytes,
  formatDuration,
  formatNumber,
  formatShare,
  formatShort,
  formatSpan,
  Loading,
  Panel,
  Select,
  Stat,
  Status,
  Text,
  ViewHead,
  visible,
  type Series,
} from "../ui";
import type { ViewProps } from "./index";
import { failuresOf, ratesOf, sentenceOf, type Sentence } from "./overview/sentence";
import "./overview.css";

const SPANS = [
  ["60", "1 minute"],
  ["300", "5 minutes"],
  ["600", "10 minutes"],
] as const;

export default function Overview({ query }: ViewProps) {
  const span = SPANS.find(([seconds]) => seconds === query.get("for"))?.[0] ?? "300";
  const overview = useTopic("overview", { history: Number(span), every_ms: 1000 });
  const { data, error, stale } = overview.value;
  if (error !== null) return <Failure error={error} />;
  if (data === null) return <Loading />;
  const sentence = sentenceOf(data);
  return (
    <div class={`stack ${stale ? "overview-stale" : ""}`}>
      <ViewHead
        title="Overview"
        note={<Glance sentence={sentence} />}
        actions={
          <Select
            label="How far back"
            value={span}
            options={SPANS}
            onChange={(value) => setQuery({ for: value === "300" ? null : value })}
          />
        }
      />
      <Alarms alarms={data.alarms} />
      {data.samples.length === 0 ? (
        <Empty title="No samples yet">The host takes one each second.</Empty>
      ) : (
        <>
          <Numbers data={data} slots={Math.max(30, data.samples.length)} />
          <Charts samples={data.samples} />
        </>
      )}
      <Addresses totals={data.totals} />
    </div>
  );
}

function Glance({ sentence }: { sentence: Sentence }) {
  return (
    <span class="glance">
      <Status state="" tone={sentence.tone} /> {sentence.text}
    </span>
  );
}

function Alarms({ alarms }: { alarms: Alarm[] }) {
  if (alarms.length === 0) return null;
  const worst = [...alarms].sort(
    (a, b) => a.level.localeCompare(b.level) || b.since_ms - a.since_ms,
  );
  return (
    <Panel
      title={alarms.length === 1 ? "One alarm" : `${alarms.length} alarms`}
      class={`alarms alarms-${worst[0]?.level ?? "warn"}`}
      flush
    >
      <ul>
        {worst.map((alarm) => (
          <li key={`${alarm.what} ${alarm.agent ?? ""} ${alarm.peer ?? ""}`}>
            <Badge tone={alarm.level === "error" ? "bad" : "wait"}>
              {visible(alarm.what.replaceAll("_", " "))}
            </Badge>
            <span class="alarm-text">
              {alarm.agent !== undefined && (
                <>
                  <AgentLink name={alarm.agent} />{" "}
                </>
              )}
              {alarm.peer !== undefined && (
                <>
                  <Did did={alarm.peer} />{" "}
                </>
              )}
              <Text text={alarm.text} />
            </span>
            <span class="muted alarm-since">
              <Ago ms={alarm.since_ms} />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Numbers({ data, slots }: { data: OverviewEvent; slots: number }) {
  const { samples, totals } = data;
  const last = samples.at(-1);
  if (last === undefined) return null;
  const rates = ratesOf(samples);
  const of = (value: (sample: Sample) => number) => ({ spark: samples.map(value), slots });
  const failures = samples.reduce((sum, sample) => sum + failuresOf(sample), 0);
  const restarts = samples.reduce((sum, sample) => sum + sample.restarts, 0);
  const covered = formatSpan(samples.length * 1000);
  return (
    <div class="stats">
      <Stat
        label="Messages a second"
        note={`${formatShort(rates.sent)} said`}
        {...of((one) => one.handled)}
      >
        {formatShort(rates.handled)}
      </Stat>
      <Stat label="Deals a second" note="delivered" href={to.deals()} {...of((one) => one.deals)}>
        {formatShort(rates.deals)}
      </Stat>
      <Stat
        label="Latency, of half"
        title="From a message's arrival until what its handler did is durable"
        note={`99 % within ${formatDuration(lastWith(samples, "latency_p99_ms"))}`}
        {...of((one) => one.latency_p99_ms)}
      >
        {formatDuration(lastWith(samples, "latency_p50_ms"))}
      </Stat>
      <Stat
        label="Waiting in mailboxes"
        note={
          last.mailbox > 0
            ? `the oldest for ${formatDuration(last.mailbox_age_ms)}`
            : "nothing waits"
        }
        tone={last.mailbox_age_ms > 10_000 ? "wait" : undefined}
        href={to.agents({ sort: "mailbox", descending: true })}
        {...of((one) => one.mailbox)}
      >
        {formatShort(last.mailbox)}
      </Stat>
      <Stat
        label="Failures"
        title="Handlers that raised, messages refused, dead letters"
        note={`in ${covered}`}
        tone={failures > 0 ? "bad" : undefined}
        href={to.agents({ sort: "raised", descending: true })}
        {...of(failuresOf)}
      >
        {formatShort(failures)}
      </Stat>
      <Stat
        label="Restarts of agents"
        note={`in ${covered}`}
        tone={restarts > 0 ? "wait" : undefined}
        {...of((one) => one.restarts)}
      >
        {formatShort(restarts)}
      </Stat>
      <Stat
        label="Agents"
        note={`${formatShort(last.awake)} awake, ${formatShort(last.asleep)} asleep`}
        href={to.agents()}
        {...of((one) => one.awake)}
      >
        {formatShort(last.agents)}
      </Stat>
      <Stat
        label="Other hosts"
        note={
          last.unacknowledged > 0
            ? `${formatShort(last.unacknowledged)} unacknowledged`
            : "all acknowledged"
        }
        href={to.network()}
        {...of((one) => one.unacknowledged)}
      >
        {formatShort(last.peers)}
      </Stat>
      <Stat
        label="CPU of one core"
        note={`${formatShort(last.runs)} suspended handlers`}
        {...of((one) => one.cpu)}
      >
        {formatShare(last.cpu)}
      </Stat>
      <Stat
        label="Memory"
        note={`${formatBytes(last.lua_bytes)} of Lua`}
        {...of((one) => one.rss_bytes)}
      >
        {formatBytes(last.rss_bytes)}
      </Stat>
      <Stat
        label="Store"
        note={`${formatBytes(last.disk_free)} free`}
        tone={last.disk_free < totals.disk_reserve * 2 ? "wait" : undefined}
        {...of((one) => one.store_bytes)}
      >
        {formatBytes(last.store_bytes)}
      </Stat>
      <Stat
        label="Messages a signature"
        note={`${formatNumber(lastWith(samples, "commit_messages"))} a commit`}
        {...of((one) => one.signature_messages)}
      >
        {formatNumber(lastWith(samples, "signature_messages"))}
      </Stat>
    </div>
  );
}

/** A second in which nothing was measured says nothing: the latest that was. */
function lastWith(samples: readonly Sample[], key: keyof Sample): number | null {
  return samples.findLast((sample) => sample[key] > 0)?.[key] ?? null;
}

const count = (value: number | null) =>
  value === null || Number.isInteger(value) ? formatShort(value) : formatNumber(value);

function Charts({ samples }: { samples: Sample[] }) {
  const times = samples.map((sample) => sample.time_ms);
  const line = (
    label: string,
    color: string,
    value: (sample: Sample) => number | null,
    dashed = false,
  ): Series => ({
    label,
    color,
    values: samples.map(value),
    dashed,
  });
  // Zero is what stands for: there was none in this second.
  const measured = (key: keyof Sample) => (sample: Sample) =>
    sample[key] > 0 ? sample[key] : null;
  return (
    <div class="charts">
      <Panel title="Messages a second">
        <Chart
          label="Messages received, sent and handled each second"
          times={times}
          format={count}
          series={[
            line("received", "--chart-1", (one) => one.received),
            line("said", "--chart-2", (one) => one.sent),
            line("handled", "--chart-3", (one) => one.handled),
          ]}
        />
      </Panel>
      <Panel title="Latency, from arrival until durable">
        <Chart
          label="Latency of messages, median and 99th percentile"
          times={times}
          format={formatDuration}
          series={[
            line("half", "--chart-1", measured("latency_p50_ms")),
            line("99 %", "--chart-2", measured("latency_p99_ms")),
          ]}
        />
      </Panel>
      <Panel title="Deals, failures, restarts">
        <Chart
          label="Deals, failures and restarts each second"
          times={times}
          format={count}
          series={[
            line("deals", "--chart-3", (one) => one.deals),
            line("failures", "--bad", failuresOf),
            line("restarts", "--chart-4", (one) => one.restarts, true),
          ]}
        />
      </Panel>
      <Panel title="Messages a batch">
        <Chart
          label="Messages in a commit and under a signature"
          times={times}
          format={formatNumber}
          series={[
            line("a commit", "--chart-1", measured("commit_messages")),
            line("a signature", "--chart-4", measured("signature_messages")),
          ]}
        />
      </Panel>
      <Panel title="Commits and ticks">
        <Chart
          label="How long commits and ticks take, median and 99th percentile"
          times={times}
          format={formatDuration}
          series={[
            line("commit, half", "--chart-1", measured("commit_p50_ms")),
            line("commit, 99 %", "--chart-2", measured("commit_p99_ms")),
            line("tick, 99 %", "--chart-3", measured("tick_p99_ms"), true),
          ]}
        />
      </Panel>
      <Panel title="Waiting">
        <Chart
          label="Messages waiting in mailboxes, suspended handlers, unacknowledged messages"
          times={times}
          format={count}
          series={[
            line("in mailboxes", "--chart-1", (one) => one.mailbox),
            line("suspended", "--chart-4", (one) => one.runs),
            line("unacknowledged", "--chart-2", (one) => one.unacknowledged, true),
          ]}
        />
      </Panel>
    </div>
  );
}

function Addresses({ totals }: { totals: OverviewEvent["totals"] }) {
  const { urls, did } = totals;
  const first = urls[0];
  if (first === undefined) return null;
  const joined = `${first}#${did}`;
  return (
    <div class="muted row">
      Others join with
      <code class="cut overview-join">--join {visible(joined)}</code>
      <Copy text={`--join ${joined}`} />
    </div>
  );
}
