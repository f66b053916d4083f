/**
 * Where homes stand in the picture of the neighbourhood: the own home in the middle, the others on rings by their
 * distance, each near the one that vouches for it. Pure and without chance: the same homes give the same picture.
 */
import type { KnownHome } from "./types";

/** A spot in the picture: one home, or several that are drawn as one. */
export interface Spot {
  readonly id: string;
  /** The homes it stands for, by their places in the list. */
  readonly homes: readonly number[];
  readonly distance: number;
  readonly x: number;
  readonly y: number;
  readonly radius: number;
}

/** A line between two spots: somebody in the first vouches for somebody in the second. */
export interface Line {
  readonly from: number;
  readonly to: number;
  /** Whether it is the line along which the second is placed. */
  readonly main: boolean;
}

export interface Picture {
  readonly spots: readonly Spot[];
  readonly lines: readonly Line[];
  /** The radius of the outermost ring with everything on it. */
  readonly extent: number;
  readonly rings: readonly number[];
}

/** More than this on one ring cannot be told apart: homes with the same voucher are drawn as one. */
export const MAX_ON_RING = 36;
/** From the middle to the first ring, where names stand, and from ring to ring. */
const FIRST_RING = 180;
const RING = 110;
const SPOT_RADIUS = 13;
const MAX_RADIUS = 30;

interface Draft {
  readonly n: number;
  readonly homes: number[];
  readonly parent: Draft | null;
  readonly distance: number;
  readonly children: Draft[];
  /** How much of the circle it asks for. */
  weight: number;
  angle: number;
}

export function layout(homes: readonly KnownHome[]): Picture {
  const drafts: Draft[] = [];
  /** By home. */
  const draftOf = new Map<number, Draft>();
  const farthest = homes.reduce((far, home) => Math.max(far, home.distance), 0);
  for (let distance = 0; distance <= farthest; distance += 1) addRing(homes, distance, drafts, draftOf);
  for (const draft of [...drafts].reverse()) draft.weight = Math.max(1, weightOf(draft.children));
  const [middle] = drafts;
  if (middle !== undefined) share(middle, 0, 2 * Math.PI);
  const spots = drafts.map(({ homes: places, distance, angle }): Spot => {
    const away = radiusOf(distance);
    return {
      id: places.map((place) => homes[place]?.home).join("+"),
      homes: places,
      distance,
      x: round(Math.sin(angle) * away),
      y: round(-Math.cos(angle) * away),
      radius: places.length === 1 ? SPOT_RADIUS : Math.min(MAX_RADIUS, SPOT_RADIUS + 2 * Math.sqrt(places.length)),
    };
  });
  const rings = Array.from({ length: farthest }, (_, n) => radiusOf(n + 1));
  return { spots, lines: join(homes, draftOf), extent: radiusOf(farthest) + MAX_RADIUS, rings };
}

/** The homes of one distance as spots: each by itself, or by voucher where there are too many. */
function addRing(homes: readonly KnownHome[], distance: number, drafts: Draft[], draftOf: Map<number, Draft>): void {
  const here = [...homes.entries()].filter(([, home]) => home.distance === distance);
  const crowded = here.length > MAX_ON_RING;
  const together = new Map<Draft | null, Draft>();
  for (const [at, home] of here) {
    const voucher = home.vouched_by.find((place) => homes[place]?.distance === distance - 1);
    const parent = distance === 0 ? null : (draftOf.get(voucher ?? 0) ?? drafts[0] ?? null);
    let draft = crowded ? together.get(parent) : undefined;
    if (draft === undefined) {
      draft = { n: drafts.length, homes: [], parent, distance, children: [], weight: 1, angle: 0 };
      together.set(parent, draft);
      parent?.children.push(draft);
      drafts.push(draft);
    }
    draft.homes.push(at);
    draftOf.set(at, draft);
  }
}

function weightOf(drafts: readonly Draft[]): number {
  return drafts.reduce((sum, draft) => sum + draft.weight, 0);
}

/** The circle is shared out by weight, and each shares its part among its children. */
function share(draft: Draft, from: number, to: number): void {
  const whole = weightOf(draft.children);
  let begin = from;
  for (const child of draft.children) {
    const end = begin + ((to - from) * child.weight) / whole;
    child.angle = (begin + end) / 2;
    share(child, begin, end);
    begin = end;
  }
}

function join(homes: readonly KnownHome[], draftOf: ReadonlyMap<number, Draft>): Line[] {
  const lines = new Map<string, Line>();
  for (const [at, home] of homes.entries()) {
    const to = draftOf.get(at);
    for (const place of home.vouched_by) {
      const from = draftOf.get(place);
      if (to === undefined || from === undefined || from === to) continue;
      lines.set(`${from.n}>${to.n}`, { from: from.n, to: to.n, main: to.parent === from });
    }
  }
  return [...lines.values()];
}

function radiusOf(distance: number): number {
  return distance === 0 ? 0 : FIRST_RING + RING * (distance - 1);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The spot that an arrow key leads to: along the ring, or to the nearest one of the ring within or around. */
export function step(spots: readonly Spot[], at: number, key: string): number {
  const here = spots[at];
  if (here === undefined) return 0;
  const ring = (distance: number): (readonly [number, Spot])[] =>
    [...spots.entries()].filter(([, spot]) => spot.distance === distance).sort(([, a], [, b]) => turn(a) - turn(b));
  const nearest = (distance: number): number =>
    ring(distance).sort(([, a], [, b]) => far(a, here) - far(b, here))[0]?.[0] ?? at;
  const own = ring(here.distance);
  const place = own.findIndex(([n]) => n === at);
  switch (key) {
    case "ArrowRight":
      return own[(place + 1) % own.length]?.[0] ?? at;
    case "ArrowLeft":
      return own[(place - 1 + own.length) % own.length]?.[0] ?? at;
    case "ArrowUp":
      return nearest(here.distance + 1);
    case "ArrowDown":
      return nearest(here.distance - 1);
    case "Home":
      return 0;
    default:
      return at;
  }
}

function turn(spot: Spot): number {
  return (Math.atan2(spot.x, -spot.y) + 2 * Math.PI) % (2 * Math.PI);
}

function far(a: Spot, b: Spot): number {
  return (a.x - b.x) ** 2 + (a.y - b.y) ** 2;
}
