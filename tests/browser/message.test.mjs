// One message: decoded, raw, proved in the browser; and one that was altered on its way to the page.
import { test } from "./support/tests.mjs";

/** The last message of a deal that was delivered. */
async function aMessage(t) {
  const deal = await t.eventually("a deal was delivered", async () =>
    (await t.north.call("deals")).find(({ status }) => status === "delivered"),
  );
  const id = deal.messages.at(-1);
  return { id, told: await t.north.call("message", { of: id }) };
}

test("message: is decoded, shown raw, and proved by this browser", async (t) => {
  const { id, told } = await aMessage(t);
  const window = await t.open(t.north, { route: `/message/${id}` });
  await t.shows(window, /^Proved/, "it is proved");
  await t.shows(window, told.envelope.type);
  for (const tab of await window.page.locator("main .tabs a").all()) {
    await tab.click();
    await t.eventually(
      "each tab has something to show",
      async () => (await window.text()).length > 200,
    );
  }
  await t.shows(window, String(told.size), "its size");
});

/** A byte in the middle of the evidence, and a word of what is told of it. */
const altered = {
  evidence: (detail) => {
    const middle = Math.floor(detail.evidence.length / 2);
    const other = detail.evidence[middle] === "A" ? "B" : "A";
    return {
      ...detail,
      evidence: detail.evidence.slice(0, middle) + other + detail.evidence.slice(middle + 1),
    };
  },
  telling: (detail) => ({
    ...detail,
    envelope: { ...detail.envelope, body: { ...detail.envelope.body, price: 1 } },
  }),
};

for (const [what, alter] of Object.entries(altered)) {
  test(`message: an altered ${what} is shown as false`, async (t) => {
    const { id } = await aMessage(t);
    const window = await t.open(t.north, {
      route: `/message/${id}`,
      before: (page) =>
        page.routeWebSocket(/\/api\/feed$/, (socket) => {
          const host = socket.connectToServer();
          socket.onMessage((message) => host.send(message));
          host.onMessage((message) => {
            const told = JSON.parse(message);
            if (typeof told.result?.evidence === "string") told.result = alter(told.result);
            socket.send(JSON.stringify(told));
          });
        }),
    });
    await t.shows(window, /^(False|Not proved|This is not what was signed)/i, "it is called false");
    t.that(
      (await window.page.locator("main .verdict-bad").count()) > 0,
      "in the colour of failures",
    );
    t.that((await window.page.locator("main .verdict-good").count()) === 0, "and nowhere true");
  });
}

test("message: evidence of someone else is verified without the host", async (t) => {
  const { told } = await aMessage(t);
  const window = await t.open(t.crowd, { route: "/message" });
  await window.page.getByRole("textbox", { name: "Evidence" }).fill(told.evidence);
  await window.page.getByRole("button", { name: "Verify" }).click();
  await t.shows(window, /^Proved/, "it is proved");
  await window.page.getByRole("textbox", { name: "Evidence" }).fill("no evidence");
  await window.page.getByRole("button", { name: "Verify" }).click();
  await t.eventually("what is none is said to be none", () =>
    window.page.getByRole("alert").isVisible(),
  );
});
