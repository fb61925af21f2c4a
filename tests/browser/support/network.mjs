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
/** Waits for it: a second click too soon would open it. */
export const comesToBeChosen = (window, name) =>
  chosenAs(window, name)
    .waitFor({ timeout: TRY_MS })
    .then(
      () => true,
      () => false,
    );
export const isChosen = (window, name) => chosenAs(window, name).isVisible();
