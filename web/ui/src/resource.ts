/** Data of the node in a component: fetched, kept fresh by events, fetched again after a gap. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { asProblem, askAgainMs, isAbort, type Problem } from "./client";
import { onEvent, onRefetch, whenSettled } from "./live";

export interface Resource<T> {
  /** The last data; stays while it is fetched again. */
  readonly data: T | undefined;
  readonly problem: Problem | undefined;
  readonly reload: () => void;
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

  useEffect(() => {
    const abort = new AbortController();
    const over = (): boolean => abort.signal.aborted;
    let again: ReturnType<typeof setTimeout> | undefined;
    void (async () => {
      await whenSettled();
      if (over()) return;
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
      }
    })();
    return () => {
      clearTimeout(again);
      abort.abort();
    };
  }, [key, round]);

  const reload = useCallback(() => setRound((n) => n + 1), []);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const offEvent = onEvent((event) => {
      if (timer !== undefined || !latest.current.topics.some((topic) => covers(topic, event.type))) return;
      timer = setTimeout(() => {
        timer = undefined;
        reload();
      }, COALESCE_MS);
    });
    const offRefetch = onRefetch(reload);
    return () => {
      clearTimeout(timer);
      offEvent();
      offRefetch();
    };
  }, [reload]);

  const set = useCallback((data: T) => setState({ key, data }), [key]);
  const own = state.key === key ? state : { key };
  return { data: own.data, problem: own.problem, reload, set };
}

/** Whether an event type falls under a topic. */
export function covers(topic: string, type: string): boolean {
  return topic.endsWith("*") ? type.startsWith(topic.slice(0, -1)) : topic === type;
}
