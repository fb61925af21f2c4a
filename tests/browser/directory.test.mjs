// The directory: what a query finds, why it does not find the rest, and what of it is signed.
import { LIVE_MS, test } from "./support/tests.mjs";

const rows = (window) => window.page.getByLabel("Offers that were found").locator("tbody tr");

test("directory: a query finds what the host finds, and each offer is proved", async (t) => {
  const query = "service=telemetry.load";
  const window = await t.open(t.north, { route: `/directory?q=${encodeURIComponent(query)}` });
  const offers = await t.north.call("find", { query });
  await t.eventually("as many", async () => (await rows(window).count()) === offers.length);
  const [row] = await rows(window).allInnerTexts();
  t.that(
    row.includes("harbour") && row.includes(String(offers[0].price)),
    "who, for how much",
    row,
  );
  await t.eventually("what is said of it is what was signed", () =>
    rows(window).first().getByText("proved").isVisible(),
  );
});

test("directory: near misses say what they lack, and mistakes where they are", async (t) => {
  const window = await t.open(t.north, { route: "/directory" });
  const field = window.page.getByRole("searchbox", { name: "Query" });
  await field.fill("service=telemetry.load price<1");
  await field.press("Enter");
  await t.shows(window, "No offer meets all conditions");
  await t.shows(window, "price<1");
  await t.eventually("what was found instead", async () =>
    (await window.page.locator(".directory-misses").first().innerText()).includes("9"),
  );
  t.that(
    decodeURIComponent(window.page.url()).includes("price<1"),
    "the address has it",
    window.page.url(),
  );
  await field.fill("price<");
  await field.press("Enter");
  await t.within(LIVE_MS, "a mistake is told with its place", async () =>
    /column 7/.test(await window.page.getByRole("alert").innerText()),
  );
});
