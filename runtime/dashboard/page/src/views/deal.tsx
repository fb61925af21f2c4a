// One deal: its terms, how it came about and what became of it, and the proof of all that, verified here.
import { useEffect, useState } from "preact/hooks";
import { idOf, verifyDeal, type Piece, type Verified } from "../deals/evidence";
import { useTrade } from "../deals/find";
import { SideOf } from "../deals/side";
import type { Side, Trade } from "../deals/trade";
import { CheckMark } from "../evidence/verdict";
import { connection, type FeedError } from "../feed/connection";
import { didOf } from "../proof/did";
import type { Envelope } from "../proof/envelope";
import { Refused } from "../proof/refused";
import { link, to } from "../route";
import {
  Did,
  download,
  Duration,
  Empty,
  Facts,
  Failure,
  formatNumber,
  formatSpan,
  Id,
  Loading,
  Money,
  Num,
  Panel,
  Performative,
  Status,
  Time,
  ViewHead,
  visible,
} from "../ui";
import type { ViewProps } from "./index";
import "./deals.css";

export default function DealView({ params }: ViewProps) {
  const id = params["id"] ?? "";
  const { trade, looking, error, looked } = useTrade(id);
  if (trade !== null) return <Shown trade={trade} />;
  if (error !== null) return <Failure error={error} />;
  if (looking) return <Loading />;
  return (
    <div class="stack">
      <ViewHead title="Deal" note={<Id id={id} />} />
      <Empty title="There is no such deal here">
        It is none of the latest {formatNumber(looked)} records of this host.{" "}
        <a href={to.deals()}>All deals</a>
      </Empty>
    </div>
  );
}

function Shown({ trade }: { trade: Trade }) {
  const { verified, error } = useVerified(trade);
  return (
    <div class="stack">
      <ViewHead
        title={visible(trade.service || "Deal")}
        note={<Id id={trade.id} />}
        actions={
          <>
            <a class="button" href={to.dialogue(trade.keeper, trade.counterparty, trade.id)}>
              The dialogue
            </a>
            <button
              class="button"
              type="button"
              disabled={verified === null}
              onClick={() => verified && save(trade, verified)}
            >
              Download the evidence
            </button>
          </>
        }
      />
      <div class="deals-two">
        <Panel title="Proof">
          {error !== null && <Failure error={error} />}
          {error === null && verified === null && <p class="muted">Verifying…</p>}
          {verified !== null && <Proof trade={trade} verified={verified} />}
        </Panel>
        <Panel title="Terms">
          <Terms trade={trade} />
        </Panel>
      </div>
    </div>
  );
}

/** Verified anew when the record changes: there is more evidence then. */
function useVerified(trade: Trade): { verified: Verified | null; error: FeedError | null } {
  const [verified, setVerified] = useState<Verified | null>(null);
  const [error, setError] = useState<FeedError | null>(null);
  const epoch = connection.value.epoch;
  useEffect(() => {
    let wanted = true;
    verifyDeal(trade).then(
      (found) => {
        if (!wanted) return;
        setVerified(found);
        setError(null);
      },
      (why: unknown) => {
        if (!wanted) return;
        if (why instanceof Refused) setError({ code: why.code, message: why.message });
        else if ((why as FeedError).code !== "closed") setError(why as FeedError);
      },
    );
    return () => {
      wanted = false;
    };
  }, [trade.id, trade.status, trade.messages.length, epoch]);
  return { verified, error };
}

function save(trade: Trade, { file }: Verified): void {
  download(`${trade.id.slice(0, 12)}.evidence`, file, "application/cbor");
}

function Terms({ trade }: { trade: Trade }) {
  const breached = trade.status === "breached";
  return (
    <Facts
      facts={[
        ["Price", <Money key="price" value={trade.price} />],
        ["Buyer", <SideOf key="buyer" side={trade.buyer} />],
        ["Seller", <SideOf key="seller" side={trade.seller} />],
        ["Deliver within", <Duration key="within" ms={trade.within_ms} />],
        ["Rounds", <Num key="rounds" value={trade.rounds} />],
        [
          "State",
          <Status key="state" state={trade.status} {...(breached && { tone: "bad" as const })} />,
        ],
        ...(trade.why ? ([["Why", visible(trade.why)]] as [string, string][]) : []),
        ["Changed", <Time key="changed" ms={trade.time_ms} millis />],
        [
          "Recorded by",
          trade.records
            .map((record) => `${visible(record.agent)} (${visible(record.role)})`)
            .join(", "),
        ],
      ]}
    />
  );
}

function Proof({ trade, verified }: { trade: Trade; verified: Verified }) {
  const { check, proof, pieces } = verified;
  return (
    <>
      <p class="row">
        <CheckMark check={check} />
        <span class="grow">{sentence(verified)}</span>
      </p>
      <ol class="deal-proof" aria-label="Signed messages, in order">
        {pieces.map((piece, i) => (
          <PieceLine
            key={i}
            piece={piece}
            before={pieces[i - 1]}
            sides={sidesOf(trade, verified)}
          />
        ))}
      </ol>
      {proof?.decline && (
        <p class="bad">
          After both had signed, {proofSide(proof.decline, proof.buyer)} declined: that is a breach.
        </p>
      )}
      <p class="muted">
        What the rounds before were is in{" "}
        <a href={to.dialogue(trade.keeper, trade.counterparty, trade.id)}>the dialogue</a>. Anyone
        can check the file without this host: <code>haggle verify FILE</code>
      </p>
    </>
  );
}

function sentence({ check, proof }: Verified): string {
  if (check.state !== "proved" && check.why) return check.why;
  if (!proof) return check.why ?? "";
  const signed = `Both sides signed ${formatNumber(Number(proof.price))} for ${visible(proof.service)}`;
  if (proof.received) return `${signed}; it was delivered, and the buyer has acknowledged it.`;
  if (proof.deliver) return `${signed}; the seller delivered, the buyer has not acknowledged it.`;
  return `${signed}; of a delivery there is no evidence.`;
}

function proofSide(envelope: Envelope, buyer: Uint8Array): string {
  return didOf(envelope.from) === didOf(buyer) ? "the buyer" : "the seller";
}

type Sides = ReadonlyMap<string, { side: Side | undefined; role: string }>;

/** Who is who, by what was signed; a record knows only the other side's key. */
function sidesOf(trade: Trade, { proof }: Verified): Sides {
  if (!proof) return new Map();
  return new Map([
    [didOf(proof.buyer), { side: trade.buyer, role: "buyer" }],
    [didOf(proof.seller), { side: trade.seller, role: "seller" }],
  ]);
}

function PieceLine({
  piece,
  before,
  sides,
}: {
  piece: Piece;
  before: Piece | undefined;
  sides: Sides;
}) {
  const { envelope, check } = piece;
  if (!envelope) {
    return (
      <li>
        <span class="muted">unreadable</span>
        <CheckMark check={check} />
      </li>
    );
  }
  const from = didOf(envelope.from);
  const by = sides.get(from);
  const after = before?.envelope ? envelope.createdMs - before.envelope.createdMs : null;
  return (
    <li>
      <a href={link(["message", idOf(envelope)], { from })}>
        <Performative name={envelope.performative} />
      </a>
      <span class="grow">
        {by?.side ? <SideOf side={by.side} /> : <Did did={from} copy={false} />}
        {by && <span class="muted"> {by.role}</span>}
      </span>
      <span class="muted num">
        <Time ms={envelope.createdMs} millis />
        {after !== null && ` +${after < 1000 ? `${after} ms` : formatSpan(after)}`}
      </span>
      <CheckMark check={check} />
    </li>
  );
}
