/** Quiet hours, and which alarms are told. */
import { useState } from "preact/hooks";

import { Card } from "../parts/card";
import { useDeed } from "../parts/deed";
import { Choice, Field } from "../parts/field";
import { Form } from "../parts/form";
import { Failure, Skeleton } from "../parts/states";
import { api } from "../requests";
import { useResource } from "../resource";
import { has } from "../session";
import { attempt, done } from "../toasts";
import type { Rules as RulesOf } from "../types";
import { t } from "../words";

export function Rules() {
  const { data, problem, reload } = useResource("rules", api.rules, ["alarms.changed"]);
  return (
    <div class="halves">
      <Card title={t("quiet.title")} why={t("quiet.why")}>
        {problem !== undefined && <Failure problem={problem} retry={reload} />}
        {data === undefined && problem === undefined && <Skeleton rows={2} />}
        {data !== undefined && <Quiet key={JSON.stringify(data.quiet)} rules={data} onSaved={reload} />}
      </Card>
      <Card title={t("alarms.rules")} why={t("alarms.rules_why")}>
        {data !== undefined && <Told rules={data} onSaved={reload} />}
      </Card>
    </div>
  );
}

interface PartProps {
  rules: RulesOf;
  onSaved: () => void;
}

function Quiet({ rules, onSaved }: PartProps) {
  const [on, setOn] = useState(rules.quiet !== null);
  const [from, setFrom] = useState(rules.quiet?.from ?? "22:00");
  const [to, setTo] = useState(rules.quiet?.to ?? "07:00");
  const deed = useDeed();
  const may = has("moderator");
  const save = () =>
    deed.run(async () => {
      await api.setRules({ tell: rules.tell, quiet: on ? { from: from.trim(), to: to.trim() } : null });
      done(t("settings.saved"));
      onSaved();
    });
  return (
    <Form onSend={save}>
      <Choice
        label={t("quiet.title")}
        hideLabel
        value={on ? "on" : "off"}
        onValue={(value) => setOn(value === "on")}
        options={[
          { value: "off", label: t("quiet.off") },
          { value: "on", label: t("quiet.on") },
        ]}
        disabled={!may}
      />
      {on && (
        <div class="quiet-hours">
          <Field label={t("quiet.from")} value={from} onValue={setFrom} maxLength={5} disabled={!may} required />
          <Field label={t("quiet.to")} value={to} onValue={setTo} maxLength={5} disabled={!may} required />
        </div>
      )}
      {on && (
        <p class={rules.zone === null ? "field-error" : "field-hint"}>
          {rules.zone === null ? t("quiet.no_zone") : t("quiet.zone", { zone: rules.zone })}{" "}
          {rules.quiet_now && t("quiet.now")}
        </p>
      )}
      {deed.problem !== null && (
        <p class="field-error" role="alert">
          {deed.problem.message}
        </p>
      )}
      {may && (
        <div>
          <button type="submit" class="button button-main" disabled={deed.busy}>
            {t("app.save")}
          </button>
        </div>
      )}
    </Form>
  );
}

function Told({ rules, onSaved }: PartProps) {
  const may = has("moderator");
  const tell = async (code: string, told: boolean): Promise<void> => {
    await attempt(() => api.setRules({ tell: { ...rules.tell, [code]: told }, quiet: rules.quiet }));
    onSaved();
  };
  return (
    <ul class="switches">
      {rules.kinds.map(({ code, title }) => (
        <li key={code}>
          <label>
            <input
              type="checkbox"
              checked={rules.tell[code] ?? true}
              disabled={!may}
              onChange={(event) => void tell(code, event.currentTarget.checked)}
            />
            <span>{title}</span>
          </label>
        </li>
      ))}
    </ul>
  );
}
