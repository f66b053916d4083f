/** Verdicts, standings and states of lines: colour, shape and word together, so that none is needed alone. */
import type { LineStatus, Standing, Verdict } from "../types";
import { t } from "../words";
import { Icon } from "./icon";

export function VerdictBadge({ verdict }: { verdict: Verdict }) {
  return (
    <span class={`badge badge-${verdict}`}>
      <Icon name={verdict} size={16} />
      {t(`verdict.${verdict}`)}
    </span>
  );
}

export function StandingBadge({ standing }: { standing: Standing }) {
  return (
    <span class={`badge badge-${standing}`}>
      <Icon name={standing} size={16} />
      {t(`standing.${standing}.short`)}
    </span>
  );
}

const LINE_TONE = { ready: "allow", registering: "unknown", failing: "block" } as const;
const LINE_ICON = { ready: "allow", registering: "clock", failing: "challenge" } as const;

export function LineBadge({ state }: { state: LineStatus["state"] }) {
  return (
    <span class={`badge badge-${LINE_TONE[state]}`}>
      <Icon name={LINE_ICON[state]} size={16} />
      {t(`line.${state}`)}
    </span>
  );
}

/** How suspicious something looks: a bar and the figure. */
export function Meter({ value, label, tone }: { value: number; label: string; tone: Verdict | "neutral" }) {
  const width = Math.max(0, Math.min(100, value));
  return (
    <span class={`meter meter-${tone}`}>
      <svg width="48" height="6" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="meter-track" width="100" height="6" rx="3" />
        <rect class="meter-fill" width={width} height="6" rx="3" />
      </svg>
      <span>{label}</span>
    </span>
  );
}
