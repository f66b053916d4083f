import { describe, expect, it } from "vitest";

import { address, parse, placeOf, type Route } from "./route";

describe("addresses", () => {
  const pages: readonly Exclude<Route, { page: "missing" | "claim" }>[] = [
    { page: "home" },
    { page: "calls" },
    { page: "lists" },
    { page: "imports" },
    { page: "number", number: "+4930901820" },
    { page: "number", number: "030 / 90-18#20?%&" },
    { page: "messages", home: null },
    { page: "messages", home: "abcdefgh" },
    { page: "mesh" },
    { page: "graph" },
    { page: "household" },
    { page: "system", tab: "node" },
    { page: "system", tab: "settings" },
    { page: "system", tab: "config" },
    { page: "system", tab: "keys" },
  ];

  it("read back to the page they were made for", () => {
    for (const page of pages) expect(parse(address(page))).toEqual(page);
  });

  it("of numbers are readable", () => {
    expect(address({ page: "number", number: "+4930901820" })).toBe("#/number/+4930901820");
  });

  it("begin at home", () => {
    for (const hash of ["", "#", "#/"]) expect(parse(hash)).toEqual({ page: "home" });
  });

  it("carry the claim's token, whatever is in it", () => {
    expect(parse("#claim=abc%2Fdef")).toEqual({ page: "claim", token: "abc/def" });
    expect(parse("#claim=a%")).toEqual({ page: "claim", token: "a%" });
  });

  it("belong to a place in the navigation", () => {
    const places = ["lists", "imports", "number", "graph", "messages"] as const;
    expect(places.map(placeOf)).toEqual(["calls", "calls", "calls", "mesh", "messages"]);
  });

  it("that lead nowhere say so", () => {
    for (const hash of [
      "#/nowhere",
      "#/number",
      "#/calls/lists/x",
      "#/calls/x",
      "#/system/x",
      "#/messages/a/b",
      "#/mesh/x",
      "#//x",
    ]) {
      expect(parse(hash).page, hash).toBe("missing");
    }
  });
});
