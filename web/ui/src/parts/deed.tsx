/** What several parts do alike: a deed of a person, and a time that runs out. */
import { useEffect, useState } from "preact/hooks";

import { asProblem, type Problem } from "../client";
import { duration } from "../format";

const SECOND_MS = 1000;

/** Runs a deed of a person, holding the button and what went wrong. */
export function useDeed() {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const run = async (deed: () => Promise<void>): Promise<void> => {
    setBusy(true);
    try {
      await deed();
      setProblem(null);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, run };
}

/** Does something again and again, as long as the part is shown. */
export function useEvery(act: () => void, everyMs: number): void {
  useEffect(() => {
    const timer = setInterval(act, everyMs);
    return () => clearInterval(timer);
  }, [act, everyMs]);
}

/** What is left of a time that was so long when it was fetched. */
export function Countdown({ seconds }: { seconds: number }) {
  const [ends, setEnds] = useState(() => Date.now() + seconds * SECOND_MS);
  const [now, setNow] = useState(Date.now());
  useEffect(() => setEnds(Date.now() + seconds * SECOND_MS), [seconds]);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), SECOND_MS);
    return () => clearInterval(timer);
  }, []);
  return <>{duration(Math.max(0, ends - now))}</>;
}
