// Two fresh nodes become one household on their pages, as a person with both before them would do it.
//
//   node household.mjs OUT_DIR HOST_URL HOST_TOKEN GUEST_URL GUEST_TOKEN
//
// Counts every click and the seconds from the first page to both nodes in step. Nothing is typed but names and the
// password of the claim; the invite is copied and pasted. Reports as JSON; the exit code is 0 if nothing is wrong.
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

import { chromium } from "playwright-core";

const [outDir, ...nodes] = process.argv.slice(2);
if (nodes.length !== 4) {
  process.stderr.write("usage: node household.mjs OUT_DIR HOST_URL HOST_TOKEN GUEST_URL GUEST_TOKEN\n");
  process.exit(64);
}
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

const report = { looks: [], failures: [], errors: [], clicks: 0, seconds: 0 };
const fail = (words) => report.failures.push(words);
/** Looking at pictures is not what a person does. */
let lookedMs = 0;

const click = async (locator) => {
  report.clicks += 1;
  await locator.click();
};

async function look(page, name) {
  const began = Date.now();
  for (const [width, theme] of [
    [320, "dark"],
    [1280, "light"],
  ]) {
    await page.setViewportSize({ width, height: width < 600 ? 740 : 860 });
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));
    const found = await page.evaluate(async (tags) => {
      const result = await window.axe.run(document, { runOnly: tags, resultTypes: ["violations"] });
      return {
        violations: result.violations.map(
          (v) => `${v.id}: ${v.nodes[0]?.target.join(" ")}: ${v.nodes[0]?.failureSummary}`,
        ),
        overflow_px: document.documentElement.scrollWidth - innerWidth,
        widest: [...document.querySelectorAll("main *")]
          .filter((element) => element.getBoundingClientRect().right > innerWidth)
          .map((element) => `${element.tagName}.${element.className}`)
          .slice(0, 3),
      };
    }, AXE_TAGS);
    await page.screenshot({ path: path.join(outDir, `${name}-${theme}-${width}.png`), fullPage: true });
    report.looks.push({ name, theme, width, ...found });
    for (const words of found.violations) fail(`${name} (${theme}, ${width} px): axe ${words}`);
    if (found.overflow_px > 0)
      fail(`${name} (${theme}, ${width} px): ${found.overflow_px} px wider than the screen: ${found.widest}`);
  }
  await page.setViewportSize({ width: 1280, height: 860 });
  lookedMs += Date.now() - began;
}

/** The same person everywhere, who claims a node or signs in. */
async function signIn(page) {
  await page.locator("input[name=name]").fill("Robin");
  await page.locator("input[name=password]").fill("three calm meerkats");
  await click(page.locator("button[type=submit]"));
}

/** A person at the page of a fresh node, on the page about the household. */
async function person(browser, url, token) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => report.errors.push(`page: ${error.message}`));
  await page.goto(`${url}/#claim=${encodeURIComponent(token)}`);
  await signIn(page);
  await page.getByRole("heading", { level: 1, name: "Home" }).waitFor();
  await page.evaluate(AXE);
  await click(page.getByRole("navigation").getByRole("link", { name: "Household" }));
  await page.getByRole("heading", { level: 1, name: "Household" }).waitFor();
  await page.getByText("One node so far").waitFor();
  return page;
}

const digitsOn = async (scope) => (await scope.locator(".six-digits").first().textContent())?.trim();

async function enrol(host, guest) {
  await click(host.getByRole("button", { name: "Make an invite" }));
  const text = await host.getByLabel("The invite as text").last().inputValue();
  if (!text.startsWith("meerkat-household-")) fail(`an invite begins otherwise: ${text.slice(0, 24)}`);
  await click(host.getByRole("button", { name: "Copy" }));
  await look(host, "invite");
  await guest.getByLabel("The invite of the other node").fill(text);
  await guest.getByLabel("What this node is called there").fill("garage");
  await click(guest.getByRole("button", { name: "Join", exact: true }));
  const asked = guest.getByRole("status", { name: "How far it is" });
  const wanted = host.getByRole("status", { name: "garage wants in" });
  await asked.locator(".six-digits").waitFor();
  await wanted.locator(".six-digits").waitFor();
  const [one, other] = [await digitsOn(asked), await digitsOn(wanted)];
  if (!one || one !== other) fail(`other digits: ${one} and ${other}`);
  await look(host, "compare-host");
  await look(guest, "compare-guest");
  await click(wanted.getByRole("button", { name: "The same on both" }));
  await click(asked.getByRole("button", { name: "The same on both" }));
  // It has the accounts of the household now.
  await guest.getByRole("heading", { level: 1, name: "Sign in" }).waitFor({ timeout: 60_000 });
  await signIn(guest);
  for (const page of [host, guest]) {
    const other = page.getByRole("row").filter({ hasText: page === host ? "garage" : "Add and remove nodes" });
    await other.getByText("There", { exact: true }).waitFor({ timeout: 60_000 });
  }
}

async function after(host, guest) {
  await host.getByText("New in your household: garage").waitFor();
  await look(host, "members-host");
  await guest.evaluate(AXE);
  await look(guest, "members-guest");
  await host.getByRole("button", { name: "Dismiss" }).click();
  await host.getByRole("button", { name: "Remove garage" }).click();
  const dialog = host.getByRole("dialog");
  await dialog.getByText("What it has, it keeps").waitFor();
  await look(host, "remove");
  await dialog.getByRole("button", { name: "Remove it" }).click();
  await host.getByRole("row").filter({ hasText: "garage" }).getByText("Removed").waitFor();
  await guest.getByText("This node was removed from its household").first().waitFor();
}

await mkdir(outDir, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
});
try {
  const began = Date.now();
  const host = await person(browser, nodes[0], nodes[1]);
  const guest = await person(browser, nodes[2], nodes[3]);
  await enrol(host, guest);
  report.seconds = (Date.now() - began - lookedMs) / 1000;
  await after(host, guest);
} catch (error) {
  fail(`${error.name}: ${error.message}`);
} finally {
  await browser.close();
}
for (const words of report.errors) fail(words);
await writeFile(path.join(outDir, "report.json"), JSON.stringify(report, null, 2));
process.exit(report.failures.length === 0 ? 0 : 1);
