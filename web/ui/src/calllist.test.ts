import { describe, expect, it } from "vitest";

import { isRinging, withCall, withEnd, withLive } from "./calllist";
import type { Call } from "./types";

function call(seq: number, more: Partial<Call> = {}): Call {
  return {
    seq,
    node: 1,
    node_name: null,
    line: "home",
    number: "+4930901820",
    spaced: "+49 30 901820",
    shown: "030901820",
    name: "",
    label: null,
    verdict: "allow",
    reasons: [],
    risk: 0,
    began: 1_000,
    ended: null,
    verstat: null,
    place: null,
    metadata: [],
    ...more,
  };
}

const seqs = (calls: readonly Call[]): number[] => calls.map((c) => c.seq);
const END = { how: "refused", words: "Meerkat refused the call.", duration_ms: 12 } as const;

describe("a list of calls", () => {
  it("keeps the newest first, wherever a call comes in", () => {
    const calls = [call(9), call(5)];
    expect(seqs(withCall(calls, call(10)))).toEqual([10, 9, 5]);
    expect(seqs(withCall(calls, call(7)))).toEqual([9, 7, 5]);
    expect(seqs(withCall(calls, call(1)))).toEqual([9, 5, 1]);
    expect(seqs(withCall([], call(1)))).toEqual([1]);
  });

  it("replaces a call that is there already", () => {
    const calls = withCall([call(9), call(5)], call(5, { label: "Zoo" }));
    expect(seqs(calls)).toEqual([9, 5]);
    expect(calls[1]?.label).toBe("Zoo");
  });

  it("ends the call it is told of and no other", () => {
    const calls = withEnd([call(9), call(5)], { seq: 5, ...END });
    expect(calls.map((c) => c.ended)).toEqual([null, END]);
  });

  it("keeps calls that came in while the page was fetched", () => {
    const page = [call(9), call(8)];
    expect(seqs(withLive(page, [call(11), call(10)]))).toEqual([11, 10, 9, 8]);
    expect(seqs(withLive([], [call(1)]))).toEqual([1]);
    expect(withLive(page, [call(9, { ended: END })])[0]?.ended).toEqual(END);
  });

  it("does not bring back calls that the log no longer holds", () => {
    expect(seqs(withLive([call(9), call(7)], [call(8)]))).toEqual([9, 7]);
  });

  it("does not let a call ring for ever", () => {
    expect(isRinging(call(1), 1_030)).toBe(true);
    expect(isRinging(call(1), 1_000 + 3_600)).toBe(false);
    expect(isRinging(call(1, { ended: END }), 1_030)).toBe(false);
    expect(isRinging(call(1, { began: null }), 1_030)).toBe(false);
  });
});
