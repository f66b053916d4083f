// Two people become neighbours on the pages of their nodes, as they would: by an invite, and by four words.
//
//   node meet.mjs OUT_DIR HOST_URL HOST_TOKEN GUEST_URL GUEST_TOKEN NEAR_URL NEAR_TOKEN
//
// The host makes an invite, the guest pastes it, and the host's page says by itself who joined; both show the same four
// words. Then host and the node nearby meet by words alone. Reports as JSON; the exit code is 0 if nothing is wrong.
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

import { chromium } from "playwright-core";

const [outDir, ...nodes] = process.argv.slice(2);
if (nodes.length !== 6) {
  process.stderr.write("usage: node meet.mjs OUT_DIR HOST_URL HOST_TOKEN GUEST_URL GUEST_TOKEN NEAR_URL NEAR_TOKEN\n");
  process.exit(64);
}
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

const report = { looks: [], failures: [], errors: [] };
const fail = (words) => report.failures.push(words);

async function look(page, name) {
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
}

/** A person at the page of their own node, on the page about neighbours. */
async function person(browser, url, token) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => report.errors.push(`page: ${error.message}`));
  await page.goto(`${url}/#claim=${encodeURIComponent(token)}`);
  await page.locator("input[name=name]").fill("Robin");
  await page.locator("input[name=password]").fill("three calm meerkats");
  await page.locator("button[type=submit]").click();
  await page.getByRole("heading", { level: 1, name: "Home" }).waitFor();
  await page.evaluate(AXE);
  await page.evaluate(() => (location.hash = "#/mesh"));
  await page.getByRole("heading", { name: "Invite a neighbour" }).waitFor();
  await page.waitForFunction(() => document.querySelector(".skeleton") === null);
  return page;
}

const wordsOn = async (scope) => (await scope.locator(".four-words-text").first().textContent())?.trim();

async function byInvite(host, guest) {
  await host.getByLabel("Who is it for?").fill("Anna");
  await host.getByRole("button", { name: "Make an invite" }).click();
  const invite = host.getByRole("region", { name: "Invite for Anna" });
  const text = await invite.getByLabel("The invite as text").inputValue();
  if (!text.startsWith("meerkat:")) fail(`an invite begins otherwise: ${text.slice(0, 20)}`);
  await look(host, "invite");
  // What was copied badly is told at the field, and nobody is called.
  await guest.getByLabel("The invite", { exact: true }).fill(text.slice(0, -9));
  await guest.getByRole("button", { name: "Join" }).click();
  await guest.getByRole("alert").getByText("not copied whole").waitFor();
  await guest.getByLabel("The invite", { exact: true }).fill(text);
  await guest.getByLabel("What you call them").first().fill("Ben");
  await guest.getByRole("button", { name: "Join" }).click();
  await guest.getByText("You are neighbours").waitFor();
  const joined = host.getByRole("status").filter({ hasText: "Anna joined" });
  await joined.waitFor();
  const guestWords = await wordsOn(guest.getByRole("status", { name: "How far it is" }));
  const hostWords = await wordsOn(joined);
  if (!guestWords || guestWords !== hostWords) fail(`other words: ${guestWords} and ${hostWords}`);
  for (const [page, name] of [
    [host, "Anna"],
    [guest, "Ben"],
  ]) {
    await page.getByRole("row").filter({ hasText: name }).getByText("There").waitFor();
  }
  await look(host, "joined");
  await look(guest, "guest");
  // What was read can be put away; the neighbours stay.
  for (const told of [joined, guest.getByRole("status", { name: "How far it is" })]) {
    await told.getByRole("button", { name: "Dismiss" }).click();
    await told.waitFor({ state: "detached" });
  }
  await host.getByRole("row").filter({ hasText: "Anna" }).first().waitFor();
}

async function byWords(host, near) {
  await host.getByRole("listitem").filter({ hasText: "A node nearby" }).getByRole("button").click();
  const meetings = [host, near].map((page) => page.getByRole("status", { name: "Meeting" }));
  for (const meeting of meetings) await meeting.getByRole("button", { name: "They are the same" }).waitFor();
  const [one, other] = await Promise.all(meetings.map(wordsOn));
  if (!one || one !== other) fail(`other words: ${one} and ${other}`);
  await look(near, "meeting");
  await meetings[0].getByLabel("What you call them").fill("Cleo");
  await meetings[0].getByRole("button", { name: "They are the same" }).click();
  await meetings[0].getByText("Waiting for your neighbour").waitFor();
  await meetings[1].getByRole("button", { name: "They are the same" }).click();
  for (const page of [host, near]) await page.getByText("You are neighbours").first().waitFor();
  await host.getByRole("row").filter({ hasText: "Cleo" }).getByText("There").waitFor();
}

await mkdir(outDir, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
});
try {
  const [host, guest, near] = await Promise.all([0, 2, 4].map((n) => person(browser, nodes[n], nodes[n + 1])));
  await byInvite(host, guest);
  await byWords(host, near);
} catch (error) {
  fail(`${error.name}: ${error.message}`);
} finally {
  await browser.close();
}
for (const words of report.errors) fail(words);
await writeFile(path.join(outDir, "report.json"), JSON.stringify(report, null, 2));
process.exit(report.failures.length === 0 ? 0 : 1);
