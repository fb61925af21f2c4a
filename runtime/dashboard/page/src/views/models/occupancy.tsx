// How full the batches were, as bars: of sizes that are powers of two.
import type { Model } from "../../feed/types";
import { formatNumber, formatShare } from "../../ui";

export function Occupancy({ batches }: { batches: Model["batches"] }) {
  const sizes = Object.entries(batches.sizes)
    .map(([most, count]) => [Number(most), count] as const)
    .sort(([a], [b]) => a - b);
  const highest = Math.max(1, ...sizes.map(([, count]) => count));
  return (
    <div>
      <h3>Batch sizes</h3>
      {sizes.length === 0 ? (
        <p class="muted models-none">No batches yet.</p>
      ) : (
        <table class="occupancy" aria-label="Number of batches by size">
          <tbody>
            {sizes.map(([most, count]) => (
              <tr key={most}>
                <th scope="row">{rangeOf(most)}</th>
                <td class="occupancy-bar">
                  <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                    <rect width={(100 * count) / highest} height="10" />
                  </svg>
                </td>
                <td class="number" title={formatShare(count / Math.max(1, batches.count))}>
                  {formatNumber(count)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

/** 8 stands for what is more than 4, up to 8. */
function rangeOf(most: number): string {
  if (most <= 2) return String(most);
  return `${formatNumber(most / 2 + 1)}–${formatNumber(most)}`;
}
