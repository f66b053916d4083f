import { describe, expect, it } from "vitest";

import { brief, day, duration, pickLocale, region, share, when } from "./format";

const NOW = Date.UTC(2026, 10, 21, 14, 0, 0) / 1000;
const at = (unixS: number): string => when(unixS, NOW, "en-GB", "UTC");

describe("times as people read them", () => {
  it("are near when near", () => {
    expect(at(NOW - 3)).toBe("just now");
    expect(at(NOW + 2)).toBe("just now");
    expect(at(NOW - 61)).toBe("1 minute ago");
    expect(at(NOW - 59 * 60)).toBe("59 minutes ago");
    expect(at(NOW - 2 * 3600)).toBe("Today, 12:00");
  });

  it("turn at midnight, not after 24 hours", () => {
    expect(at(NOW - 15 * 3600)).toBe("Yesterday, 23:00");
    expect(at(NOW - 39 * 3600)).toBe("19 Nov, 23:00");
    expect(at(NOW - 400 * 86_400)).toBe("17 Oct 2025");
  });

  it("from a clock that was ahead are shown whole", () => {
    expect(at(NOW + 86_400 * 3)).toBe("24 Nov 2026");
  });

  it("name days without moving them between zones", () => {
    expect(day("2026-11-21", "en-GB")).toBe("21 Nov 2026");
    expect(day("not a day", "en-GB")).toBe("not a day");
  });
});

describe("figures", () => {
  it("of time have a unit", () => {
    const words = [800, 9_940, 12_000, 61_000, 7_500_000, 7_200_000, 400_000_000].map(duration);
    expect(words.map((w) => w.replaceAll("\u00a0", " "))).toEqual([
      "0.8 s",
      "9.9 s",
      "12 s",
      "1 min",
      "2 h 5 min",
      "2 h",
      "4 days",
    ]);
  });

  it("of 100 have two decimals at most", () => {
    expect([0, 7, 43.85, 43.854, 100].map(share)).toEqual(["0", "7", "43.85", "43.85", "100"]);
  });
});

describe("names", () => {
  it("of long ids are cut in the middle", () => {
    expect(brief("short")).toBe("short");
    expect(brief("q7k2m5xg2ya7qdzmb3hvvt2m4w")).toBe("q7k2m5xg2y…vt2m4w");
  });

  it("of countries are words, and unknown codes stay", () => {
    expect(region("DE", "en-GB")).toBe("Germany");
    expect(region("??", "en-GB")).toBe("??");
  });

  it("of the locale follow the browser as long as it is English", () => {
    expect(pickLocale(["de-DE", "en-US"])).toBe("en-US");
    expect(pickLocale(["de-DE"])).toBe("en-GB");
  });
});
