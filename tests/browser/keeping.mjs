// What an admin finds under System about the key of the data, backups and the audit log, tried on a running node that has
// another one in its household.
//
//   node keeping.mjs BASE_URL CLAIM_TOKEN OUT_DIR BACKUP_FOLDER
//
// Keeps the key under a pass-phrase, then with the other node; replaces it; makes a backup and plans others; looks for who
// did what and checks the log. Reports as JSON; the exit code is 0 if nothing is wrong.
import { readFileSync } from "node:fs";
import path from "node:path";

import { Looks, claim } from "./looks.mjs";

const [base, token, outDir, folder] = process.argv.slice(2);
if (!base || !token || !outDir || !folder) {
  process.stderr.write("usage: node keeping.mjs BASE_URL CLAIM_TOKEN OUT_DIR BACKUP_FOLDER\n");
  process.exit(64);
}
const WORDS = "seven storks over the mill";

const looks = new Looks(outDir);
const fail = (words) => looks.fail(words);

async function open(page, hash) {
  await page.evaluate((to) => (location.hash = to), hash);
  await page.waitForFunction(() => document.querySelector(".skeleton") === null);
}

async function key(page) {
  await open(page, "#/system/data");
  await page.getByText("This is no protection from theft").waitFor();
  await looks.look(page, "data");
  await page.getByRole("button", { name: "Keep it otherwise" }).click();
  await page.locator(".choice-option", { hasText: "A pass-phrase" }).click();
  await page.getByLabel("Pass-phrase", { exact: true }).fill(WORDS);
  await page.getByLabel("The same again").fill("seven storks");
  await page.getByText("The two are not the same.").waitFor();
  await looks.look(page, "data-mode");
  await page.getByLabel("The same again").fill(WORDS);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("cannot read it without the pass-phrase").waitFor();
  // By keyboard alone, with the other node.
  await page.getByRole("button", { name: "Keep it otherwise" }).focus();
  await page.keyboard.press("Enter");
  await page.locator("dialog input[type=radio]:checked").focus();
  await page.keyboard.press("ArrowRight");
  await page.getByRole("button", { name: "Save", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("Given out by").waitFor();
  await looks.look(page, "data-member");
  await page.getByRole("button", { name: "Replace the key" }).click();
  await page.locator("dialog").getByRole("button", { name: "Replace the key" }).click();
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.waitForFunction(() => document.querySelector("progress") === null);
}

async function backups(page) {
  await page.getByText("No backup is made by itself").waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Make one now" }).click();
  await page.getByLabel("Pass-phrase", { exact: true }).fill(WORDS);
  await page.locator("dialog").getByRole("button", { name: "Make one now" }).click();
  const file = await (await download).path();
  if (!readFileSync(file).subarray(0, 21).equals(Buffer.from("age-encryption.org/v1"))) fail("the file is no backup");
  await page.getByRole("button", { name: "Plan them" }).click();
  await page.getByLabel("Folder on this node").fill("/nowhere/at/all");
  await page.getByLabel("Pass-phrase", { exact: true }).fill(WORDS);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("is not there").waitFor();
  await looks.look(page, "backup-plan");
  await page.getByLabel("Folder on this node").fill(folder);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("button", { name: "Make it now" }).click();
  await page.getByText("was read back whole").waitFor();
  await page.getByText("None yet").waitFor({ state: "detached" });
  await looks.look(page, "backup-planned");
  await page.getByRole("button", { name: "Restore one" }).click();
  await page.locator("input[type=file]").setInputFiles(file);
  await page.getByLabel("Pass-phrase", { exact: true }).fill("another pass-phrase");
  await looks.look(page, "backup-restore");
  await page.getByRole("button", { name: "Restore it" }).click();
  await page.getByText("This is not the pass-phrase of the backup").waitFor();
  await page.locator("dialog").getByRole("button", { name: "Cancel" }).click();
}

async function audit(page) {
  await open(page, "#/system/audit");
  await page.getByRole("cell", { name: "backup.planned" }).waitFor();
  await page.getByRole("cell", { name: "key.rotation", exact: true }).waitFor();
  await looks.look(page, "audit");
  await page.getByLabel("What begins with").fill("key.set");
  await page.waitForFunction(() => {
    const cells = [...document.querySelectorAll("table.audit code")].map((cell) => cell.textContent);
    return cells.length === 2 && cells.every((text) => text === "key.set");
  });
  await page.getByLabel("By whom").fill("nobody at all");
  await page.getByText("No line fits").waitFor();
  await page.getByRole("button", { name: "Check the log" }).click();
  await page.getByText("Every line is as it was written.").waitFor();
  await looks.look(page, "audit-checked");
}

await looks.walk(async (browser) => {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => fail(`page: ${error.message}`));
  page.on("console", (message) => {
    // A refusal that is tried on purpose is an error to the browser.
    if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) fail(`console: ${message.text()}`);
  });
  try {
    await claim(page, base, token);
    for (const step of [key, backups, audit]) await step(page);
  } catch (error) {
    await page.screenshot({ path: path.join(outDir, "stopped.png") });
    throw error;
  }
});
