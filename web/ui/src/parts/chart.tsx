/** Calls per day as stacked bars, with the same figures as words and as a table. */
import { useState } from "preact/hooks";

import { count, day } from "../format";
import type { DayStats, Verdict } from "../types";
import { t } from "../words";

const HEIGHT = 112;
const VERDICTS: readonly Verdict[] = ["allow", "challenge", "block"];
/** Share of a day's width that its bar fills. */
const BAR_SHARE = 0.66;

export function total(stats: DayStats): number {
  return stats.allow + stats.challenge + stats.block;
}

export function DayChart({ days }: { days: readonly DayStats[] }) {
  const [picked, setPicked] = useState<DayStats | null>(null);
  const most = Math.max(1, ...days.map(total));
  const sum = (verdict: Verdict): number => days.reduce((all, d) => all + d[verdict], 0);
  const sums = { allow: count(sum("allow")), challenge: count(sum("challenge")), block: count(sum("block")) };
  const words = t("calls.chart_words", {
    total: count(days.reduce((all, d) => all + total(d), 0)),
    days: days.length,
    ...sums,
  });
  const first = days[0];
  const last = days.at(-1);
  return (
    <figure class="chart">
      <figcaption>{picked === null ? words : dayWords(picked)}</figcaption>
      <svg width="100%" height={HEIGHT} role="img" aria-label={words} onPointerLeave={() => setPicked(null)}>
        <line class="chart-base" x1="0" x2="100%" y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
        {days.map((d, i) => (
          <Bar key={d.day} stats={d} at={i} of={days.length} most={most} onPick={setPicked} />
        ))}
      </svg>
      <div class="chart-ends" aria-hidden="true">
        <span>{first && day(first.day)}</span>
        <span>{last && day(last.day)}</span>
      </div>
      <ul class="legend">
        {VERDICTS.map((verdict) => (
          <li key={verdict}>
            <span class={`swatch swatch-${verdict}`} aria-hidden="true" />
            {t(`verdict.${verdict}`)} <strong>{sums[verdict]}</strong>
          </li>
        ))}
      </ul>
      <details class="chart-table">
        <summary>{t("calls.chart_table")}</summary>
        <table>
          <caption class="hidden">{t("calls.chart")}</caption>
          <thead>
            <tr>
              <th scope="col">{t("calls.chart_day_column")}</th>
              {VERDICTS.map((verdict) => (
                <th key={verdict} scope="col" class="cell-end">
                  {t(`verdict.${verdict}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[...days].reverse().map((d) => (
              <tr key={d.day}>
                <th scope="row">{day(d.day)}</th>
                {VERDICTS.map((verdict) => (
                  <td key={verdict} class="cell-end">
                    {count(d[verdict])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

function dayWords(d: DayStats): string {
  return t("calls.chart_day", {
    day: day(d.day),
    allow: count(d.allow),
    challenge: count(d.challenge),
    block: count(d.block),
  });
}

interface BarProps {
  stats: DayStats;
  at: number;
  of: number;
  most: number;
  onPick: (stats: DayStats) => void;
}

function Bar({ stats, at, of, most, onPick }: BarProps) {
  const slot = 100 / of;
  let top = HEIGHT - 1;
  return (
    <g onPointerEnter={() => onPick(stats)}>
      <rect class="chart-slot" x={`${at * slot}%`} width={`${slot}%`} height={HEIGHT} />
      {VERDICTS.map((verdict) => {
        const height = (stats[verdict] / most) * (HEIGHT - 8);
        top -= height;
        return (
          height > 0 && (
            <rect
              key={verdict}
              class={`bar bar-${verdict}`}
              x={`${(at + (1 - BAR_SHARE) / 2) * slot}%`}
              width={`${slot * BAR_SHARE}%`}
              y={top}
              height={Math.max(1, height - 1)}
              rx="1.5"
            />
          )
        );
      })}
    </g>
  );
}
