/**
 * The rules by which the page keeps up with the node's event log, without any socket in them: what to ask for after
 * a break, which events are new, when everything has to be fetched again, how long to wait before the next try.
 */
import type { LiveEvent } from "./types";

/** How far the page has read. */
export interface Resume {
  /** The id of the last event taken; `null` before the first. */
  readonly last: number | null;
  /** Tries since the last connection that stood. */
  readonly attempt: number;
}

export const START: Resume = { last: null, attempt: 0 };

/** What a frame from the node leads to. */
export interface Step {
  readonly resume: Resume;
  /** The event to hand on, if it is new. */
  readonly event: LiveEvent | null;
  /** Whether events were lost, so that what is shown must be fetched again. */
  readonly refetch: boolean;
}

/** What to send when a connection stands. Without a last id the node begins with what happens from now on. */
export function greeting(resume: Resume): string {
  return JSON.stringify(resume.last === null ? { subscribe: ["*"] } : { subscribe: ["*"], since: resume.last });
}

/** A connection stands. Without a last id there is no telling what was missed since the page fetched its data. */
export function opened(resume: Resume, fetchedBefore: boolean): Step {
  return { resume: { ...resume, attempt: 0 }, event: null, refetch: resume.last === null && fetchedBefore };
}

/** A connection broke or did not come about. */
export function broken(resume: Resume): Resume {
  return { ...resume, attempt: resume.attempt + 1 };
}

/** A text frame has come. What is not an event is dropped: a newer node may say more than this page knows. */
export function received(resume: Resume, text: string): Step {
  const event = parseEvent(text);
  if (event === null) return { resume, event: null, refetch: false };
  if (event.type === "gap") return { resume: { ...resume, last: event.id }, event: null, refetch: true };
  if (resume.last !== null && event.id <= resume.last) return { resume, event: null, refetch: false };
  return { resume: { ...resume, last: event.id }, event, refetch: false };
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** The wait before try number `attempt` (from 1): doubling, with up to half taken off by chance (0 to 1). */
export function backoffMs(attempt: number, chance: number): number {
  const whole = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, attempt - 1));
  return Math.round(whole * (1 - chance / 2));
}

function parseEvent(text: string): LiveEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { id, type } = value as { id?: unknown; type?: unknown };
  return typeof id === "number" && typeof type === "string" ? (value as LiveEvent) : null;
}
