/** Data of the node in a component: fetched, kept fresh by events, fetched again after a gap. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { asProblem, askAgainMs, isAbort, type Problem } from "./client";
import { onEvent, onRefetch, whenSettled } from "./live";

export interface Resource<T> {
  /** The last data; stays while it is fetched again. */
  readonly data: T | undefined;
  readonly problem: Problem | undefined;
  /** Fetches again, in place of what is under way. */
  readonly reload: () => void;
  /** Fetches again, unless that is under way or nobody looks: for what is asked for again and again. */
  readonly poll: () => void;
  readonly set: (data: T) => void;
}

/** Events within this time lead to one fetch. */
const COALESCE_MS = 250;

/** `topics` are event types, or their beginnings with a star (`line.*`), after which the data is fetched again. */
export function useResource<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  topics: readonly string[] = [],
): Resource<T> {
  const [state, setState] = useState<{ key: string; data?: T; problem?: Problem }>({ key });
  const [round, setRound] = useState(0);
  const latest = useRef({ load, topics });
  latest.current = { load, topics };
  // While data is on its way, an event does not start over: it is fetched once more after that.
  const underWay = useRef({ loading: false, stale: false });

  useEffect(() => {
    const own = { loading: false, stale: false };
    underWay.current = own;
    const abort = new AbortController();
    const over = (): boolean => abort.signal.aborted;
    let again: ReturnType<typeof setTimeout> | undefined;
    void (async () => {
      await whenSettled();
      if (over()) return;
      own.loading = true;
      try {
        const data = await latest.current.load(abort.signal);
        if (!over()) setState({ key, data });
      } catch (error) {
        if (over() || isAbort(error)) return;
        const problem = asProblem(error);
        const waitMs = askAgainMs(problem);
        if (waitMs !== null) {
          again = setTimeout(() => setRound((n) => n + 1), waitMs);
          return;
        }
        setState((old) =>
          old.key === key && old.data !== undefined ? { key, data: old.data, problem } : { key, problem },
        );
      } finally {
        own.loading = false;
        if (own.stale && !over()) setRound((n) => n + 1);
      }
    })();
    return () => {
      clearTimeout(again);
      abort.abort();
    };
  }, [key, round]);

  const reload = useCallback(() => setRound((n) => n + 1), []);
  useEvents(reload, latest, underWay);

  const poll = useCallback(() => {
    if (!document.hidden && !underWay.current.loading) reload();
  }, [reload]);
  const set = useCallback((data: T) => setState({ key, data }), [key]);
  const own = state.key === key ? state : { key };
  return { data: own.data, problem: own.problem, reload, poll, set };
}

/** Calls `reload` after events under the topics, or has it done after what is under way. */
function useEvents(
  reload: () => void,
  latest: { readonly current: { topics: readonly string[] } },
  underWay: { readonly current: { loading: boolean; stale: boolean } },
): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const offEvent = onEvent((event) => {
      if (timer !== undefined || !latest.current.topics.some((topic) => covers(topic, event.type))) return;
      timer = setTimeout(() => {
        timer = undefined;
        if (underWay.current.loading) underWay.current.stale = true;
        else reload();
      }, COALESCE_MS);
    });
    const offRefetch = onRefetch(reload);
    return () => {
      clearTimeout(timer);
      offEvent();
      offRefetch();
    };
  }, [reload, latest, underWay]);
}

/** Whether an event type falls under a topic. */
export function covers(topic: string, type: string): boolean {
  return topic.endsWith("*") ? type.startsWith(topic.slice(0, -1)) : topic === type;
}
