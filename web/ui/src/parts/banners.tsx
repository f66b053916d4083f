/** What concerns every page: a lost connection, a broken configuration, a clock that is not set. */
import { useEffect, useState } from "preact/hooks";

import { api } from "../requests";
import { connection, tryNow } from "../live";
import { useResource } from "../resource";
import { has, isAdmin } from "../session";
import { summary } from "../summary";
import type { ConfigProblem } from "../types";
import { t } from "../words";
import { Icon } from "./icon";
import { NewMembers } from "./newmembers";

/** A break shorter than this is not worth a word: a node that restarts is back by then. */
const PATIENCE_MS = 2_000;

export function Banners() {
  const now = summary.value;
  return (
    <>
      <ConnectionBanner />
      {now?.safe_mode === true && <SafeModeBanner />}
      {now?.checking === true && <Note title={t("checking.title")} why={t("checking.why")} />}
      <NewMembers />
      {now !== null && !now.clock_set && <Note title={t("clock.title")} why={t("clock.why")} />}
    </>
  );
}

function Note({ title, why }: { title: string; why: string }) {
  return (
    <div class="banner banner-challenge" role="status">
      <Icon name="clock" />
      <div>
        <p class="banner-title">{title}</p>
        <p>{why}</p>
      </div>
    </div>
  );
}

function ConnectionBanner() {
  const [shown, setShown] = useState(false);
  const state = connection.value;
  const lost = state === "waiting" || state === "offline";
  useEffect(() => {
    if (!lost) {
      setShown(false);
      return undefined;
    }
    const timer = setTimeout(() => setShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [lost]);
  return (
    <div role="status">
      {shown && (
        <div class="banner banner-challenge">
          <Icon name="offline" />
          <p>{t(state === "offline" ? "live.banner_offline" : "live.banner")}</p>
          <button type="button" class="button" onClick={tryNow}>
            {t("live.now")}
          </button>
        </div>
      )}
    </div>
  );
}

function SafeModeBanner() {
  return (
    <div class="banner banner-block" role="alert">
      <Icon name="challenge" />
      <div>
        <p class="banner-title">{t("safe.title")}</p>
        <p>{t("safe.why")}</p>
        {isAdmin.value ? <SafeModeProblems /> : <p>{t("safe.ask")}</p>}
      </div>
    </div>
  );
}

function SafeModeProblems() {
  const { data } = useResource("config", api.config, ["settings.changed"]);
  return has("admin") && data !== undefined ? <ProblemList problems={data.problems} /> : null;
}

export function ProblemList({ problems }: { problems: readonly ConfigProblem[] }) {
  return (
    <ul class="problems">
      {problems.map((problem) => (
        <li key={`${problem.file}:${problem.line ?? ""}:${problem.words}`}>
          <code>
            {problem.line === null ? problem.file : t("config.place", { file: problem.file, line: problem.line })}
          </code>
          <p>{problem.words}</p>
          <p>
            <strong>{t("safe.remedy")}</strong> {problem.remedy}
          </p>
        </li>
      ))}
    </ul>
  );
}
