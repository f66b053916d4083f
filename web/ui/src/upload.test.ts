import { describe, expect, it } from "vitest";

import { leftMs, listName, pieceBytes } from "./upload";

describe("a file", () => {
  it("is cut so that the bar moves and no piece is too large", () => {
    expect(pieceBytes(10, 1 << 20)).toBe(64 * 1024);
    expect(pieceBytes(5_000_000, 1 << 20)).toBe(100_000);
    expect(pieceBytes(250_000_000, 1 << 20)).toBe(1 << 20);
  });

  it("takes as long as it has taken so far", () => {
    expect(leftMs(0, 100, 5)).toBeNull();
    expect(leftMs(25, 100, 1_000)).toBe(3_000);
    expect(leftMs(100, 100, 1_000)).toBe(0);
  });

  it("gives its list a name", () => {
    expect(listName("complaints 2026-11.csv")).toBe("complaints 2026-11");
    expect(listName("list")).toBe("list");
    expect(listName(`${"x".repeat(80)}.csv`)).toHaveLength(60);
  });
});
