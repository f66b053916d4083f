/** What happens to a list of calls as events come in. All pure. */
import type { Call, EndedCall } from "./types";

/** What tells a call from all others of the home: each node counts its own. */
export const callKey = ({ node, seq }: Pick<Call, "node" | "seq">): string => `${node}-${seq}`;

/** Puts a call in its place, the newest first; a call already there is replaced. */
export function withCall(calls: readonly Call[], call: Call): Call[] {
  const others = calls.filter((other) => callKey(other) !== callKey(call));
  // Those of one node in the order of its log, those of others by the clock.
  const older = (other: Call): boolean =>
    other.node === call.node ? other.seq < call.seq : (other.began ?? 0) <= (call.began ?? Number.MAX_SAFE_INTEGER);
  const at = others.findIndex(older);
  return at < 0 ? [...others, call] : [...others.slice(0, at), call, ...others.slice(at)];
}

/** Marks a call as ended. */
export function withEnd(calls: readonly Call[], end: EndedCall): Call[] {
  const { seq, how, words, duration_ms } = end;
  return calls.map((call) =>
    call.seq === seq && call.ended === null ? { ...call, ended: { how, words, duration_ms } } : call,
  );
}

/**
 * A page of the log with the calls that came in while it was fetched: a call is shown before it is saved. Of older
 * calls the log knows better.
 */
export function withLive(page: readonly Call[], live: readonly Call[]): Call[] {
  const newest = (node: number): number => page.find((call) => call.node === node)?.seq ?? -1;
  return live.reduce<Call[]>(
    (calls, call) => {
      const logged = calls.find((other) => callKey(other) === callKey(call));
      if (logged === undefined) return call.seq > newest(call.node) ? withCall(calls, call) : calls;
      return logged.ended === null && call.ended !== null ? withEnd(calls, { seq: call.seq, ...call.ended }) : calls;
    },
    [...page],
  );
}

/** The longest a telephone rings before the network gives up: 3 minutes (RFC 3261, timer C). */
const RINGING_S = 180;

/** Whether the call rings now. One whose end was never seen, because the node stopped, does not ring for ever. */
export function isRinging(call: Call, nowS: number): boolean {
  return call.ended === null && call.began !== null && nowS - call.began < RINGING_S;
}
