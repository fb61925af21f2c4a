// A page of a test: everything that goes wrong in it is noted.
import { writeFileSync } from "node:fs";

const OPEN_MS = 15_000;
export const WITHIN_MS = 10_000;

export class Window {
  /** Opens the dashboard of a host in a new window, with the link of a role or with none. */
  static async open(browser, host, { role = "operator", route = "/", token, ...options } = {}) {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      ...options,
    });
    context.setDefaultTimeout(WITHIN_MS);
    const made = new Window(context, await context.newPage(), host);
    await made.watch();
    if (options.before !== undefined) await options.before(made.page);
    const link = token === undefined ? host.links[role] : `${host.links.url}#token=${token}`;
    await made.page.goto(role === null ? `${host.links.url}#${route}` : `${link}${route}`);
    return made;
  }

  constructor(context, page, host) {
    Object.assign(this, { context, page, host, problems: [], expected: [] });
  }

  async watch() {
    const { page, problems } = this;
    const origin = new URL(this.host.links.url).origin;
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => problems.push(`error: ${error.stack ?? error}`));
    page.on("request", (request) => {
      const { protocol, origin: of } = new URL(request.url());
      if (protocol !== "data:" && protocol !== "blob:" && of !== origin) {
        problems.push(`request to another: ${request.url()}`);
      }
    });
    page.on("dialog", (dialog) => {
      problems.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.addInitScript(() => {
      window.violations = [];
      document.addEventListener("securitypolicyviolation", (event) => {
        window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
      });
    });
  }

  /** A problem of this kind is part of the test. */
  expect(pattern) {
    this.expected.push(pattern);
  }

  async live() {
    await this.page
      .getByRole("status")
      .filter({ hasText: /^\s*\S?\s*live$/ })
      .first()
      .waitFor();
  }

  /** Goes to another view as a link in it would. */
  async go(route) {
    await this.page.evaluate((hash) => {
      location.hash = hash;
    }, `#${route}`);
  }

  /** Opens it from nothing, with the token that the tab has. */
  async open(route) {
    await this.page.goto(`${this.host.links.url}#${route}`);
    await this.page.reload();
  }

  text() {
    return this.page.locator("main").innerText();
  }

  async wrong() {
    const violations = await this.page.evaluate(() => window.violations ?? []).catch(() => []);
    return [...this.problems, ...violations.map((one) => `policy: ${one}`)].filter(
      (problem) => !this.expected.some((pattern) => pattern.test(problem)),
    );
  }

  /** How far the page can be scrolled sideways. */
  sideways() {
    return this.page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
  }

  async picture(path, options = {}) {
    writeFileSync(path, await this.page.screenshot({ timeout: OPEN_MS, ...options }));
  }

  close() {
    return this.context.close();
  }
}
