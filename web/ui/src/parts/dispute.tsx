/** A number that was allowed on one node and blocked on another while they were apart: a person chooses, with one press. */
import { setStanding } from "../deeds";
import { has } from "../session";
import type { ListEntry } from "../types";
import { t } from "../words";

export function Dispute({ entry, onSettled }: { entry: ListEntry; onSettled: () => void }) {
  const who = entry.label !== "" ? entry.label : (entry.spaced ?? entry.subject);
  const settle = (standing: "allow" | "block") => void setStanding(entry.subject, standing, entry, who).then(onSettled);
  return (
    <div class="dispute" role="note">
      <p>{t("lists.disputed")}</p>
      {has("member") && (
        <div class="actions">
          {(["allow", "block"] as const).map((standing) => (
            <button key={standing} type="button" class="button button-small" onClick={() => settle(standing)}>
              {t(`standing.${standing}.do`)}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
