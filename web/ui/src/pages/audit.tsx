/** What people and nodes changed, for admins. */
import { useState } from "preact/hooks";

import { asProblem, type Problem } from "../client";
import { api } from "../requests";
import { Card } from "../parts/card";
import { useDeed } from "../parts/deed";
import { Field } from "../parts/field";
import { Empty, Failure, Skeleton } from "../parts/states";
import { Time } from "../parts/time";
import { useResource } from "../resource";
import type { AuditLine, Checked } from "../types";
import { t, tn } from "../words";

interface Filter {
  node: number | null;
  who: string;
  what: string;
}

export function AuditLog() {
  const [filter, setFilter] = useState<Filter>({ node: null, who: "", what: "" });
  const household = useResource("household", api.household);
  const members = household.data?.members ?? [];
  const name = (node: number): string =>
    members.find((member) => member.number === node)?.name ?? `${t("audit.node")} ${node}`;
  const set = (part: Partial<Filter>) => setFilter({ ...filter, ...part });
  return (
    <Card title={t("audit.title")} why={t("audit.why")} aside={<Check name={name} />}>
      <div class="audit-filters">
        {members.length > 1 && (
          <Field
            label={t("audit.node")}
            control="select"
            value={filter.node === null ? "" : String(filter.node)}
            onValue={(value) => set({ node: value === "" ? null : Number(value) })}
          >
            {members.map((member) => (
              <option key={member.number} value={member.own ? "" : String(member.number)}>
                {member.name}
              </option>
            ))}
          </Field>
        )}
        <Field label={t("audit.filter_who")} type="search" value={filter.who} onValue={(who) => set({ who })} />
        <Field
          label={t("audit.filter_what")}
          hint={t("audit.filter_what_hint")}
          type="search"
          value={filter.what}
          onValue={(what) => set({ what: what.trim() })}
        />
      </div>
      <Lines key={JSON.stringify(filter)} filter={filter} />
    </Card>
  );
}

function Lines({ filter }: { filter: Filter }) {
  const key = `audit ${JSON.stringify(filter)}`;
  const { data, problem, reload } = useResource(key, (signal) => api.audit({ ...filter }, signal));
  const [older, setOlder] = useState<{ lines: AuditLine[]; next: number | null } | null>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const next = older === null ? (data?.next ?? null) : older.next;
  const lines = [...(data?.items ?? []), ...(older?.lines ?? [])];
  const more = async (): Promise<void> => {
    try {
      const page = await api.audit({ ...filter, before: next });
      setOlder({ lines: [...(older?.lines ?? []), ...page.items], next: page.next });
      setFailed(null);
    } catch (error) {
      setFailed(asProblem(error));
    }
  };
  const wrong = problem ?? failed ?? undefined;
  return (
    <>
      {wrong !== undefined && <Failure problem={wrong} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton rows={6} />}
      {data !== undefined && lines.length === 0 && (
        <Empty icon="key" title={t("audit.none")} why={t("audit.none_why")} />
      )}
      {lines.length > 0 && <Table lines={lines} />}
      {next !== null && (
        <div>
          <button type="button" class="button" onClick={() => void more()}>
            {t("audit.more")}
          </button>
        </div>
      )}
    </>
  );
}

function Table({ lines }: { lines: readonly AuditLine[] }) {
  return (
    <table class="plain config audit">
      <caption class="hidden">{t("audit.caption")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("audit.when")}</th>
          <th scope="col">{t("audit.who")}</th>
          <th scope="col">{t("audit.what")}</th>
          <th scope="col">{t("audit.on")}</th>
          <th scope="col">{t("audit.result")}</th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) => (
          <tr key={line.seq}>
            <td>{line.at === null ? t("app.none") : <Time unix={line.at} />}</td>
            <td>{line.actor ?? t("app.none")}</td>
            <td>
              {line.action === null ? t("audit.unreadable") : <code>{line.action}</code>}
              {line.times > 1 && <span class="soft"> {tn("audit.times", line.times)}</span>}
            </td>
            <td>{line.target}</td>
            <td>{line.result}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Check({ name }: { name: (node: number) => string }) {
  const [found, setFound] = useState<Checked | null>(null);
  const { busy, problem, run } = useDeed();
  const check = () => run(async () => setFound(await api.checkAudit()));
  return (
    <div class="stack" role="status">
      <button type="button" class="button" disabled={busy} onClick={() => void check()}>
        {t("audit.check")}
      </button>
      {problem !== null && <p class="field-error">{problem.message}</p>}
      {found !== null && (
        <div>
          <strong>{found.intact ? t("audit.intact") : t("audit.broken")}</strong>
          <ul class="logs">
            {found.items.map((log) => (
              <li key={log.node}>
                {log.broken === null
                  ? tn("audit.counted", log.lines, { node: name(log.node) })
                  : t("audit.broken_at", { node: name(log.node), words: log.broken })}
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}
