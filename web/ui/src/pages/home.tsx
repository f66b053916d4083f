import { useState } from "preact/hooks";

import { api } from "../requests";
import { useCallFeed } from "../callfeed";
import { count, region } from "../format";
import { remember, remembered } from "../memory";
import { LineBadge } from "../parts/badge";
import { CallTable } from "../parts/calltable";
import { AlarmList } from "../parts/alarms";
import { Card } from "../parts/card";
import { Icon } from "../parts/icon";
import { Empty, Failure, Skeleton } from "../parts/states";
import { useResource } from "../resource";
import { has } from "../session";
import { summary, summaryProblem, reloadSummary } from "../summary";
import type { LineStatus, Summary, Verdict } from "../types";
import { t, tn } from "../words";

const LAST_CALLS = 8;
const NO_FILTER = { verdict: null, number: "" } as const;

export function Home() {
  const now = summary.value;
  const problem = summaryProblem.value;
  return (
    <div class="page">
      <h1 class="hidden" tabIndex={-1}>
        {t("home.title")}
      </h1>
      {now === null && problem === null && <Skeleton rows={2} />}
      {now === null && problem !== null && <Failure problem={problem} retry={reloadSummary} />}
      {now !== null && <Status now={now} />}
      {now !== null && <Alarms now={now} />}
      {now !== null && <FirstSteps now={now} />}
      <div class="columns">
        <div class="column-main">
          <LastCalls />
        </div>
        <div class="column-side">
          {now !== null && <Lines lines={now.lines} />}
          {now !== null && <Neighbourhood now={now} />}
        </div>
      </div>
    </div>
  );
}

const LEVEL_ICON = { good: "allow", notice: "challenge", trouble: "challenge" } as const;
const TODAY: readonly Verdict[] = ["allow", "challenge", "block"];

function Status({ now }: { now: Summary }) {
  return (
    <section class={`status status-${now.level}`} aria-label={t("home.status")}>
      <div class="status-words">
        <p class="status-level">
          <Icon name={LEVEL_ICON[now.level]} size={18} />
          {t(`home.level.${now.level}`)}
        </p>
        <p class="status-sentence">{now.sentence}</p>
      </div>
      {now.today !== null && <Today today={now.today} />}
    </section>
  );
}

function Today({ today }: { today: NonNullable<Summary["today"]> }) {
  return (
    <div class="today">
      <h2>{t("home.today")}</h2>
      <dl>
        {TODAY.map((verdict) => (
          <div key={verdict} class={`today-${verdict}`}>
            <dt>{t(`home.today.${verdict}`)}</dt>
            <dd>{count(today[verdict])}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function Alarms({ now }: { now: Summary }) {
  // A clock that is not set has a banner of its own on every page.
  const alarms = now.alarms.filter(({ code }) => code !== "clock_not_set");
  if (alarms.length === 0) return null;
  // What somebody has seen, or what nobody wants to be told, steps back.
  const open = alarms.filter((alarm) => alarm.told && alarm.seen === null);
  const rest = alarms.filter((alarm) => !open.includes(alarm));
  return (
    <section class="alarms" aria-label={t("home.alarms")}>
      <h2 class="hidden">{t("home.alarms")}</h2>
      {open.length > 0 && <AlarmList alarms={open} />}
      {rest.length > 0 && (
        <details>
          <summary>{tn("alarms.rest", rest.length)}</summary>
          <AlarmList alarms={rest} />
        </details>
      )}
    </section>
  );
}

function LastCalls() {
  const feed = useCallFeed(NO_FILTER, LAST_CALLS, LAST_CALLS);
  return (
    <Card
      title={t("home.calls")}
      aside={
        <a class="link" href="#/calls">
          {t("home.all_calls")}
          <Icon name="right" size={16} />
        </a>
      }
    >
      {feed.problem !== undefined && <Failure problem={feed.problem} retry={feed.reload} />}
      {feed.calls === undefined && feed.problem === undefined && <Skeleton rows={5} />}
      {feed.calls?.length === 0 && <Empty icon="calls" title={t("home.no_calls")} why={t("home.no_calls_why")} />}
      {feed.calls !== undefined && feed.calls.length > 0 && (
        <CallTable caption={t("home.calls_caption")} calls={feed.calls} fresh={feed.fresh} />
      )}
    </Card>
  );
}

export function LineList({ lines }: { lines: readonly LineStatus[] }) {
  return (
    <ul class="rows">
      {lines.map((line) => (
        <li key={line.name} class="row">
          <span class="row-main">
            <strong>{line.name}</strong>
            {line.words !== "" && <span class="soft">{line.words}</span>}
          </span>
          <LineBadge state={line.state} />
        </li>
      ))}
    </ul>
  );
}

const LINE_EXAMPLE = `[[line]]
name = "home"
mode = "registered"
registrar = "192.168.1.1"
user = "meerkat"
password = "…"`;

export function NoLines() {
  return (
    <Empty icon="line" title={t("home.no_lines")} why={t("home.no_lines_why")}>
      <pre class="snippet" tabIndex={0} role="region" aria-label={t("home.no_lines_why")}>
        {LINE_EXAMPLE}
      </pre>
      <p class="empty-why">{t("home.no_lines_how")}</p>
    </Empty>
  );
}

function Lines({ lines }: { lines: readonly LineStatus[] }) {
  return <Card title={t("home.lines")}>{lines.length === 0 ? <NoLines /> : <LineList lines={lines} />}</Card>;
}

function Neighbourhood({ now }: { now: Summary }) {
  return (
    <Card
      title={t("home.neighbourhood")}
      aside={
        <a class="link" href="#/mesh">
          {t("nav.mesh")}
          <Icon name="right" size={16} />
        </a>
      }
    >
      <ul class="facts">
        <li>{tn("home.neighbours", now.neighbours)}</li>
        <li>{tn("home.peers", now.peers)}</li>
        <li>{tn("home.statements", now.statements)}</li>
        {now.waiting > 0 && <li>{tn("home.waiting", now.waiting)}</li>}
      </ul>
    </Card>
  );
}

function FirstSteps({ now }: { now: Summary }) {
  const [hidden, setHidden] = useState(remembered("steps") === "hidden");
  const [regionSeen, setRegionSeen] = useState(remembered("region") === "seen");
  const lineDone = now.lines.length > 0;
  const neighbourDone = now.neighbours > 0;
  const doneCount = [lineDone, neighbourDone, regionSeen].filter(Boolean).length;
  if (hidden || doneCount === 3 || !has("moderator")) return null;
  const hide = (): void => {
    remember("steps", "hidden");
    setHidden(true);
  };
  return (
    <Card
      class="first-steps"
      title={t("home.steps")}
      why={t("home.steps_progress", { done: doneCount, all: 3 })}
      aside={
        <button type="button" class="button button-quiet" onClick={hide}>
          {t("home.steps_hide")}
        </button>
      }
    >
      <ol class="steps">
        <Step done={lineDone} title={t("home.step.line")} why={t("home.step.line_why")} href="#/system" />
        <Step done={neighbourDone} title={t("home.step.neighbour")} why={t("home.step.neighbour_why")} href="#/mesh" />
        <RegionStep
          done={regionSeen}
          onSeen={() => {
            remember("region", "seen");
            setRegionSeen(true);
          }}
        />
      </ol>
    </Card>
  );
}

function RegionStep({ done, onSeen }: { done: boolean; onSeen: () => void }) {
  const { data } = useResource("settings", api.settings, ["settings.changed"]);
  if (data === undefined) return null;
  const title = t("home.step.region", { region: region(data.region) });
  return (
    <Step done={done} title={title} why={t("home.step.region_why")} href="#/system/settings">
      {!done && (
        <button type="button" class="button button-small" onClick={onSeen}>
          {t("home.step.region_ok")}
        </button>
      )}
    </Step>
  );
}

interface StepProps {
  done: boolean;
  title: string;
  why: string;
  href: string;
  children?: preact.ComponentChildren;
}

function Step({ done, title, why, href, children }: StepProps) {
  return (
    <li class={done ? "step step-done" : "step"}>
      <span class="step-mark">
        {done && <Icon name="allow" />}
        <span class="hidden">{t(done ? "home.step.done" : "home.step.open")}</span>
      </span>
      <div>
        {done ? (
          <span class="step-title">{title}</span>
        ) : (
          <a class="step-title" href={href}>
            {title}
          </a>
        )}
        {!done && <p class="soft">{why}</p>}
        {children}
      </div>
    </li>
  );
}
