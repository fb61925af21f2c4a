// The models.
import { LIVE_MS, test } from "./support/tests.mjs";

test("models: calls are counted as they are made", async (t) => {
  const window = await t.open(t.north, { route: "/models" });
  await t.shows(window, "market");
  const shown = async () =>
    Number(/([\d,]+) in total/.exec(await window.text())?.[1].replaceAll(",", ""));
  await t.eventually("there are calls", async () => (await shown()) > 0);
  const before = await shown();
  await t.within(LIVE_MS + 2000, "and more of them", async () => (await shown()) > before);
  const [model] = await t.north.call("models");
  t.that(
    (await shown()) <= model.calls && (await shown()) > model.calls - 100,
    "as many as the host has",
    {
      shown: await shown(),
      calls: model.calls,
    },
  );
  await t.shows(window, "ann");
  await window.page.getByText("Inputs, outputs and counters").click();
  const [{ batches }] = await t.north.call("models");
  if (batches.on_loop > 0) await t.shows(window, "of them on the host's loop");
});

test("models: a host without any says how one is had", async (t) => {
  const window = await t.open(t.crowd, { route: "/models" });
  await t.shows(window, "No models on this host");
});
