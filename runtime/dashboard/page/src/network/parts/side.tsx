// Beside the picture: what goes on, in numbers and sentences, or all about what was chosen.
import {
  Ago,
  Badge,
  Did,
  Empty,
  Facts,
  formatNumber,
  Num,
  stateTone,
  Status,
  Text,
  visible,
} from "../../ui";
import { to } from "../../route";
import { KIND_WORDS, KINDS } from "../kinds";
import { nameOf, statusAt, type Node, type Tie } from "../model";
import { WINDOW_MS } from "../recording";
import type { Watch } from "../watch";
import { dialoguesOf, times, type News, type Piece } from "../words";
import { addressOf } from "./address";

/** States that one wants to know of, the worst first. */
const ODD = ["parked", "failing", "held", "starting", "paused", "stopped"];

/** What is there and how much is said, in a sentence each. */
export function Summary({ watch }: { watch: Watch }) {
  void watch.version.value;
  const at = watch.at.value;
  const hosts = new Set<Node>();
  const states = new Map<string, number>();
  let agents = 0;
  for (const node of watch.network.nodes.values()) {
    const status = statusAt(node, at);
    if (status === null) continue;
    if (node.kind === "host") {
      hosts.add(node);
      continue;
    }
    agents++;
    states.set(status, (states.get(status) ?? 0) + 1);
  }
  const traffic = watch.trafficNow();
  const rate = traffic.messages / (WINDOW_MS / 1000);
  const talking = new Set<Node>();
  for (const tie of traffic.ties) if (tie.count > 0) talking.add(tie.from).add(tie.to);
  const deals = watch.delivered.value.size;
  const odd = ODD.filter((state) => states.has(state));
  return (
    <div class="net-summary">
      <p>
        <strong>{times(agents, "agent")}</strong> on <strong>{times(hosts.size, "host")}</strong>
        {watch.network.more > 0 &&
          `, and ${formatNumber(watch.network.more)} more that are not drawn`}
        {odd.map((state) => (
          <span key={state}>
            {", "}
            <span class={stateTone(state) === "bad" ? "bad" : "wait"}>
              {formatNumber(states.get(state))} {state}
            </span>
          </span>
        ))}
        .
      </p>
      <p>
        {traffic.messages === 0 ? (
          "No messages at the moment."
        ) : (
          <>
            <strong>{formatNumber(rate)}</strong> messages per second among{" "}
            {times(talking.size, "agent")}.
          </>
        )}
        {watch.live.value &&
          watch.knowsDeals &&
          ` ${times(deals, "deal")} closed in the last minute.`}
      </p>
      <Kinds watch={watch} />
    </div>
  );
}

/** What the messages do: the colours of ties and pulses, with how many of each there are. */
function Kinds({ watch }: { watch: Watch }) {
  const traffic = watch.trafficNow();
  return (
    <ul class="net-kinds" aria-label="Messages in the last ten seconds, by kind">
      {KINDS.map((kind) => {
        const count = traffic.kinds.get(kind) ?? 0;
        const share = traffic.messages > 0 ? count / traffic.messages : 0;
        return (
          <li key={kind}>
            <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
              <rect width="100" height="4" class="net-track" />
              <rect width={share * 100} height="4" class={`net-bar tone-${kind}`} />
            </svg>
            <span class={`tone-${kind}`}>{KIND_WORDS[kind]}</span>
            <Num value={count} short />
          </li>
        );
      })}
    </ul>
  );
}

export function Ticker({ watch }: { watch: Watch }) {
  // Whoever went back in time is not told what came after.
  const news = watch.live.value
    ? watch.news.value
    : watch.news.value.filter((one) => one.time <= watch.at.value);
  return (
    <section class="net-ticker" aria-label="Recent events">
      <h2>Recent events</h2>
      {news.length === 0 ? (
        <p class="muted">Deals, refusals, and agents that come and go appear here.</p>
      ) : (
        <ol>
          {news.map((one) => (
            <NewsLine key={one.key} news={one} />
          ))}
        </ol>
      )}
    </section>
  );
}

function NewsLine({ news }: { news: News }) {
  return (
    <li class={`net-news net-news-${news.tone}`}>
      <span>
        {news.pieces.map((piece, i) => (
          <span key={i}>
            {i > 0 && !/^[:,]/.test(piece.text) && " "}
            <PieceOf piece={piece} />
          </span>
        ))}
        {news.times > 1 && <span class="muted"> ×{formatNumber(news.times)}</span>}
      </span>
      <span class="muted net-when">
        <Ago ms={news.time} />
      </span>
    </li>
  );
}

function PieceOf({ piece }: { piece: Piece }) {
  const text = piece.name ? <Text text={piece.text} /> : piece.text;
  return piece.href ? <a href={piece.href}>{text}</a> : <>{text}</>;
}

/** All about one node, and with whom it speaks. */
export function Chosen({
  node,
  watch,
  onSelect,
}: {
  node: Node;
  watch: Watch;
  onSelect(node: Node | undefined): void;
}) {
  void watch.version.value;
  const status = statusAt(node, watch.at.value);
  const address = addressOf(node);
  return (
    <section class="net-chosen" aria-label="Selection">
      <div class="row spread">
        <h2 class="cut">
          <Text text={nameOf(node)} />
        </h2>
        <button class="button quiet small" type="button" onClick={() => onSelect(undefined)}>
          Close
        </button>
      </div>
      <div class="row">
        <Badge>{node.kind}</Badge>
        {status === null ? <span class="muted">gone</span> : <Status state={status} />}
        {node.here && <span class="muted">here</span>}
      </div>
      {node.about && (
        <p class="muted">
          <Text text={node.about} />
        </p>
      )}
      <Facts facts={factsOf(node)} />
      {address && (
        <p class="row">
          <a class="button small" href={address}>
            {node.here ? "Open agent" : "Its dialogues"}
          </a>
          {node.here && (
            <a class="button quiet small" href={to.dialogues({ agent: node.name })}>
              Its dialogues
            </a>
          )}
        </p>
      )}
      {node.kind === "host" ? (
        <HostPart node={node} watch={watch} onSelect={onSelect} />
      ) : (
        <Partners node={node} watch={watch} onSelect={onSelect} />
      )}
    </section>
  );
}

function factsOf(node: Node): [string, preact.ComponentChildren][] {
  const facts: [string, preact.ComponentChildren][] = [["Key", <Did key="did" did={node.did} />]];
  if (node.kind === "agent") {
    if (node.host) facts.push(["Host", <Text key="host" text={nameOf(node.host)} />]);
    if (node.services.length > 0) {
      facts.push([
        "Offers",
        <span key="offers">
          {node.services.slice(0, 12).map((service, i) => (
            <span key={service}>
              {i > 0 && ", "}
              <a href={to.directory({ q: `service="${service.replace(/["\\]/g, "\\$&")}"` })}>
                <Text text={service} />
              </a>
            </span>
          ))}
          {node.services.length > 12 && ` and ${node.services.length - 12} more`}
        </span>,
      ]);
    }
    if (node.here) {
      facts.push(["Handled", <Num key="handled" value={node.handled} />]);
      facts.push(["Waiting", <Num key="mailbox" value={node.mailbox} />]);
      if (node.raised > 0)
        facts.push(["Raised", `${times(node.raised, "time")} in the last minute`]);
    }
  }
  return facts;
}

interface PartProps {
  node: Node;
  watch: Watch;
  onSelect(node: Node | undefined): void;
}

function Partners({ node, watch, onSelect }: PartProps) {
  const traffic = watch.trafficNow();
  const partners = new Map<Node, { said: Tie | undefined; heard: Tie | undefined; last: number }>();
  for (const tie of traffic.ties) {
    if (tie.from !== node && tie.to !== node) continue;
    const other = tie.from === node ? tie.to : tie.from;
    const known = partners.get(other) ?? { said: undefined, heard: undefined, last: 0 };
    if (tie.from === node) known.said = tie;
    else known.heard = tie;
    known.last = Math.max(known.last, tie.last);
    partners.set(other, known);
  }
  const sorted = [...partners].sort((a, b) => b[1].last - a[1].last).slice(0, 40);
  return (
    <>
      <h3>Talks to</h3>
      {sorted.length === 0 && <p class="muted">Nobody, within the last minute.</p>}
      <ul class="net-partners">
        {sorted.map(([other, { said, heard }]) => (
          <li key={other.key}>
            <button class="net-name cut" type="button" onClick={() => onSelect(other)}>
              <Text text={nameOf(other)} />
            </button>
            <span class="num muted" title="Sent and received in the last ten seconds">
              {formatNumber(said?.count ?? 0)} → · ← {formatNumber(heard?.count ?? 0)}
            </span>
            {dialoguesOf(node, other) && <a href={dialoguesOf(node, other)}>dialogues</a>}
          </li>
        ))}
      </ul>
    </>
  );
}

const AGENTS_SHOWN = 100;

function HostPart({ node, watch, onSelect }: PartProps) {
  const agents = [...watch.network.nodes.values()].filter(
    (other) => other.host === node && statusAt(other, watch.at.value) !== null,
  );
  agents.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const links = watch.network.links.filter((link) => link.a === node || link.b === node);
  return (
    <>
      {links.map((link) => {
        const other = link.a === node ? link.b : link.a;
        return (
          <div class="row" key={other.key}>
            <Status state={link.up ? "up" : "lost"} />
            <button class="net-name cut" type="button" onClick={() => onSelect(other)}>
              <Text text={nameOf(other)} />
            </button>
            <span class="muted num">
              {formatNumber(link.unacknowledged)} unacknowledged
              {link.skew_ms !== 0 && `, clock ${link.skew_ms > 0 ? "+" : ""}${link.skew_ms} ms`}
            </span>
          </div>
        );
      })}
      <h3>{times(agents.length, "agent")}</h3>
      {agents.length === 0 && <Empty title="No known agents" />}
      <ul class="net-partners">
        {agents.slice(0, AGENTS_SHOWN).map((agent) => (
          <li key={agent.key}>
            <button class="net-name cut" type="button" onClick={() => onSelect(agent)}>
              <Text text={nameOf(agent)} />
            </button>
            <span class="muted">{visible(statusAt(agent, watch.at.value) ?? "")}</span>
          </li>
        ))}
      </ul>
      {agents.length > AGENTS_SHOWN && (
        <p class="muted">{formatNumber(agents.length - AGENTS_SHOWN)} more</p>
      )}
    </>
  );
}
