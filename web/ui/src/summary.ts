/** How things are, for the whole page: one fetch, kept fresh. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { api } from "./requests";
import { type Problem } from "./client";
import { useResource } from "./resource";
import type { Summary } from "./types";

export const summary = signal<Summary | null>(null);
export const summaryProblem = signal<Problem | null>(null);

let reload: () => void = () => undefined;

export function reloadSummary(): void {
  reload();
}

/** Events after which the summary may read differently. */
const TOPICS = [
  "call.saved",
  "report.*",
  "vouch.changed",
  "peer.*",
  "message.received",
  "messages.changed",
  "line.changed",
  "alarm.*",
  "settings.changed",
] as const;

/** Used once, by whatever lives as long as the session. */
export function useSummary(): void {
  const resource = useResource("summary", api.summary, TOPICS);
  reload = resource.reload;
  useEffect(() => {
    if (resource.data !== undefined) summary.value = resource.data;
    summaryProblem.value = resource.problem ?? null;
  }, [resource.data, resource.problem]);
}
