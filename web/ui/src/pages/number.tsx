import { useEffect, useState } from "preact/hooks";

import { api } from "../requests";
import { useCallFeed } from "../callfeed";
import { report, retract, setStanding } from "../deeds";
import { day, share } from "../format";
import { Meter } from "../parts/badge";
import { CallTable } from "../parts/calltable";
import { Card } from "../parts/card";
import { Dispute } from "../parts/dispute";
import { Choice, Field } from "../parts/field";
import { Form } from "../parts/form";
import { Icon } from "../parts/icon";
import { Record } from "../parts/record";
import { Empty, Failure, Skeleton } from "../parts/states";
import { Time } from "../parts/time";
import { useResource } from "../resource";
import { has } from "../session";
import { attempt, done } from "../toasts";
import type { Category, NumberPage, NumberReport, Standing } from "../types";
import { t, tn } from "../words";

const CATEGORIES: readonly Category[] = ["spam", "scam", "robocall", "telemarketer", "legit"];
const STANDINGS: readonly Standing[] = ["allow", "unknown", "block"];
const ITS_CALLS = 20;

export function NumberDetails({ number }: { number: string }) {
  const resource = useResource(number, (signal) => api.number(number, signal), [
    "report.*",
    "vouch.changed",
    "lists.changed",
    "people.changed",
    "alarms.changed",
    "settings.changed",
    "imports.changed",
    "calls.erased",
    "call.saved",
  ]);
  const { data, problem, reload } = resource;
  return (
    <div class="page">
      <a class="link back" href="#/calls">
        <Icon name="undo" size={16} />
        {t("calls.title")}
      </a>
      {data === undefined && <h1 tabIndex={-1}>{number}</h1>}
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton rows={5} />}
      {data !== undefined && <Found of={data} reload={reload} />}
    </div>
  );
}

interface PartProps {
  of: NumberPage;
  reload: () => void;
}

function Found({ of, reload }: PartProps) {
  const label = of.entry?.label ?? "";
  return (
    <>
      <header class="number-head">
        <h1 tabIndex={-1}>{label !== "" ? label : of.spaced}</h1>
        <p class="soft" hidden={of.kind !== "number"}>
          {[...(label !== "" ? [of.spaced] : []), tn("number.calls", of.calls)].join(" · ")}
          {of.last_call !== null && (
            <>
              {", "}
              {t("number.last", { when: "" })}
              <Time unix={of.last_call} />
            </>
          )}
        </p>
      </header>
      <div class="columns">
        <div class="column-main">
          <Assessment of={of} />
          {of.kind === "number" && (
            <WhoSays reports={of.reports} confirmations={of.confirmations} through={of.assessment.through} />
          )}
          {of.kind === "number" && <ItsCalls number={of.number} />}
        </div>
        {of.kind !== "number" && <NoReport kind={of.kind} />}
        {of.kind === "number" && has("member") && (
          <div class="column-side">
            <OwnReport of={of} reload={reload} />
            <OwnRule of={of} reload={reload} />
            <Record of={of} reload={reload} />
          </div>
        )}
      </div>
    </>
  );
}

function Assessment({ of }: { of: NumberPage }) {
  const { verdict, risk, reasons } = of.assessment;
  return (
    <section class={`assessment assessment-${verdict}`} aria-label={t("number.now")}>
      <span class="assessment-icon">
        <Icon name={verdict} size={28} />
      </span>
      <div>
        <p class="assessment-when">{t("number.now")}</p>
        <h2>{t(`verdict.${verdict}.now`)}</h2>
        {of.assessment.quiet && <p>{t("number.quiet")}</p>}
        <ul class="why" aria-label={t("number.why")}>
          {reasons.map((reason) => (
            <li key={reason.code}>{reason.words}</li>
          ))}
          {of.assessment.changes.map((change) => (
            <li key={change}>{change}</li>
          ))}
        </ul>
        {of.kind === "number" && (
          <p class="assessment-figures">
            <Meter value={risk} label={t("call.risk", { n: share(risk) })} tone={verdict} />
            <Meter value={of.reputation} label={t("number.reputation", { n: share(of.reputation) })} tone="neutral" />
          </p>
        )}
      </div>
    </section>
  );
}

/** What is no subscriber's number can be tested, but neither reported nor listed. */
function NoReport({ kind }: { kind: Exclude<NumberPage["kind"], "number"> }) {
  return (
    <div class="card">
      <p>{t(`number.${kind}`)}</p>
      {(kind === "anonymous" || kind === "invalid") && (
        <a class="link" href="#/system/settings">
          {t("number.to_settings")}
          <Icon name="right" size={16} />
        </a>
      )}
    </div>
  );
}

/** Hundredths of a word as people write them. */
function words(hundredths: number): string {
  return (hundredths / 100).toFixed(2);
}

function counted(report: NumberReport): string {
  if (report.own) return t("number.counts_own");
  const n = words(report.counted);
  return report.distance === 1 ? t("number.counts_near", { n }) : t("number.counts", { n, hops: report.distance });
}

function WhoSays({
  reports,
  confirmations,
  through,
}: {
  reports: readonly NumberReport[];
  confirmations: number;
  through: NumberPage["assessment"]["through"];
}) {
  return (
    <Card
      title={t("number.who")}
      why={confirmations === 0 ? t("number.no_confirmations") : tn("number.confirmations", confirmations)}
    >
      {reports.length === 0 ? (
        <Empty icon="mesh" title={t("number.who_none")} why={t("number.who_none_why")} />
      ) : (
        <table class="plain">
          <caption class="hidden">{t("number.who_caption")}</caption>
          <thead>
            <tr>
              <th scope="col">{t("number.column.home")}</th>
              <th scope="col">{t("number.column.says")}</th>
              <th scope="col" class="wide">
                {t("number.column.day")}
              </th>
              <th scope="col">{t("number.column.weight")}</th>
            </tr>
          </thead>
          <tbody>
            {reports.map((r) => (
              <tr key={`${r.home} ${r.day} ${r.category}`}>
                <th scope="row" title={r.home}>
                  {r.own ? t("number.own") : (r.name ?? t("number.stranger"))}
                </th>
                <td>
                  <span class={`tag tag-${r.category === "legit" ? "allow" : "block"}`}>
                    {t(`category.${r.category}`)}
                  </span>
                </td>
                <td class="wide">{day(r.day)}</td>
                <td class="soft">{counted(r)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {/* Through whom neighbours speak is themselves: nothing to be told. */}
      {reports.some((r) => r.distance > 1) && (
        <ul class="why" aria-label={t("number.through")}>
          {through.map((way) => (
            <li key={way.home}>
              {t(way.legit > 0 ? "number.through_both" : "number.through_one", {
                name: way.name ?? t("number.stranger"),
                against: words(way.against),
                legit: words(way.legit),
              })}
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function ItsCalls({ number }: { number: string }) {
  const feed = useCallFeed({ verdict: null, number }, ITS_CALLS);
  return (
    <Card title={t("number.log")}>
      {feed.problem !== undefined && <Failure problem={feed.problem} retry={feed.reload} />}
      {feed.calls === undefined && feed.problem === undefined && <Skeleton />}
      {feed.calls?.length === 0 && <Empty icon="calls" title={t("number.log_none")} why={t("number.log_none_why")} />}
      {feed.calls !== undefined && feed.calls.length > 0 && (
        <CallTable
          caption={t("number.log_caption")}
          calls={feed.calls}
          fresh={feed.fresh}
          withCaller={false}
          withActions={false}
        />
      )}
      {feed.next !== null && (
        <div class="more">
          <button type="button" class="button" disabled={feed.loadingMore} onClick={feed.more}>
            {feed.loadingMore ? t("app.loading_more") : t("app.more")}
          </button>
        </div>
      )}
    </Card>
  );
}

function OwnReport({ of, reload }: PartProps) {
  const [busy, setBusy] = useState(false);
  const own = of.own_report;
  const press = async (category: Category): Promise<void> => {
    setBusy(true);
    if (own?.category === category) await retract(of.number, category, of.spaced);
    else await report(of.number, category, of.spaced);
    setBusy(false);
    reload();
  };
  return (
    <Card title={t("number.report")} why={t("number.report_why")}>
      <div class="report-buttons" role="group" aria-label={t("number.report")}>
        {CATEGORIES.map((category) => (
          <button
            key={category}
            type="button"
            class={`button toggle ${category === "legit" ? "toggle-allow" : "toggle-block"}`}
            aria-pressed={own?.category === category}
            aria-disabled={busy}
            onClick={() => {
              if (!busy) void press(category);
            }}
          >
            <Icon name={category === "legit" ? "thumb" : "flag"} size={18} />
            {t(`category.${category}`)}
          </button>
        ))}
      </div>
      {own !== null && (
        <p class="soft">
          {t("number.reported_on", {
            category: t(`category.${own.category}`).toLowerCase(),
            day: day(own.day),
          })}
        </p>
      )}
    </Card>
  );
}

function OwnRule({ of, reload }: PartProps) {
  const entry = of.entry;
  const exact = entry?.kind === "number" ? entry : null;
  const [label, setLabel] = useState(exact?.label ?? "");
  const [notes, setNotes] = useState(exact?.notes ?? "");
  useEffect(() => {
    setLabel(exact?.label ?? "");
    setNotes(exact?.notes ?? "");
  }, [exact?.label, exact?.notes]);
  const changed = label !== (exact?.label ?? "") || notes !== (exact?.notes ?? "");
  const save = async (): Promise<void> => {
    await attempt(async () => {
      await api.setEntry(of.number, { standing: exact?.standing ?? "unknown", label, notes });
      done(t("app.saved"));
    });
    reload();
  };
  return (
    <Card title={t("number.rule")} why={t("number.rule_why")}>
      {exact?.disputed === true && <Dispute entry={exact} onSettled={reload} />}
      <Choice
        label={t("number.rule")}
        hideLabel
        value={exact?.standing ?? "unknown"}
        onValue={(standing) => void setStanding(of.number, standing, exact, of.spaced).then(reload)}
        options={STANDINGS.map((value) => ({
          value,
          label: t(`standing.${value}.do`),
          tone: `tone-${value}`,
        }))}
      />
      {exact?.standing === "allow" &&
        of.own_report?.category !== "legit" &&
        (of.confirmations > 0 || of.own_report !== null) && (
          <div class="offer">
            <p>{t("number.tell_why")}</p>
            <button
              type="button"
              class="button"
              onClick={() => void report(of.number, "legit", of.spaced).then(reload)}
            >
              <Icon name="thumb" size={18} />
              {t("number.tell")}
            </button>
          </div>
        )}
      <Form onSend={save}>
        <Field label={t("lists.label")} hint={t("lists.label_hint")} value={label} onValue={setLabel} maxLength={80} />
        <Field label={t("lists.notes")} control="textarea" rows={3} value={notes} onValue={setNotes} maxLength={2000} />
        <button type="submit" class="button" disabled={!changed}>
          {t("app.save")}
        </button>
      </Form>
    </Card>
  );
}
