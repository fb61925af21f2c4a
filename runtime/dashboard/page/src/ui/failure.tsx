// What was asked for and could not be had.
import { live, type FeedError } from "../feed/connection";
import { visible } from "./text";

export function Failure({ error }: { error: FeedError }) {
  return (
    <div class="empty" role="alert">
      <strong class="bad">{visible(error.message)}</strong>
      <div class="muted mono">{visible(error.code)}</div>
    </div>
  );
}

/** Until the first event is there. It shows after a moment only: most answers are faster. */
export function Loading() {
  return (
    <div class="empty loading muted" role="status">
      {live.value ? "Loading…" : "This was not loaded before the connection was lost."}
    </div>
  );
}
