// A host that goes away and comes back. The last one to run: it kills the host.
import { test } from "./support/tests.mjs";

test("reconnect: what was seen stays, and is live again when the host is back", async (t) => {
  const { south } = t;
  const window = await t.open(south, { route: "/agents" });
  window.expect(/WebSocket connection to .* failed/);
  window.expect(/ERR_CONNECTION_REFUSED/);
  await t.shows(window, "bob");
  await south.kill();
  await t.shows(window, "The connection was lost");
  t.that((await window.text()).includes("bob"), "the table is still there");
  await south.begin();
  await t.eventually("the banner goes", async () => {
    const now = window.page.getByRole("button", { name: "Try now" });
    if (await now.isEnabled().catch(() => false)) await now.click().catch(() => undefined);
    return (await window.page.locator(".banner").count()) === 0;
  });
  await window.live();
  await south.call("agent.pause", { name: "bob" });
  await t.eventually("it is subscribed again", () =>
    window.page.locator("tbody tr", { hasText: "bob" }).getByText("paused").isVisible(),
  );
});
