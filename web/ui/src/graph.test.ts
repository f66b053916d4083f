import { describe, expect, it } from "vitest";

import { MAX_ON_RING, layout, step } from "./graph";
import type { KnownHome } from "./types";

function home(n: number, distance: number, vouched_by: number[]): KnownHome {
  return { home: `home${n}`, name: null, distance, reports: 0, equivocates: false, vouched_by };
}

/** A home, twelve neighbours, and for each home of a ring so many behind it. */
function street(behind: readonly number[]): KnownHome[] {
  const homes = [home(0, 0, [])];
  let ring = [0];
  behind.forEach((each, n) => {
    const next: number[] = [];
    for (const voucher of ring)
      for (let k = 0; k < each; k += 1) {
        next.push(homes.length);
        homes.push(home(homes.length, n + 1, [voucher]));
      }
    ring = next;
  });
  return homes;
}

describe("the picture of the neighbourhood", () => {
  it("has the own home in the middle and each other on the ring of its distance", () => {
    const { spots } = layout(street([3, 2]));
    expect(spots.map(({ x, y }) => Math.round(Math.hypot(x, y)))).toEqual([
      0,
      180,
      180,
      180,
      ...Array<number>(6).fill(290),
    ]);
  });

  it("is the same for the same homes", () => {
    const homes = street([12, 3, 2]);
    expect(layout(homes)).toEqual(layout(homes));
  });

  it("stays readable with a thousand homes: no home is left out and no ring is crowded", () => {
    const homes = street([12, 8, 4, 1, 1]).slice(0, 1000);
    const { spots, lines } = layout(homes);
    const drawn = spots.flatMap((spot) => spot.homes).sort((a, b) => a - b);
    expect(drawn).toEqual(homes.map((_, n) => n));
    for (let distance = 1; distance <= 5; distance += 1) {
      const ring = spots.filter((spot) => spot.distance === distance);
      expect(ring.length).toBeLessThanOrEqual(MAX_ON_RING);
      ring.forEach((a, n) =>
        ring.slice(n + 1).forEach((b) => {
          expect(Math.hypot(a.x - b.x, a.y - b.y)).toBeGreaterThan(a.radius + b.radius - 8);
        }),
      );
    }
    expect(lines.length).toBeLessThan(200);
  });

  it("draws every vouch between spots once and names the line along which a spot is placed", () => {
    const homes = [home(0, 0, []), home(1, 1, [0, 2]), home(2, 1, [0]), home(3, 2, [1, 2])];
    const { lines } = layout(homes);
    expect(lines.map(({ from, to, main }) => `${from}-${to}${main ? "!" : ""}`).sort()).toEqual(
      ["0-1!", "0-2!", "1-3!", "2-1", "2-3"].sort(),
    );
  });

  it("places a home whose voucher is not told near the middle's side and does not fail", () => {
    expect(layout([home(0, 0, []), home(1, 3, [])]).spots).toHaveLength(2);
    expect(layout([])).toEqual({ spots: [], lines: [], extent: 30, rings: [] });
  });

  it("is walked by arrow keys", () => {
    const { spots } = layout(street([3, 2]));
    expect(spots[step(spots, 0, "ArrowUp")]?.distance).toBe(1);
    expect(step(spots, 1, "ArrowRight")).toBe(2);
    expect(step(spots, 1, "ArrowLeft")).toBe(3);
    expect(step(spots, 1, "ArrowDown")).toBe(0);
    expect(spots[step(spots, 1, "ArrowUp")]?.distance).toBe(2);
    expect(step(spots, 5, "Home")).toBe(0);
    expect(step(spots, 0, "ArrowDown")).toBe(0);
  });
});
