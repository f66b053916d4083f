/** A list of calls that new ones join while they ring. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { api } from "./requests";
import { asProblem, askAgainMs, isAbort, type Problem } from "./client";
import { onEvent, onRefetch, whenSettled } from "./live";
import type { Call, EndedCall, Verdict } from "./types";

/** Puts a call in its place, the newest first; a call already there is replaced. */
export function withCall(calls: readonly Call[], call: Call): Call[] {
  const others = calls.filter((other) => other.seq !== call.seq);
  const at = others.findIndex((other) => other.seq < call.seq);
  return at < 0 ? [...others, call] : [...others.slice(0, at), call, ...others.slice(at)];
}

/** Marks a call as ended. */
export function withEnd(calls: readonly Call[], end: EndedCall): Call[] {
  const { seq, how, words, duration_ms } = end;
  return calls.map((call) => (call.seq === seq ? { ...call, ended: { how, words, duration_ms } } : call));
}

/**
 * A page of the log with the calls that came in while it was fetched: a call is shown before it is saved. Of older
 * calls the log knows better.
 */
export function withLive(page: readonly Call[], live: readonly Call[]): Call[] {
  const newest = page[0]?.seq ?? -1;
  return live.reduce<Call[]>(
    (calls, call) => {
      const logged = calls.find((other) => other.seq === call.seq);
      if (logged === undefined) return call.seq > newest ? withCall(calls, call) : calls;
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

/** More calls than this do not come in while one page is fetched. */
const MOST_LIVE = 50;

export interface CallFilter {
  readonly verdict: Verdict | null;
  readonly number: string;
}

export interface CallFeed {
  readonly calls: readonly Call[] | undefined;
  readonly fresh: ReadonlySet<number>;
  readonly problem: Problem | undefined;
  readonly next: string | null;
  readonly loadingMore: boolean;
  readonly more: () => void;
  readonly reload: () => void;
}

interface State {
  readonly key: string;
  readonly calls?: readonly Call[];
  readonly next: string | null;
  readonly problem?: Problem;
}

/** `keep` bounds the list where only the last few are shown. */
export function useCallFeed(filter: CallFilter, limit: number, keep?: number): CallFeed {
  const key = `${filter.verdict ?? ""} ${filter.number}`;
  const [state, setState] = useState<State>({ key, next: null });
  const [fresh, setFresh] = useState<ReadonlySet<number>>(new Set());
  const [round, setRound] = useState(0);
  const [loadingMore, setLoadingMore] = useState(false);
  const reload = useCallback(() => setRound((n) => n + 1), []);
  const live = useRef<{ key: string; calls: readonly Call[] }>({ key, calls: [] });
  if (live.current.key !== key) live.current = { key, calls: [] };
  const own: State = state.key === key ? state : { key, next: null };
  const current = useRef(own);
  current.current = own;

  useEffect(() => {
    const abort = new AbortController();
    const over = (): boolean => abort.signal.aborted;
    let again: ReturnType<typeof setTimeout> | undefined;
    void (async () => {
      await whenSettled();
      if (over()) return;
      try {
        const page = await api.calls({ ...filter, limit }, abort.signal);
        if (over()) return;
        const calls = withLive(page.items, live.current.calls).slice(0, keep);
        setState({ key, calls, next: page.next });
      } catch (error) {
        if (over() || isAbort(error)) return;
        const problem = asProblem(error);
        const waitMs = askAgainMs(problem);
        if (waitMs !== null) again = setTimeout(reload, waitMs);
        else setState((old) => (old.key === key ? { ...old, problem } : { key, next: null, problem }));
      }
    })();
    return () => {
      clearTimeout(again);
      abort.abort();
    };
  }, [key, limit, round]);

  useEffect(() => {
    const offEvent = onEvent((event) => {
      if (event.type === "call.screened") {
        const call = event.data;
        // Only the node reads every spelling of a number, so a list of one number is asked for anew once it is saved.
        if (filter.number !== "" || (filter.verdict !== null && call.verdict !== filter.verdict)) return;
        live.current.calls = withCall(live.current.calls, call).slice(0, MOST_LIVE);
        setFresh((old) => new Set(old).add(call.seq));
        setState((old) => {
          if (old.key !== key || old.calls === undefined) return old;
          return { ...old, calls: withCall(old.calls, call).slice(0, keep) };
        });
      } else if (event.type === "call.ended") {
        const end = event.data;
        live.current.calls = withEnd(live.current.calls, end);
        setState((old) => (old.calls === undefined ? old : { ...old, calls: withEnd(old.calls, end) }));
      } else if (event.type === "call.saved" ? filter.number !== "" : event.type === "lists.changed") {
        // Names on the lists are shown in the log. What was loaded further down stays as it is.
        if ((current.current.calls?.length ?? 0) <= limit) reload();
      }
    });
    const offRefetch = onRefetch(reload);
    return () => {
      offEvent();
      offRefetch();
    };
  }, [key, limit, keep, reload]);

  const more = useCallback(() => {
    const { next } = current.current;
    if (next === null || loadingMore) return;
    setLoadingMore(true);
    void (async () => {
      try {
        const page = await api.calls({ ...filter, limit, cursor: next });
        setState((old) => {
          if (old.key !== key || old.calls === undefined) return old;
          const known = new Set(old.calls.map((call) => call.seq));
          return {
            key,
            calls: [...old.calls, ...page.items.filter((c) => !known.has(c.seq))],
            next: page.next,
          };
        });
      } catch (error) {
        setState((old) => ({ ...old, problem: asProblem(error) }));
      } finally {
        setLoadingMore(false);
      }
    })();
  }, [key, limit, loadingMore]);

  return { calls: own.calls, fresh, problem: own.problem, next: own.next, loadingMore, more, reload };
}
