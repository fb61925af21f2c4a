// How the host is doing, at a glance: a sentence, what is wrong, the numbers, and their last minutes.
import { peerName } from "../dialogue/words";
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
  formatCount,
  formatDuration,
  formatNumber,
  formatShare,
  formatShort,
  formatSpan,
  Loading,
  Panel,
  Select,
  shortDid,
  Stat,
  Status,
  Text,
  ViewHead,
  visible,
  type Series,
} from "../ui";
import type { ViewProps } from "./index";
import { failedOf } from "./overview/failed";
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
      <Failed />
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
      title={formatCount(alarms.length, "alarm")}
      class={`alarms alarms-${worst[0]?.level ?? "warn"}`}
      flush
    >
      <ul>
        {worst.map((alarm) => (
          <li key={`${alarm.what} ${alarm.agent ?? alarm.peer ?? alarm.model ?? ""}`}>
            <Badge tone={alarm.level === "error" ? "bad" : "wait"}>
              {visible(alarm.what.replaceAll("_", " "))}
            </Badge>
            <span class="alarm-text">
              {alarm.peer !== undefined && (
                <>
                  <Did did={alarm.peer} />{" "}
                </>
              )}
              <AlarmText alarm={alarm} />
              <More alarm={alarm} />
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

/** Of an agent the text begins with its name, which becomes a link. */
function AlarmText({ alarm: { agent, text } }: { alarm: Alarm }) {
  if (agent === undefined || !text.startsWith(`${agent} `)) return <Text text={text} />;
  return (
    <>
      <AgentLink name={agent} />
      <Text text={text.slice(agent.length)} />
    </>
  );
}

/** Where the page shows more of what is wrong. */
function More({ alarm }: { alarm: Alarm }) {
  const places: Record<string, [words: string, href: string]> = {
    dead_letters: ["See the log", to.logs({ text: "dead letter" })],
    mailbox_old: ["See the mailboxes", to.agents({ sort: "mailbox", descending: true })],
    unreachable: ["See the network", to.network({ select: `host ${alarm.peer}` })],
    model_failed: ["See the model", to.models({ name: alarm.model })],
  };
  if (!Object.hasOwn(places, alarm.what)) return null;
  const [words, href] = places[alarm.what]!;
  return (
    <>
      {". "}
      <a href={href}>{words}</a>
    </>
  );
}

const FAILED_SHOWN = 5;

/** What failed last, and why: whoever looks for the reason of one is a click away from its diagram. */
function Failed() {
  const { data } = useTopic("dialogues", { state: "failed", limit: 100, every_ms: 2000 }).value;
  const failed = failedOf(data?.dialogues ?? []).slice(0, FAILED_SHOWN);
  if (failed.length === 0) return null;
  return (
    <Panel
      title="Latest failed dialogues"
      actions={<a href={to.dialogues({ state: "failed" })}>All failed</a>}
      flush
    >
      <ul class="failed">
        {failed.map(({ latest, times }) => (
          <li key={`${latest.agent} ${latest.peer} ${latest.thid}`}>
            <a class="failed-who" href={to.dialogue(latest.agent, latest.peer, latest.thid)}>
              <Text text={latest.agent} cut /> ↔{" "}
              <Text text={peerName(latest) ?? shortDid(latest.peer)} cut />
            </a>
            <span class="failed-why cut" title={visible(latest.why ?? "")}>
              {visible(latest.service ?? latest.protocol ?? "")}
              {latest.why !== undefined && `: ${visible(latest.why)}`}
            </span>
            <span class="muted num failed-when">
              {times > 1 && `×${formatNumber(times)}, `}
              <Ago ms={latest.last_ms} />
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
        label="Messages per second"
        title="Handled by the agents of this host"
        note={`${formatShort(rates.sent)} sent`}
        {...of((one) => one.handled)}
      >
        {formatShort(rates.handled)}
      </Stat>
      <Stat label="Deals per second" note="delivered" href={to.deals()} {...of((one) => one.deals)}>
        {formatShort(rates.deals)}
      </Stat>
      <Stat
        label="Latency p50"
        title="From a message's arrival until what its handler did is durable"
        note={`p99 ${formatDuration(lastWith(samples, "latency_p99_ms"))}`}
        {...of((one) => one.latency_p99_ms)}
      >
        {formatDuration(lastWith(samples, "latency_p50_ms"))}
      </Stat>
      <Stat
        label="Waiting in mailboxes"
        note={last.mailbox > 0 ? `oldest ${formatDuration(last.mailbox_age_ms)}` : "none waiting"}
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
        label="Agent restarts"
        note={`in ${covered}`}
        tone={restarts > 0 ? "wait" : undefined}
        {...of((one) => one.restarts)}
      >
        {formatShort(restarts)}
      </Stat>
      <Stat
        label="Agents"
        note={`${last.stopped > 0 ? `${formatShort(last.stopped)} stopped, ` : ""}${formatShort(last.awake)} awake, ${formatShort(last.asleep)} asleep`}
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
      <Stat label="CPU" note="of one core" {...of((one) => one.cpu)}>
        {formatShare(last.cpu)}
      </Stat>
      <Stat
        label="Memory"
        note={`${formatBytes(last.lua_bytes)} in Lua`}
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
        label="Messages/signature"
        note={`${formatNumber(lastWith(samples, "commit_messages"))} per commit`}
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
      <Panel title="Messages per second">
        <Chart
          label="Messages received, sent and handled per second"
          times={times}
          format={count}
          series={[
            line("received", "--chart-1", (one) => one.received),
            line("sent", "--chart-2", (one) => one.sent),
            line("handled", "--chart-3", (one) => one.handled),
          ]}
        />
      </Panel>
      <Panel title="Latency, arrival to durable">
        <Chart
          label="Message latency, p50 and p99"
          times={times}
          format={formatDuration}
          series={[
            line("p50", "--chart-1", measured("latency_p50_ms")),
            line("p99", "--chart-2", measured("latency_p99_ms")),
          ]}
        />
      </Panel>
      <Panel title="Deals, failures and restarts per second">
        <Chart
          label="Deals, failures and restarts per second"
          times={times}
          format={count}
          series={[
            line("deals", "--chart-3", (one) => one.deals),
            line("failures", "--bad", failuresOf),
            line("restarts", "--chart-4", (one) => one.restarts, true),
          ]}
        />
      </Panel>
      <Panel title="Batch size, in messages">
        <Chart
          label="Messages per commit and per signature"
          times={times}
          format={formatNumber}
          series={[
            line("per commit", "--chart-1", measured("commit_messages")),
            line("per signature", "--chart-4", measured("signature_messages")),
          ]}
        />
      </Panel>
      <Panel title="Commit and tick duration">
        <Chart
          label="Duration of commits and ticks, p50 and p99"
          times={times}
          format={formatDuration}
          series={[
            line("commit p50", "--chart-1", measured("commit_p50_ms")),
            line("commit p99", "--chart-2", measured("commit_p99_ms")),
            line("tick p99", "--chart-3", measured("tick_p99_ms"), true),
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
            line("suspended handlers", "--chart-4", (one) => one.runs),
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
