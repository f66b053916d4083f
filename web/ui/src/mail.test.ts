import { describe, expect, it } from "vitest";

import { NOTHING, withNewest, withOlder, without, type Mail, type Page } from "./mail";
import type { Message } from "./types";

const message = (number: number, state: Message["state"] = "received"): Message => ({
  at: number,
  data: null,
  delivered: null,
  failure: null,
  home: "home",
  id: `m${number}`,
  number,
  state,
  text: `text ${number}`,
  written: number,
});
/** The newest first, as the node gives them. */
const page = (numbers: readonly number[], next: string | null): Page => ({
  items: numbers.map((number) => message(number)),
  next,
  damaged: 0,
});
const numbers = (mail: Mail): number[] => mail.items.map(({ number }) => number);

describe("messages", () => {
  const first = withNewest(NOTHING, page([6, 5, 4], "4"));
  const both = withOlder(first, "4", page([3, 2], "2"));

  it("stay when new ones push them off the newest page", () => {
    expect(numbers(both)).toEqual([2, 3, 4, 5, 6]);
    const later = withNewest(both, page([8, 7, 6], "6"));
    expect(numbers(later)).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(later.next).toBe("2");
    const unread = withNewest(first, page([8, 7, 6], "6"));
    expect(numbers(unread)).toEqual([4, 5, 6, 7, 8]);
    expect(unread.next).toBe("4");
  });

  it("show the state that was fetched last", () => {
    const queued = withNewest(NOTHING, { items: [message(2, "queued"), message(1)], next: "1", damaged: 0 });
    const sent = withNewest(queued, { items: [message(2, "delivered"), message(1)], next: "1", damaged: 0 });
    expect(sent.items.map(({ state }) => state)).toEqual(["received", "delivered"]);
  });

  it("go when the node no longer has them", () => {
    expect(numbers(withNewest(both, page([6, 4], "4")))).toEqual([2, 3, 4, 6]);
    expect(numbers(without(both, 3))).toEqual([2, 4, 5, 6]);
    expect(withNewest(both, page([], null))).toEqual(NOTHING);
    expect(numbers(withNewest(both, page([9], null)))).toEqual([9]);
  });

  it("leave no hole when more came than a page holds", () => {
    const later = withNewest(both, page([20, 19, 18], "18"));
    expect(numbers(later)).toEqual([18, 19, 20]);
    expect(later.next).toBe("18");
  });

  it("do not come back with a page that was asked for before they were deleted", () => {
    expect(withOlder(NOTHING, "4", page([3, 2], "2"))).toBe(NOTHING);
    expect(numbers(withOlder(both, "4", page([3, 2], "2")))).toEqual([2, 3, 4, 5, 6]);
  });
});
