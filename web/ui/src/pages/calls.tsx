import { useEffect, useState } from "preact/hooks";

import { api } from "../requests";
import { useCallFeed } from "../callfeed";
import { CallTable } from "../parts/calltable";
import { Card } from "../parts/card";
import { DayChart, total } from "../parts/chart";
import { Choice } from "../parts/field";
import { Icon } from "../parts/icon";
import { Empty, Failure, Skeleton } from "../parts/states";
import { CallsTabs } from "../parts/tabs";
import { useResource } from "../resource";
import type { Verdict } from "../types";
import { t } from "../words";

const PAGE = 50;
const CHART_DAYS = 30;
/** While somebody types, the node is not asked at every letter. */
const TYPING_MS = 300;

export function Calls() {
  return (
    <div class="page">
      <header class="page-head">
        <h1 tabIndex={-1}>{t("calls.title")}</h1>
        <CallsTabs now="calls" />
      </header>
      <Stats />
      <Log />
    </div>
  );
}

function Stats() {
  const { data } = useResource("stats", (signal) => api.stats(CHART_DAYS, signal), ["call.saved"]);
  if (data === undefined || data.days.every((d) => total(d) === 0)) return null;
  return (
    <Card title={t("calls.chart")}>
      <DayChart days={data.days} />
    </Card>
  );
}

type Shown = "all" | Verdict;
const SHOWN: readonly Shown[] = ["all", "allow", "challenge", "block"];

function Log() {
  const [shown, setShown] = useState<Shown>("all");
  const [typed, setTyped] = useState("");
  const [number, setNumber] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setNumber(typed.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const feed = useCallFeed({ verdict: shown === "all" ? null : shown, number }, PAGE);
  // Half a number is no fault of anybody's.
  const noNumber = feed.problem?.status === 422 && number !== "" ? feed.problem : null;
  const filtered = shown !== "all" || number !== "";
  return (
    <section class="card" aria-label={t("calls.tab.log")}>
      <div class="filters">
        <Choice
          label={t("calls.filter")}
          hideLabel
          value={shown}
          onValue={setShown}
          options={SHOWN.map((value) => ({
            value,
            label: value === "all" ? t("calls.filter.all") : t(`verdict.${value}`),
            tone: `tone-${value}`,
          }))}
        />
        <div class="filter-number">
          <label class="hidden" for="filter-number">
            {t("calls.filter.number")}
          </label>
          <input
            id="filter-number"
            class="control"
            type="search"
            inputMode="tel"
            maxLength={40}
            autocomplete="off"
            placeholder={t("calls.filter.number")}
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </div>
      </div>
      {noNumber !== null && <Empty icon="search" title={t("calls.no_number")} why={noNumber.message} />}
      {feed.problem !== undefined && noNumber === null && <Failure problem={feed.problem} retry={feed.reload} />}
      {feed.calls === undefined && feed.problem === undefined && <Skeleton rows={8} />}
      {feed.calls?.length === 0 && !filtered && (
        <Empty icon="calls" title={t("calls.none")} why={t("calls.none_why")} />
      )}
      {feed.calls?.length === 0 && filtered && (
        <Empty icon="search" title={t("calls.none_match")} why={t("calls.none_match_why")} />
      )}
      {feed.calls !== undefined && feed.calls.length > 0 && (
        <>
          <CallTable caption={t("calls.caption")} calls={feed.calls} fresh={feed.fresh} />
          <div class="more">
            {feed.next === null ? (
              <p class="soft">{t("calls.end")}</p>
            ) : (
              <button type="button" class="button" disabled={feed.loadingMore} onClick={feed.more}>
                {feed.loadingMore ? t("app.loading_more") : t("app.more")}
                {!feed.loadingMore && <Icon name="right" size={16} />}
              </button>
            )}
          </div>
        </>
      )}
    </section>
  );
}
