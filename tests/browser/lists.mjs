// Imports a list on the page of a running node as a person would, and looks at what follows from it.
//
//   node lists.mjs BASE_URL CLAIM_TOKEN OUT_DIR REPORTED_NUMBER
//
// Imports a file with bad rows, watches the bar, reads the bad lines, meets the list on a number's page, lets a reported
// number ring and tells the neighbours, hands a number's record out and erases it, and undoes the import. Reports as JSON;
// the exit code is 0 if nothing is wrong.
import { readFileSync } from "node:fs";
import path from "node:path";

import { Looks, claim } from "./looks.mjs";

const [base, token, outDir, reported] = process.argv.slice(2);
if (!base || !token || !outDir || !reported) {
  process.stderr.write("usage: node lists.mjs BASE_URL CLAIM_TOKEN OUT_DIR REPORTED_NUMBER\n");
  process.exit(64);
}
const ROWS = 60_000;
const LISTED = "+4930555001";

const looks = new Looks(outDir);
const progress = (looks.report.progress = []);
const fail = (words) => looks.fail(words);

/** A blocklist with a bad row in each thousand. */
function list() {
  const rows = ["phone;rating;votes"];
  for (let n = 0; n < ROWS; n += 1) {
    const bad = n % 1000 === 999;
    rows.push(bad ? `nobody;G_FRAUD;1` : `+49305${String(55_000 + n).padStart(6, "0").slice(-6)};G_FRAUD;${1 + (n % 40)}`);
  }
  rows.push(`${LISTED};G_FRAUD;12`);
  return Buffer.from(rows.join("\n"));
}

async function open(page, hash) {
  await page.evaluate((to) => (location.hash = to), hash);
  await page.waitForFunction(() => document.querySelector(".skeleton") === null);
}

async function bring(page) {
  await open(page, "#/calls/imports");
  await page.getByText("No list is imported").waitFor();
  // Every state of the bar, as it is drawn.
  await page.exposeFunction("progressSeen", (text) => progress.push(text));
  await page.evaluate(() => {
    new MutationObserver(() => {
      const bar = document.querySelector("progress");
      if (bar !== null) void window.progressSeen(bar.closest(".form").innerText.replaceAll("\n", " "));
    }).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true });
  });
  await page.locator("input[type=file]").setInputFiles({ name: "street list.csv", mimeType: "text/csv", buffer: list() });
  if ((await page.getByLabel("Name", { exact: true }).inputValue()) !== "street list") fail("the file names the list");
  await page.getByRole("button", { name: "Import", exact: true }).click();
  await page.locator("progress").waitFor();
  await page.screenshot({ path: path.join(outDir, "import-progress.png") });
  await page.getByText("numbers imported as street list").waitFor({ timeout: 120_000 });
  const percents = progress.map((text) => Number(/(\d+) %/.exec(text)?.[1] ?? -1));
  if (new Set(percents).size < 5) fail(`the bar hardly moves: ${percents}`);
  if (!progress.some((text) => /rows with a number.* left out.* left/.test(text))) fail("rows and time left are told");
  await page.locator(".import-result summary").click();
  await page.getByText("This is not a telephone number that can exist.").first().waitFor();
  await page.getByRole("cell", { name: "1,001", exact: true }).or(page.getByRole("cell", { name: "1.001", exact: true })).waitFor();
  await looks.look(page, "import-result");
}

async function meet(page) {
  await open(page, `#/number/${LISTED}`);
  await page.getByText("On the imported list “street list” as a scam").waitFor();
  await looks.look(page, "import-number");
}

async function tell(page) {
  await open(page, `#/number/${reported}`);
  await page.locator(".assessment-block").waitFor();
  await page.locator(".choice-option.tone-allow", { hasText: "Allow" }).click();
  await page.locator(".assessment-allow").waitFor();
  const offer = page.getByRole("button", { name: "Tell the neighbours it is legitimate" });
  await offer.waitFor();
  await looks.look(page, "tell-legitimate");
  await offer.click();
  await page.getByText("You reported it as legitimate").waitFor();
  await offer.waitFor({ state: "detached" });
}

async function handOutAndErase(page) {
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save as a file" }).click();
  const file = await (await download).path();
  const record = JSON.parse(readFileSync(file, "utf8"));
  if (record.known.number !== reported || record.known.own_report.category !== "legit") fail("the record is not of this number");
  await page.getByRole("button", { name: "Erase", exact: true }).click();
  await looks.look(page, "erase-confirm");
  await page.locator("dialog").getByRole("button", { name: "Erase", exact: true }).click();
  await page.getByRole("heading", { name: "What stays" }).waitFor();
  await looks.look(page, "erased");
  await page.locator("dialog").getByRole("button", { name: "Close" }).last().click();
  await page.locator(".assessment-block").waitFor();
}

async function undo(page) {
  await open(page, "#/calls/imports");
  await page.getByRole("button", { name: "Undo the import of street list" }).click();
  await page.locator("dialog").getByRole("button", { name: "Undo the import" }).click();
  await page.getByText("No list is imported").waitFor();
}

await looks.walk(async (browser) => {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(15_000);
  page.on("pageerror", (error) => fail(`page: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") fail(`console: ${message.text()}`);
  });
  try {
    await claim(page, base, token);
    for (const step of [bring, meet, tell, handOutAndErase, undo]) await step(page);
  } catch (error) {
    await page.screenshot({ path: path.join(outDir, "stopped.png") });
    throw error;
  }
});
