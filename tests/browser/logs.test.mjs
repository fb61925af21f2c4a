// The log: live, filtered, paused.
import { LIVE_MS, test } from "./support/tests.mjs";

const say = (host, text, level = "info") =>
  host.call("send", { to: "breaker", type: "break/1.0/log", body: { text, level, note: "n" } });

test("logs: a line is there when it is said, and filters hold", async (t) => {
  const window = await t.open(t.north, { route: "/logs?text=lighthouse" });
  await t.shows(window, "No line matches");
  await say(t.north, "the lighthouse is lit", "warn");
  await t.within(LIVE_MS, "the line", () =>
    window.page.locator(".log-line", { hasText: "the lighthouse is lit" }).isVisible(),
  );
  await say(t.north, "nothing of the kind");
  await window.page.getByLabel("Level").selectOption("error");
  await t.shows(window, "No line matches");
  await window.page.getByLabel("Level").selectOption("");
  await window.page.locator(".log-line", { hasText: "lighthouse" }).click();
  await t.eventually("a line is shown whole", () =>
    window.page.getByLabel("The line").getByText("note").isVisible(),
  );
});

test("logs: the keyboard goes from line to line", async (t) => {
  for (const text of ["the first buoy", "the second buoy", "the third buoy"])
    await say(t.north, text);
  const window = await t.open(t.north, { route: "/logs?text=buoy" });
  await t.shows(window, "the third buoy");
  const { keyboard } = window.page;
  const whole = (text) => () => window.page.getByLabel("The line").getByText(text).isVisible();
  await window.page.getByLabel("Log", { exact: true }).focus();
  await keyboard.press("ArrowUp");
  await t.eventually("the newest first", whole("the third buoy"));
  await keyboard.press("ArrowUp");
  await t.eventually("then the one before", whole("the second buoy"));
  await say(t.north, "the fourth buoy");
  await t.eventually("what comes meanwhile is counted", () =>
    window.page.getByRole("button", { name: /1 new/ }).isVisible(),
  );
  await keyboard.press("Escape");
  await t.eventually("and Escape lets go", () => window.page.getByLabel("The line").isHidden());
});

test("logs: while it is paused, lines are counted", async (t) => {
  const window = await t.open(t.north, { route: "/logs?agent=breaker" });
  await say(t.north, "before the pause");
  await t.shows(window, "before the pause");
  await window.page.keyboard.press("p");
  await t.eventually("p pauses", () =>
    window.page.getByRole("button", { name: "Resume" }).isVisible(),
  );
  await say(t.north, "during the pause");
  await t.eventually("a new one is counted", () =>
    window.page.getByRole("button", { name: /1 new/ }).isVisible(),
  );
  t.that(!(await window.text()).includes("during the pause"), "and not shown");
  await window.page.keyboard.press("p");
  await t.shows(window, "during the pause");
});
