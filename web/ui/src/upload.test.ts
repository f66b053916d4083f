import { afterEach, describe, expect, it, vi } from "vitest";

import { importFile, leftMs, listName, pieceBytes } from "./upload";

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

describe("an import", () => {
  const wanted = { name: "list", region: "DE", replace: false };
  const file = new Blob(["x".repeat(70_000)]);
  /** A node that refuses what `refused` names; what it was asked is told as `VERB path`. */
  function node(refused = "", act: (what: string) => void = () => undefined): string[] {
    const asked: string[] = [];
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
      const what = `${init.method} ${url.replace("/api/v1/imports/uploads", "")}`;
      asked.push(what);
      act(what);
      const json = what === refused ? { code: "busy" } : { upload: 7, piece_bytes: 1 << 20, bytes: 1, rows: 1, bad: 0 };
      return Promise.resolve(Response.json(json, { status: what === refused ? 503 : 200 }));
    });
    return asked;
  }
  afterEach(() => vi.unstubAllGlobals());

  it("cannot be given up while it is saved", async () => {
    const asked = node();
    const told: boolean[] = [];
    await importFile(file, wanted, ({ finishing }) => told.push(finishing), new AbortController().signal);
    expect(asked).toEqual(["POST ", "PUT /7/0", "PUT /7/65536", "POST /7/finish"]);
    expect(told).toEqual([false, false, false, true]);
  });

  it("makes room whatever went wrong", async () => {
    for (const refused of ["PUT /7/0", "POST /7/finish"]) {
      const asked = node(refused);
      await expect(importFile(file, wanted, () => undefined, new AbortController().signal)).rejects.toThrow();
      expect(asked.at(-1)).toBe("DELETE /7");
    }
  });

  it("is not finished once it is given up", async () => {
    for (const when of ["POST ", "PUT /7/65536"]) {
      const giveUp = new AbortController();
      const asked = node("", (what) => what === when && giveUp.abort());
      await expect(importFile(file, wanted, () => undefined, giveUp.signal)).rejects.toThrow();
      expect(asked.slice(-2)).toEqual([when, "DELETE /7"]);
    }
  });
});
