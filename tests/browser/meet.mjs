// Two people become neighbours on the pages of their nodes, as they would: by an invite, and by four words.
//
//   node meet.mjs OUT_DIR HOST_URL HOST_TOKEN GUEST_URL GUEST_TOKEN NEAR_URL NEAR_TOKEN
//
// The host makes an invite, the guest pastes it, and the host's page says by itself who joined; both show the same four
// words. Then host and the node nearby meet by words alone. Reports as JSON; the exit code is 0 if nothing is wrong.
import { Looks, claim } from "./looks.mjs";

const [outDir, ...nodes] = process.argv.slice(2);
if (nodes.length !== 6) {
  process.stderr.write("usage: node meet.mjs OUT_DIR HOST_URL HOST_TOKEN GUEST_URL GUEST_TOKEN NEAR_URL NEAR_TOKEN\n");
  process.exit(64);
}

const looks = new Looks(outDir);
const fail = (words) => looks.fail(words);
const look = (page, name) => looks.look(page, name, { wholePhone: true });

/** A person at the page of their own node, on the page about neighbours. */
async function person(browser, url, token) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => fail(`page: ${error.message}`));
  await claim(page, url, token);
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

await looks.walk(async (browser) => {
  const [host, guest, near] = await Promise.all([0, 2, 4].map((n) => person(browser, nodes[n], nodes[n + 1])));
  await byInvite(host, guest);
  await byWords(host, near);
});
