// One deal by its id: among the latest, which the feed tells and keeps up to date, else in the host's records.
import { useEffect, useState } from "preact/hooks";
import { callPage, connection, useTopic, type FeedError } from "../feed/connection";
import type { Deal } from "../feed/types";
import { tradesOf, type Trade } from "./trade";

const PAGE = 500;
const PAGES_MAX = 40;

export interface Found {
  trade: Trade | null;
  /** Older records are being looked through. */
  looking: boolean;
  error: FeedError | null;
  /** Of how many records it is none. */
  looked: number;
}

export function useTrade(id: string): Found {
  const topic = useTopic("deals", {});
  const { data, error } = topic.value;
  const [older, setOlder] = useState<Deal[]>([]);
  const [looked, setLooked] = useState<number | null>(null);
  const [failed, setFailed] = useState<FeedError | null>(null);
  const latest = data?.deals.filter((deal) => deal.id === id) ?? [];
  const missing = data !== null && latest.length === 0;
  const epoch = connection.value.epoch;

  useEffect(() => {
    if (!missing || older.length > 0) return undefined;
    let wanted = true;
    lookFor(id, () => wanted).then(
      ({ deals, looked: count }) => {
        if (!wanted) return;
        setOlder(deals);
        setLooked(count);
        setFailed(null);
      },
      (why: FeedError) => {
        if (wanted && why.code !== "closed") setFailed(why);
      },
    );
    return () => {
      wanted = false;
    };
  }, [id, missing, epoch]);

  const [trade] = tradesOf(latest.length > 0 ? latest : older);
  return {
    trade: trade ?? null,
    looking: trade === undefined && looked === null,
    error: error ?? failed,
    looked: looked ?? 0,
  };
}

/** Both records of it, if they are on one page: their times are not far apart. */
async function lookFor(
  id: string,
  wanted: () => boolean,
): Promise<{ deals: Deal[]; looked: number }> {
  let cursor: string | undefined;
  let looked = 0;
  for (let page = 0; page < PAGES_MAX && wanted(); page++) {
    const { result, next } = await callPage("deals", { limit: PAGE, ...(cursor && { cursor }) });
    looked += result.length;
    const deals = result.filter((deal) => deal.id === id);
    if (deals.length > 0 || next === undefined) return { deals, looked };
    cursor = next;
  }
  return { deals: [], looked };
}
