// What is shown while the host is not there: what one sees is old, and when the next try is.
import { connection, retryNow } from "../feed/connection";
import { Ago, now } from "../ui/time";
import { visible } from "../ui";

export function LostBanner() {
  const { state, why, retry_ms, lost_ms, skew_ms, hello } = connection.value;
  if (state !== "lost" || hello === null) return null;
  // `now` makes it count down.
  const seconds = retry_ms === null ? 0 : Math.ceil((retry_ms + skew_ms - now.value) / 1000);
  return (
    <div class="banner" role="alert">
      <span class="grow">
        <strong>The connection was lost</strong>{" "}
        <Ago ms={lost_ms === null ? null : lost_ms + skew_ms} />: what you see is as it was then.{" "}
        <span class="muted">{visible(why ?? "")}</span>
      </span>
      <span class="num">
        {retry_ms === null ? "Trying…" : seconds > 0 ? `Next try in ${seconds} s` : "Trying…"}
      </span>
      <button class="button small" type="button" onClick={retryNow} disabled={retry_ms === null}>
        Try now
      </button>
    </div>
  );
}
