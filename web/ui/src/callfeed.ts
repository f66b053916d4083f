/** A list of calls that new ones join while they ring. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { callKey, withCall, withEnd, withLive } from "./calllist";
import { asProblem, askAgainMs, isAbort, type Problem } from "./client";
import { onEvent, onRefetch, whenSettled } from "./live";
import { api } from "./requests";
import type { Call, LiveEvent, Verdict } from "./types";

/** More calls than this do not come in while one page is fetched. */
const MOST_LIVE = 50;

export interface CallFilter {
  readonly verdict: Verdict | null;
  readonly number: string;
}

export interface CallFeed {
  readonly calls: readonly Call[] | undefined;
  readonly fresh: ReadonlySet<string>;
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
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const [round, setRound] = useState(0);
  const reload = useCallback(() => setRound((n) => n + 1), []);
  const live = useRef<{ key: string; calls: readonly Call[] }>({ key, calls: [] });
  if (live.current.key !== key) live.current = { key, calls: [] };
  const own: State = state.key === key ? state : { key, next: null };
  const current = useRef(own);
  current.current = own;

  useEffect(() => {
    const shown = (page: { items: Call[]; next?: string | null }): void => {
      const calls = withLive(page.items, live.current.calls).slice(0, keep);
      setState({ key, calls, next: page.next ?? null });
    };
    const failed = (problem: Problem): void =>
      setState((old) => (old.key === key ? { ...old, problem } : { key, next: null, problem }));
    return firstPage(filter, limit, shown, failed);
  }, [key, limit, round]);

  useEffect(() => {
    const take = (change: (calls: readonly Call[]) => Call[]): void => {
      live.current.calls = change(live.current.calls).slice(0, MOST_LIVE);
      setState((old) => {
        if (old.key !== key || old.calls === undefined) return old;
        return { ...old, calls: change(old.calls).slice(0, keep) };
      });
    };
    const offEvent = onEvent((event) => {
      if (event.type === "call.screened" && isOf(filter, event.data)) {
        setFresh((old) => new Set(old).add(callKey(event.data)));
        take((calls) => withCall(calls, event.data));
      } else if (event.type === "call.ended") {
        take((calls) => withEnd(calls, event.data));
      } else if (asksAnew(filter, event) && (current.current.calls?.length ?? 0) <= limit) {
        // What was loaded further down stays as it is.
        reload();
      }
    });
    const offRefetch = onRefetch(reload);
    return () => {
      offEvent();
      offRefetch();
    };
  }, [key, limit, keep, reload]);

  const { more, loadingMore } = useMore(filter, limit, key, own.next, setState);
  return { calls: own.calls, fresh, problem: own.problem, next: own.next, loadingMore, more, reload };
}

/** Only the node reads every spelling of a number, so a list of one number takes no call by itself. */
function isOf(filter: CallFilter, call: Call): boolean {
  return filter.number === "" && (filter.verdict === null || call.verdict === filter.verdict);
}

/** Names on the lists are shown in the log; a list of one number is asked for anew once a call is saved, every list when
 * calls of other nodes came. */
function asksAnew(filter: CallFilter, event: LiveEvent): boolean {
  if (event.type === "facts.arrived") return true;
  return event.type === "call.saved" ? filter.number !== "" : event.type === "lists.changed";
}

/** Fetches the newest calls, and again while the node checks its data. Returns what gives up. */
function firstPage(
  filter: CallFilter,
  limit: number,
  shown: (page: { items: Call[]; next?: string | null }) => void,
  failed: (problem: Problem) => void,
): () => void {
  const abort = new AbortController();
  const over = (): boolean => abort.signal.aborted;
  let again: ReturnType<typeof setTimeout> | undefined;
  const fetchPage = async (): Promise<void> => {
    await whenSettled();
    if (over()) return;
    try {
      const page = await api.calls({ ...filter, limit }, abort.signal);
      if (!over()) shown(page);
    } catch (error) {
      if (over() || isAbort(error)) return;
      const problem = asProblem(error);
      const waitMs = askAgainMs(problem);
      if (waitMs === null) failed(problem);
      else again = setTimeout(() => void fetchPage(), waitMs);
    }
  };
  void fetchPage();
  return () => {
    clearTimeout(again);
    abort.abort();
  };
}

/** Puts the next page below the list. */
function useMore(
  filter: CallFilter,
  limit: number,
  key: string,
  next: string | null,
  setState: (change: (old: State) => State) => void,
): { more: () => void; loadingMore: boolean } {
  const [loadingMore, setLoadingMore] = useState(false);
  const fetchMore = async (cursor: string): Promise<void> => {
    setLoadingMore(true);
    try {
      const page = await api.calls({ ...filter, limit, cursor });
      setState((old) => {
        if (old.key !== key || old.calls === undefined) return old;
        const known = new Set(old.calls.map(callKey));
        const added = page.items.filter((call) => !known.has(callKey(call)));
        return { key, calls: [...old.calls, ...added], next: page.next ?? null };
      });
    } catch (error) {
      setState((old) => ({ ...old, problem: asProblem(error) }));
    } finally {
      setLoadingMore(false);
    }
  };
  const more = (): void => {
    if (next !== null && !loadingMore) void fetchMore(next);
  };
  return { more, loadingMore };
}
