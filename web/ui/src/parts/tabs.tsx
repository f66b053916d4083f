import { t } from "../words";

/** What is under "Calls". */
export function CallsTabs({ now }: { now: "calls" | "lists" | "people" | "imports" }) {
  return (
    <nav class="tabs" aria-label={t("calls.tabs")}>
      <a href="#/calls" aria-current={now === "calls" ? "page" : undefined}>
        {t("calls.tab.log")}
      </a>
      <a href="#/calls/lists" aria-current={now === "lists" ? "page" : undefined}>
        {t("calls.tab.lists")}
      </a>
      <a href="#/calls/people" aria-current={now === "people" ? "page" : undefined}>
        {t("calls.tab.people")}
      </a>
      <a href="#/calls/imports" aria-current={now === "imports" ? "page" : undefined}>
        {t("calls.tab.imports")}
      </a>
    </nav>
  );
}
