// Parts of the network view.
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
  await field.press("Enter");
  await chosen(window).getByRole("heading", { name }).waitFor();
}

export const chosen = (window) => window.page.getByLabel("What is chosen");
