import { useState } from "preact/hooks";

import { api } from "../requests";
import { asProblem, type Problem } from "../client";
import { region } from "../format";
import { remember } from "../memory";
import { ProblemList } from "../parts/banners";
import { Card } from "../parts/card";
import { Choice, Field } from "../parts/field";
import { Form } from "../parts/form";
import { Icon } from "../parts/icon";
import { Failure, Skeleton } from "../parts/states";
import { REGIONS } from "../regions";
import { useResource } from "../resource";
import type { SystemTab } from "../route";
import { has, session, signOut } from "../session";
import { summary } from "../summary";
import { attempt, done } from "../toasts";
import type { Config, Settings, Verdict } from "../types";
import { t } from "../words";
import { Accounts, OwnPassword } from "./accounts";
import { AuditLog } from "./audit";
import { Data } from "./data";
import { LineList, NoLines } from "./home";
import { Keys } from "./keys";
import { Missing } from "./missing";
import { Rules } from "./rules";

const TABS: readonly { tab: SystemTab; href: string; admin: boolean }[] = [
  { tab: "node", href: "#/system", admin: false },
  { tab: "settings", href: "#/system/settings", admin: false },
  { tab: "rules", href: "#/system/rules", admin: false },
  { tab: "accounts", href: "#/system/accounts", admin: true },
  { tab: "data", href: "#/system/data", admin: true },
  { tab: "audit", href: "#/system/audit", admin: true },
  { tab: "config", href: "#/system/config", admin: true },
  { tab: "keys", href: "#/system/keys", admin: true },
];

export function System({ tab }: { tab: SystemTab }) {
  const tabs = TABS.filter(({ admin }) => !admin || has("admin"));
  if (!tabs.some((one) => one.tab === tab)) return <Missing />;
  return (
    <div class="page">
      <header class="page-head">
        <h1 tabIndex={-1}>{t("system.title")}</h1>
        <nav class="tabs" aria-label={t("system.tabs")}>
          {tabs.map((one) => (
            <a key={one.tab} href={one.href} aria-current={one.tab === tab ? "page" : undefined}>
              {t(`system.tab.${one.tab}`)}
            </a>
          ))}
        </nav>
      </header>
      {tab === "node" && <Node />}
      {tab === "settings" && <SettingsPage />}
      {tab === "rules" && <Rules />}
      {tab === "accounts" && <Accounts />}
      {tab === "data" && <Data />}
      {tab === "audit" && <AuditLog />}
      {tab === "config" && <ConfigPage />}
      {tab === "keys" && <Keys />}
    </div>
  );
}

function Node() {
  const { data, problem, reload } = useResource("node", api.node);
  const lines = summary.value?.lines;
  return (
    <div class="halves">
      <Card title={t("system.node")}>
        {problem !== undefined && <Failure problem={problem} retry={reload} />}
        {data === undefined && problem === undefined && <Skeleton rows={5} />}
        {data !== undefined && (
          <dl class="properties">
            <Property name={t("system.name")} value={data.name} />
            <Property name={t("system.version")} value={data.version} />
            <Property name={t("system.platform")} value={data.platform} />
            <Property name={t("system.number")} value={String(data.node)} />
            <Property name={t("system.home")} value={data.home} mono />
            <Property name={t("system.peer")} value={data.peer} mono />
            <div>
              <dt>{t("system.capabilities")}</dt>
              <dd class="tags">
                {data.capabilities.length === 0 && t("app.none")}
                {data.capabilities.map((capability) => (
                  <span key={capability} class="tag">
                    {capability}
                  </span>
                ))}
              </dd>
            </div>
          </dl>
        )}
      </Card>
      <div class="stack">
        <Card title={t("system.lines")}>
          {lines === undefined && <Skeleton rows={1} />}
          {lines?.length === 0 && <NoLines />}
          {lines !== undefined && lines.length > 0 && <LineList lines={lines} />}
        </Card>
        <Account />
        <Card title={t("system.docs")} why={t("system.docs_why")}>
          <a class="link" href="/api/v1/openapi.json" target="_blank" rel="noreferrer">
            {t("system.docs_link")}
            <Icon name="right" size={16} />
          </a>
        </Card>
      </div>
    </div>
  );
}

function Property({ name, value, mono = false }: { name: string; value: string; mono?: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={mono ? "mono" : ""}>{value}</dd>
    </div>
  );
}

function Account() {
  const own = session.value;
  const [changing, setChanging] = useState(false);
  return (
    <Card title={t("system.account")}>
      <div class="row">
        <span class="row-main">
          <strong>{t("system.signed_in_as", { name: own?.name ?? "" })}</strong>
          {own?.role != null && <span class="soft">{t("system.role", { role: t(`role.${own.role}`) })}</span>}
        </span>
        <span class="actions">
          <button type="button" class="button" onClick={() => setChanging(true)}>
            {t("accounts.password")}
          </button>
          <button type="button" class="button" onClick={() => void attempt(signOut)}>
            {t("system.sign_out")}
          </button>
        </span>
      </div>
      {changing && <OwnPassword onClose={() => setChanging(false)} />}
    </Card>
  );
}

function SettingsPage() {
  const { data, problem, reload, set } = useResource("settings", api.settings, ["settings.changed"]);
  return (
    <Card title={t("settings.title")} class="narrow">
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton rows={3} />}
      {data !== undefined && <SettingsForm key={JSON.stringify(data)} now={data} onSaved={set} />}
    </Card>
  );
}

const VERDICTS: readonly Verdict[] = ["allow", "challenge", "block"];

function SettingsForm({ now, onSaved }: { now: Settings; onSaved: (settings: Settings) => void }) {
  const [code, setCode] = useState(now.region);
  const [anonymous, setAnonymous] = useState<Verdict>(now.anonymous);
  const [invalid, setInvalid] = useState<Verdict>(now.invalid);
  const [ranges, setRanges] = useState(now.ranges);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const may = has("moderator");
  const pinned = (field: keyof Settings): boolean => now.pinned.includes(field);
  const save = async (): Promise<void> => {
    setBusy(true);
    try {
      const saved = await api.setSettings({ region: code, anonymous, invalid, ranges });
      remember("region", "seen");
      done(t("settings.saved"), async () => {
        const { region, anonymous, invalid, ranges } = now;
        await api.setSettings({ region, anonymous, invalid, ranges });
      });
      onSaved(saved);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  const deeds = VERDICTS.map((value) => ({
    value,
    label: t(`verdict.${value}.deed`),
    tone: `tone-${value}`,
  }));
  const hint = (field: keyof Settings, words: string): string => (pinned(field) ? t("settings.pinned") : words);
  const codes = REGIONS.includes(code) ? REGIONS : [code, ...REGIONS];
  return (
    <Form onSend={save}>
      <Field
        label={t("settings.region")}
        hint={hint("region", t("settings.region_hint"))}
        control="select"
        value={code}
        onValue={setCode}
        disabled={!may || pinned("region")}
        error={problem?.message}
      >
        {codes
          .map((one) => ({ one, name: region(one) }))
          .sort((a, b) => a.name.localeCompare(b.name))
          .map(({ one, name }) => (
            <option key={one} value={one}>
              {name}
            </option>
          ))}
      </Field>
      <Choice
        label={t("settings.anonymous")}
        hint={hint("anonymous", t("settings.anonymous_hint"))}
        value={anonymous}
        onValue={setAnonymous}
        options={deeds}
        disabled={!may || pinned("anonymous")}
      />
      <Choice
        label={t("settings.invalid")}
        hint={hint("invalid", t("settings.invalid_hint"))}
        value={invalid}
        onValue={setInvalid}
        options={deeds}
        disabled={!may || pinned("invalid")}
      />
      <Choice
        label={t("settings.ranges")}
        hint={t("settings.ranges_hint")}
        value={ranges ? "on" : "off"}
        onValue={(value) => setRanges(value === "on")}
        options={[
          { value: "on", label: t("settings.ranges_on"), tone: "tone-challenge" },
          { value: "off", label: t("settings.ranges_off"), tone: "tone-allow" },
        ]}
        disabled={!may}
      />
      {may && (
        <div>
          <button type="submit" class="button button-main" disabled={busy}>
            {t("app.save")}
          </button>
        </div>
      )}
    </Form>
  );
}

function ConfigPage() {
  const { data, problem, reload } = useResource("config", api.config);
  return (
    <Card title={t("config.title")} why={t("config.why")}>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton rows={6} />}
      {data !== undefined && data.problems.length > 0 && (
        <div class="banner banner-block">
          <Icon name="challenge" />
          <div>
            <p class="banner-title">{t("config.problems")}</p>
            <ProblemList problems={data.problems} />
          </div>
        </div>
      )}
      {data !== undefined && <ConfigTable config={data} />}
    </Card>
  );
}

/** How the node writes that a setting has no value. */
const UNSET = ["", "null", "[]"];

function ConfigTable({ config }: { config: Config }) {
  return (
    <table class="plain config">
      <caption class="hidden">{t("config.caption")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("config.key")}</th>
          <th scope="col">{t("config.value")}</th>
          <th scope="col">{t("config.origin")}</th>
        </tr>
      </thead>
      <tbody>
        {config.items.map((item) => (
          <tr key={item.key}>
            <th scope="row">
              <code>{item.key}</code>
            </th>
            <td>
              {UNSET.includes(item.value) ? <span class="soft">{t("config.unset")}</span> : <code>{item.value}</code>}
            </td>
            <td>
              <span class={`tag ${item.origin === "default" ? "" : "tag-accent"}`}>
                {t(`config.origin.${item.origin}`)}
              </span>
              {item.where !== "" && item.origin !== "default" && <span class="soft where">{item.where}</span>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
