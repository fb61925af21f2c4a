// An encoded object byte by byte: offsets, bytes, and what they mean.
import { useState } from "preact/hooks";
import { hex, type Bytes } from "../proof/bytes";
import type { Row } from "../proof/annotate";
import { visible } from "../ui";

const FIRST = 120;
const MORE = 400;
/** Of one row; the rest is told by its size. */
const BYTES_MOST = 64;

export function Hex({ bytes, rows }: { bytes: Bytes; rows: Row[] }) {
  const [shown, setShown] = useState(FIRST);
  return (
    <div class="hex" tabIndex={0} role="region" aria-label="Encoded bytes">
      <table>
        <thead class="sr">
          <tr>
            <th scope="col">Offset</th>
            <th scope="col">Bytes</th>
            <th scope="col">Meaning</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, shown).map((row) => (
            <Line key={`${row.at} ${row.depth}`} row={row} bytes={bytes} />
          ))}
        </tbody>
      </table>
      {rows.length > shown && (
        <button class="button quiet small" type="button" onClick={() => setShown(shown + MORE)}>
          {rows.length - shown} more
        </button>
      )}
    </div>
  );
}

function Line({ row, bytes }: { row: Row; bytes: Bytes }) {
  const content = bytes.subarray(row.at, row.at + Math.min(row.size, BYTES_MOST));
  const pairs = hex(content).match(/../g) ?? [];
  const left = row.size - content.length;
  return (
    <tr class={row.bad === true ? "hex-bad" : undefined}>
      <td class="hex-at">{row.at.toString(16).padStart(4, "0")}</td>
      <td class="hex-bytes">
        {pairs.join(" ")}
        {left > 0 && <span class="muted"> … {left} more</span>}
      </td>
      <td class="hex-means">
        <div style={{ paddingLeft: `${Math.min(row.depth, 12) * 12}px` }}>
          {row.name !== "" && <span class="muted">{visible(row.name)} </span>}
          {visible(cut(row.means))}
        </div>
      </td>
    </tr>
  );
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
