// What was paid over time, one colour a service.
import { useMemo } from "preact/hooks";
import { Chart, formatNumber, visible, type Series } from "../ui";
import type { ServiceSum, Trade } from "./trade";

const COLORS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--tone-inform", "--bad"];
const DEALS_MAX = 800;

/** The colours that services have; those beyond share one. */
export function colorsOf(sums: readonly ServiceSum[]): Map<string, string> {
  return new Map(sums.map(({ service }, i) => [service, COLORS[i] ?? "--muted"]));
}

export function Prices({
  trades,
  sums,
}: {
  trades: readonly Trade[];
  sums: readonly ServiceSum[];
}) {
  const [times, series] = useMemo(() => plotOf(trades, sums), [trades, sums]);
  return (
    <Chart
      times={times}
      series={series}
      format={formatNumber}
      label="Prices of deals over time"
      height={200}
    />
  );
}

function plotOf(trades: readonly Trade[], sums: readonly ServiceSum[]): [number[], Series[]] {
  const priced = trades
    .filter(({ price }) => price !== null)
    .slice(0, DEALS_MAX)
    .reverse();
  const colors = colorsOf(sums);
  const named = sums.slice(0, COLORS.length).map(({ service }) => service);
  const lines: Series[] = named.map((service) => ({
    label: visible(service || "no service"),
    color: colors.get(service) ?? "--muted",
    points: true,
    values: priced.map((trade) => (trade.service === service ? trade.price : null)),
  }));
  if (sums.length > COLORS.length) {
    lines.push({
      label: `${sums.length - COLORS.length} others`,
      color: "--muted",
      points: true,
      values: priced.map((trade) => (named.includes(trade.service) ? null : trade.price)),
    });
  }
  return [priced.map(({ time_ms }) => time_ms), lines];
}
