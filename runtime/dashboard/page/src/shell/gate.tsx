// Without a token there is nothing to see: how one comes by it, and a place to put it.
import { useState } from "preact/hooks";
import { connection, useNewToken } from "../feed/connection";
import { currentToken, tokenIn } from "../feed/token";
import { visible } from "../ui";

export function Gate() {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);
  const had = currentToken() !== null;

  const enter = (event: Event) => {
    event.preventDefault();
    const token = tokenIn(text);
    setWrong(token === null);
    if (token !== null) useNewToken(token);
  };

  return (
    <div class="gate">
      <h1>{had ? "The host does not know this token" : "This host requires a token"}</h1>
      <p>
        {had ? (
          <>
            It said: <em>{visible(connection.value.why ?? "")}</em>.
          </>
        ) : (
          "Its page opens for everybody who reaches it; what it shows does not."
        )}{" "}
        The link that <code>haggle run</code> prints has a token in it. On the host's machine, this
        prints it again:
      </p>
      <pre>haggle dashboard --data DIR</pre>
      <form onSubmit={enter}>
        <input
          class="field grow"
          type="password"
          aria-label="Token or link"
          placeholder="Paste the link, or the token"
          autocomplete="off"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button class="button primary" type="submit">
          Open
        </button>
      </form>
      {wrong && (
        <p class="bad" role="alert">
          That is neither a token nor a link with one.
        </p>
      )}
      <p class="muted">The token stays in this tab and is forgotten when you close it.</p>
    </div>
  );
}
