/** What this home keeps about a number: handed out as a file, or erased. */
import { useState } from "preact/hooks";

import { api } from "../requests";
import { has } from "../session";
import { attempt, toasts } from "../toasts";
import type { Erased, NumberPage } from "../types";
import { t, tn } from "../words";
import { Card } from "./card";
import { Confirm, Dialog } from "./dialog";

/** Gives the browser a file to keep. */
function save(name: string, content: unknown): void {
  const url = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

export function Record({ of, reload }: { of: NumberPage; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const [erased, setErased] = useState<Erased | null>(null);
  return (
    <Card title={t("record.title")} why={t("record.why")}>
      <div class="record-buttons">
        <button
          type="button"
          class="button"
          onClick={() => void attempt(async () => save(`${of.number}.json`, await api.record(of.number)))}
        >
          {t("record.export")}
        </button>
        {has("moderator") && (
          <button type="button" class="button button-danger" onClick={() => setAsking(true)}>
            {t("record.erase")}
          </button>
        )}
      </div>
      {asking && (
        <Confirm
          title={t("record.erase_title", { number: of.spaced })}
          why={t("record.erase_why")}
          act={t("record.erase")}
          onClose={() => setAsking(false)}
          onConfirm={async () => {
            setErased(await api.erase(of.number));
            // What they would undo is gone on purpose.
            toasts.value = [];
            reload();
          }}
        />
      )}
      {erased !== null && (
        <Dialog title={t("record.erased")} onClose={() => setErased(null)}>
          <p>
            {tn("record.erased_calls", erased.calls)} {erased.entry && t("record.erased_entry")}{" "}
            {erased.report_retracted && t("record.erased_report")}
          </p>
          <h3>{t("record.stays")}</h3>
          <ul class="why">
            {erased.stays.map((words) => (
              <li key={words}>{words}</li>
            ))}
          </ul>
          <div class="dialog-actions">
            <button type="button" class="button button-main" onClick={() => setErased(null)}>
              {t("app.close")}
            </button>
          </div>
        </Dialog>
      )}
    </Card>
  );
}
