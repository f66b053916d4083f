import { describe, expect, it } from "vitest";

import { START, backoffMs, broken, greeting, opened, received, type Resume } from "./events";

const frame = (id: number, type = "call.saved", data: unknown = { seq: id }): string =>
  JSON.stringify({ id, at: null, type, data });

/** Takes frames one after the other and says which ids were handed on and how often everything was fetched again. */
function run(resume: Resume, frames: readonly string[]): { resume: Resume; ids: number[]; refetches: number } {
  const ids: number[] = [];
  let refetches = 0;
  let now = resume;
  for (const text of frames) {
    const step = received(now, text);
    now = step.resume;
    if (step.event !== null) ids.push(step.event.id);
    if (step.refetch) refetches += 1;
  }
  return { resume: now, ids, refetches };
}

describe("keeping up with the event log", () => {
  it("hands each event on once and in order, whatever is sent again", () => {
    const { ids, resume } = run(START, [frame(7), frame(8), frame(8), frame(7), frame(11)]);
    expect(ids).toEqual([7, 8, 11]);
    expect(resume.last).toBe(11);
  });

  it("asks for what follows the last event after a break", () => {
    expect(JSON.parse(greeting(START))).toEqual({ subscribe: ["*"] });
    const { resume } = run(START, [frame(41)]);
    expect(JSON.parse(greeting(broken(resume)))).toEqual({ subscribe: ["*"], since: 41 });
  });

  it("fetches again after a gap and goes on from there", () => {
    const { ids, refetches, resume } = run({ last: 5, attempt: 0 }, [frame(90, "gap", {}), frame(91)]);
    expect(refetches).toBe(1);
    expect(ids).toEqual([91]);
    expect(resume.last).toBe(91);
  });

  it("takes a gap that leads back, as after a restored backup", () => {
    const { ids, refetches } = run({ last: 500, attempt: 0 }, [frame(3, "gap", {}), frame(4)]);
    expect(refetches).toBe(1);
    expect(ids).toEqual([4]);
  });

  it("fetches again only if something could have been missed", () => {
    expect(opened(START, false).refetch).toBe(false);
    expect(opened(START, true).refetch).toBe(true);
    expect(opened({ last: 3, attempt: 4 }, true)).toMatchObject({
      refetch: false,
      resume: { last: 3, attempt: 0 },
    });
  });

  it("drops what is no event and goes on", () => {
    const { ids, resume } = run(START, ["", "{", "[]", "null", '"x"', '{"id":"1","type":"a"}', '{"id":2}', frame(3)]);
    expect(ids).toEqual([3]);
    expect(resume.last).toBe(3);
  });

  it("waits longer after each try, to a bound, and never all pages at once", () => {
    const longest = [1, 2, 3, 4, 5, 6, 7, 40].map((attempt) => backoffMs(attempt, 0));
    expect(longest).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    expect(backoffMs(3, 1)).toBe(1000);
    expect(backoffMs(0, 0)).toBe(500);
  });
});
