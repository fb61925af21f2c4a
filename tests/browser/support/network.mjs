// Parts of the network view.
const TRIES = 5;
const TRY_MS = 1_500;

export const side = (window) => window.page.locator(".net-side");
export const graph = (window) => window.page.getByLabel(/^The network as a graph/);

/** The network is there. */
export const known = (window) =>
  side(window)
    .getByText(/[1-9][\d,]* agents on/)
    .first()
    .waitFor();

/** Looks for an agent by its name. */
export async function findAgent(window, name) {
  await side(window)
    .getByText(/agents on/)
    .first()
    .waitFor();
  const field = window.page.getByLabel("Find agents");
  await field.fill(name);
  // Pressed again where the network has changed while it was typed.
  for (let tries = 0; tries < TRIES && !(await isChosen(window, name)); tries++) {
    await field.press("Enter");
    await chosenAs(window, name)
      .waitFor({ timeout: TRY_MS })
      .catch(() => undefined);
  }
  await chosenAs(window, name).waitFor();
}

export const chosen = (window) => window.page.getByLabel("Selection");
const chosenAs = (window, name) => chosen(window).getByRole("heading", { name, exact: true });
export const isChosen = (window, name) => chosenAs(window, name).isVisible();

/** Chooses with the mouse what was found, and so stands in the middle; it is looked for again where the
 *  network has moved since, and the click met something else. */
export async function clickFound(window, name) {
  const { page } = window;
  for (let tries = 0; tries < TRIES; tries++) {
    await chosen(window).getByRole("button", { name: "Close" }).click();
    const box = await graph(window).boundingBox();
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    const met = await chosenAs(window, name)
      .waitFor({ timeout: TRY_MS })
      .then(
        () => true,
        () => false,
      );
    if (met) return true;
    await window.go("/network");
    await findAgent(window, name);
  }
  return false;
}
