// What the walks share: the browser, somebody who claims a node, and a look at what a page shows.
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

import { chromium } from "playwright-core";

/** The page's policy forbids code from texts; the browser's debugger, through which this comes, is not bound by it. */
export const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const ADMIN = { name: "Robin", password: "three calm meerkats" };

const CHROMIUM_ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: CHROMIUM_ARGS });
}

/** Fills in who claims the node or signs in, on the page that is open. */
export async function introduce(page) {
  await page.locator("input[name=name]").fill(ADMIN.name);
  await page.locator("input[name=password]").fill(ADMIN.password);
}

/** Becomes the first admin of a node, by its link. */
export async function claim(page, base, token) {
  await page.goto(`${base}/#claim=${encodeURIComponent(token)}`);
  await introduce(page);
  await page.locator("button[type=submit]").click();
  await page.getByRole("heading", { level: 1, name: "Home" }).waitFor();
  await page.evaluate(AXE);
}

/** Until nothing on the page moves: colours that are on their way from one theme to the other belong to neither. */
export async function still(page) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));
}

/** What a walk saw, and what was wrong with it. */
export class Looks {
  constructor(outDir) {
    this.outDir = outDir;
    this.report = { looks: [], failures: [] };
  }

  fail(words) {
    this.report.failures.push(words);
  }

  /** Looks at a page on a phone in the dark and on a desk in the light, and keeps pictures. */
  async look(page, name, { wholePhone = false } = {}) {
    for (const [width, theme] of [
      [320, "dark"],
      [1280, "light"],
    ]) {
      await page.setViewportSize({ width, height: width < 600 ? 740 : 860 });
      await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
      await still(page);
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
      const file = path.join(this.outDir, `${name}-${theme}-${width}.png`);
      await page.screenshot({ path: file, fullPage: wholePhone || width > 600 });
      this.report.looks.push({ name, theme, width, ...found });
      const at = `${name} (${theme}, ${width} px)`;
      for (const words of found.violations) this.fail(`${at}: axe ${words}`);
      if (found.overflow_px > 0) this.fail(`${at}: ${found.overflow_px} px wider than the screen: ${found.widest}`);
    }
  }

  /** Walks in a browser, writes down what was seen, and ends with 0 if nothing is wrong. */
  async walk(steps) {
    await mkdir(this.outDir, { recursive: true });
    const browser = await launch();
    try {
      await steps(browser);
    } catch (error) {
      this.fail(`the walk stopped: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await browser.close();
    }
    await writeFile(path.join(this.outDir, "report.json"), JSON.stringify(this.report, null, 2));
    process.exit(this.report.failures.length === 0 ? 0 : 1);
  }
}
