import { describe, expect, it } from "vitest";

import { en } from "./messages/en";
import { t, tn } from "./words";

const keys = Object.keys(en);

/** The source files of the page, without tests and messages. */
const sources = Object.entries(
  import.meta.glob<string>("./**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true }),
)
  .filter(([file]) => !/\.(test|d)\.ts$|\/messages\//.test(file))
  .map(([, text]) => text);

describe("texts", () => {
  it("get their values", () => {
    expect(t("call.risk_short", { n: "43.85" })).toBe("Risk 43.85");
    expect(t("call.risk_short")).toBe("Risk {n}");
  });

  it("follow the number", () => {
    expect(tn("home.neighbours", 1)).toBe("1 neighbour vouched for");
    expect(tn("home.neighbours", 0)).toBe("0 neighbours vouched for");
    expect(tn("home.statements", 1284)).toBe("1,284 signed reports known");
  });

  it("have both plural forms with the same values", () => {
    const values = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();
    const all = en as Record<string, string>;
    for (const key of keys.filter((k) => k.endsWith(".one"))) {
      const other = key.replace(/\.one$/, ".other");
      expect(keys, other).toContain(other);
      expect(values(all[key] ?? ""), key).toEqual(values(all[other] ?? ""));
    }
  });

  it("are all used", () => {
    const code = sources.join("\n");
    const used = (key: string): boolean => {
      const stem = key.replace(/\.(one|other)$/, "");
      if (code.includes(`"${stem}"`)) return true;
      // Keys with a word put in: t(`verdict.${verdict}`), t(`standing.${value}.do`).
      const parts = stem.split(".");
      return parts.some((_, at) => {
        if (at === 0) return false;
        const before = parts.slice(0, at).join(".");
        const after = parts
          .slice(at + 1)
          .map((part) => `.${part}`)
          .join("");
        return new RegExp(`\`${before.replaceAll(".", "\\.")}\\.\\$\\{[^}]+\\}${after.replaceAll(".", "\\.")}\``).test(
          code,
        );
      });
    };
    expect(keys.filter((key) => !used(key))).toEqual([]);
  });
});
