// Walks through the page of a running node as a person would, in a real browser, and reports what it found as JSON.
//
//   node walk.mjs BASE_URL CLAIM_TOKEN OUT_DIR [--number +4930901820]
//
// Claims the first admin, signs out and in, opens every page in both themes and at two widths, runs axe on each,
// watches for errors and for violations of the Content-Security-Policy, walks by keyboard alone, measures the first
// load. The exit code is 0 if nothing is wrong, 1 if something is, 64 if it was called wrongly.
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

import { AXE, AXE_TAGS, introduce, launch, still } from "./looks.mjs";

const [base, token, outDir, ...flags] = process.argv.slice(2);
if (!base || !token || !outDir) {
  process.stderr.write("usage: node walk.mjs BASE_URL CLAIM_TOKEN OUT_DIR [--number +4930901820]\n");
  process.exit(64);
}
const flag = (name, otherwise) => (flags.includes(name) ? flags[flags.indexOf(name) + 1] : otherwise);
const NUMBER = flag("--number", "+4930901820");
const BUDGET = { bytes: 60_000, requests: 8 };
const WIDTHS = [360, 1280];
const THEMES = ["light", "dark"];

// Name, address, beginning of the window's title, and what to open before looking.
const PAGES = [
  { name: "home", hash: "#/", title: "Home" },
  { name: "calls", hash: "#/calls", title: "Calls" },
  { name: "lists", hash: "#/calls/lists", title: "Lists" },
  { name: "lists-add", hash: "#/calls/lists", title: "Lists", open: "main .button-main", opened: "dialog[open]" },
  { name: "imports", hash: "#/calls/imports", title: "Imports" },
  { name: "number", hash: `#/number/${NUMBER}`, title: NUMBER },
  { name: "messages", hash: "#/messages", title: "Messages" },
  { name: "mesh", hash: "#/mesh", title: "Mesh" },
  { name: "graph", hash: "#/mesh/graph", title: "Who vouches for whom" },
  { name: "system", hash: "#/system", title: "System" },
  { name: "settings", hash: "#/system/settings", title: "System" },
  { name: "config", hash: "#/system/config", title: "System" },
  { name: "keys", hash: "#/system/keys", title: "System" },
  { name: "keys-create", hash: "#/system/keys", title: "System", open: "main .button-main", opened: "dialog[open]" },
  { name: "missing", hash: "#/no-such-page", title: "Nothing here" },
];

const report = { base, pages: [], errors: [], failures: [], keyboard: [], first_load: null };
const fail = (words) => report.failures.push(words);

/** Watches a page for anything that must not happen on it. */
async function watched(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (e) =>
      window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`),
    );
  });
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      report.errors.push(`console ${message.type()}: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => report.errors.push(`page: ${error.message}`));
  page.on("response", (response) => {
    if (response.status() >= 400) report.errors.push(`${response.status()} ${response.url()}`);
  });
  return page;
}

/** Until the page named is there with its data. */
async function arrived(page, title) {
  await page.waitForFunction(
    (wanted) =>
      document.title.startsWith(wanted) &&
      document.querySelector("main h1") !== null &&
      document.querySelector(".skeleton") === null,
    title,
  );
  await page.evaluate(() => document.fonts.ready);
}

async function inspect(page, name, theme, width) {
  await still(page);
  const found = await page.evaluate(async (tags) => {
    const result = await window.axe.run(document, { runOnly: tags, resultTypes: ["violations"] });
    return {
      violations: result.violations.map((v) => ({
        id: v.id,
        help: v.help,
        nodes: v.nodes.map((n) => `${n.target.join(" ")}: ${n.failureSummary}`),
      })),
      overflow_px: document.documentElement.scrollWidth - innerWidth,
      csp: window.violations.splice(0),
    };
  }, AXE_TAGS);
  // Of a phone's screen what fits it: the bar at its foot would stand in the middle of a longer picture.
  const fullPage = width >= 600 && !name.includes("-");
  await page.screenshot({ path: path.join(outDir, `${name}-${theme}-${width}.png`), fullPage });
  report.pages.push({ name, theme, width, ...found });
  const at = `${name} (${theme}, ${width} px)`;
  for (const v of found.violations) fail(`${at}: axe ${v.id}: ${v.nodes[0]}`);
  for (const words of found.csp) fail(`${at}: policy violated: ${words}`);
  if (found.overflow_px > 0) fail(`${at}: ${found.overflow_px} px wider than the screen`);
}

async function withAxe(page) {
  await page.evaluate(AXE);
}

async function eachLook(page, name, look) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: width < 600 ? 740 : 860 });
    for (const theme of THEMES) {
      await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
      await look(theme, width);
      await inspect(page, name, theme, width);
    }
  }
}

async function claim(page) {
  await page.goto(`${base}/#claim=${encodeURIComponent(token)}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await withAxe(page);
  await eachLook(page, "claim", async () => {});
  await introduce(page);
  await page.locator("button[type=submit]").click();
  await arrived(page, "Home");
  if (page.url().includes(token)) fail("the claim token is still in the address after it was used");
}

async function signOutAndIn(page) {
  await page.goto(`${base}/#/system`);
  await arrived(page, "System");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.locator("input[name=password]").waitFor();
  await eachLook(page, "signin", async () => {});
  await introduce(page);
  await page.keyboard.press("Enter");
  await arrived(page, "System");
}

async function everyPage(page) {
  for (const { name, hash, title, open, opened } of PAGES) {
    await eachLook(page, name, async () => {
      // By way of another page, so that nothing is left open from the look before.
      await page.evaluate(() => (location.hash = "#/no-page-between"));
      await arrived(page, "Nothing here");
      await page.evaluate((to) => (location.hash = to), hash);
      await arrived(page, title);
      if (open === undefined) return;
      await page.locator(open).first().click();
      await page.locator(opened).waitFor();
    });
    if (open !== undefined) {
      await page.keyboard.press("Escape");
      await page.locator(opened).waitFor({ state: "detached" });
    }
  }
}

/** Presses Tab until the focus is where `wanted` matches, and says how many presses it took. */
async function tabTo(page, wanted, most = 80) {
  for (let presses = 1; presses <= most; presses += 1) {
    await page.keyboard.press("Tab");
    const there = await page.evaluate((selector) => {
      const at = document.activeElement;
      if (!at?.matches(selector)) return null;
      const ring = getComputedStyle(at);
      return { outline: ring.outlineStyle !== "none" && parseFloat(ring.outlineWidth) > 0 };
    }, wanted);
    if (there !== null) {
      if (!there.outline) fail(`keyboard: no focus ring on ${wanted}`);
      return presses;
    }
  }
  throw new Error(`Tab does not reach ${wanted}`);
}

async function keyboardWalk(page) {
  const step = (words, presses) => report.keyboard.push({ words, presses });
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.goto(`${base}/#/`);
  await page.reload();
  await arrived(page, "Home");
  step("skip link", await tabTo(page, ".skip", 1));
  step("Calls in the navigation", await tabTo(page, "nav a[href='#/calls']", 12));
  await page.keyboard.press("Enter");
  await arrived(page, "Calls");
  await page.waitForFunction(() => document.activeElement?.tagName === "H1");
  step("the heading has the focus after a page was opened", 1);
  await page.keyboard.press("/");
  await page.waitForFunction(() => document.activeElement?.matches(".search input"));
  await page.keyboard.type(NUMBER);
  await page.keyboard.press("Enter");
  await arrived(page, NUMBER);
  const spam = ".report-buttons button:first-child";
  step("a report", await tabTo(page, spam));
  await page.keyboard.press("Space");
  await page.locator(`${spam}[aria-pressed=true]`).waitFor();
  await page.locator(".toast-done").first().waitFor();
  await page.keyboard.press("Space");
  await page.locator(`${spam}[aria-pressed=false]`).waitFor();
  step("the report taken back", 1);
  await page.goto(`${base}/#/calls/lists`);
  await arrived(page, "Lists");
  step("the button that adds to the lists", await tabTo(page, "main .button-main"));
  await page.keyboard.press("Enter");
  await page.locator("dialog[open]").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement?.matches("main .button-main"));
  step("Escape closes the dialog and gives the focus back", 1);
}

async function themeSwitch(page) {
  const toggle = page.locator(".top-tools button");
  await toggle.click();
  await page.locator("html[data-theme=light]").waitFor();
  await toggle.click();
  await page.locator("html[data-theme=dark]").waitFor();
  await page.reload();
  await page.locator("html[data-theme=dark]").waitFor();
  await page.locator(".top-tools button").click();
  await page.locator("html:not([data-theme])").waitFor();
}

/** What a first visit costs: every byte on the wire as the browser counts it, and every request. */
async function firstLoad(browser, state) {
  const context = await browser.newContext({ storageState: state });
  const page = await watched(context);
  const cdp = await context.newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Network.setCacheDisabled", { cacheDisabled: true });
  const seen = new Map();
  let bytes = 0;
  cdp.on("Network.requestWillBeSent", ({ requestId, request }) => {
    if (!request.url.startsWith("data:")) seen.set(requestId, new URL(request.url).pathname);
  });
  cdp.on("Network.webSocketCreated", ({ requestId, url }) => seen.set(requestId, new URL(url).pathname));
  cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (seen.has(requestId)) bytes += encodedDataLength;
  });
  await page.goto(`${base}/`);
  await arrived(page, "Home");
  await page.locator(".live-live").waitFor();
  await page.waitForLoadState("networkidle");
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null);
  report.first_load = { bytes, requests: seen.size, first_contentful_paint_ms: paint, paths: [...seen.values()] };
  if (bytes > BUDGET.bytes) fail(`first load: ${bytes} bytes, more than ${BUDGET.bytes}`);
  if (seen.size > BUDGET.requests) fail(`first load: ${seen.size} requests, more than ${BUDGET.requests}`);
  await context.close();
}

async function main() {
  await mkdir(outDir, { recursive: true });
  const browser = await launch();
  try {
    const context = await browser.newContext();
    const page = await watched(context);
    await claim(page);
    await signOutAndIn(page);
    await everyPage(page);
    await keyboardWalk(page);
    await themeSwitch(page);
    await firstLoad(browser, await context.storageState());
  } catch (error) {
    fail(`the walk stopped: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await browser.close();
  }
  for (const words of report.errors) fail(words);
  report.ok = report.failures.length === 0;
  report.axe_violations = report.pages.reduce((n, p) => n + p.violations.length, 0);
  const text = JSON.stringify(report, null, 2);
  await writeFile(path.join(outDir, "report.json"), text);
  process.stdout.write(`${text}\n`);
  process.exit(report.ok ? 0 : 1);
}

await main();
