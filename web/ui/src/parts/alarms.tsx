/** Alarms of this node, or of another of the household, and that somebody has seen them. */
import { api } from "../requests";
import { has } from "../session";
import { attempt } from "../toasts";
import { t } from "../words";
import { Icon } from "./icon";
import { Time } from "./time";

export interface ShownAlarm {
  key: string;
  words: string;
  since: number | null;
  seen: { by: string; at: number } | null;
}

export function AlarmList({ alarms, onSeen }: { alarms: readonly ShownAlarm[]; onSeen?: () => void }) {
  return (
    <ul>
      {alarms.map((alarm) => (
        <li key={alarm.key} class={alarm.seen === null ? "alarm" : "alarm alarm-seen"}>
          <Icon name="challenge" />
          <p>{alarm.words}</p>
          {alarm.since !== null && (
            <span class="soft">
              <Time unix={alarm.since} />
            </span>
          )}
          {alarm.seen !== null && <span class="soft">{t("alarms.seen_by", { name: alarm.seen.by })}</span>}
          {alarm.seen === null && has("member") && (
            <button
              type="button"
              class="button button-small"
              onClick={() => void attempt(() => api.alarmSeen(alarm.key)).then(onSeen)}
            >
              {t("alarms.seen")}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
