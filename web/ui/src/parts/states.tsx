/** What stands where data is missing: on its way, not there yet, or refused. */
import type { ComponentChildren } from "preact";

import type { Problem } from "../client";
import { t } from "../words";
import { Icon, type IconName } from "./icon";

export function Skeleton({ rows = 3 }: { rows?: number }) {
  return (
    <div class="skeletons" role="status">
      <span class="hidden">{t("app.loading")}</span>
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} class="skeleton" aria-hidden="true" />
      ))}
    </div>
  );
}

interface EmptyProps {
  icon: IconName;
  title: string;
  why: string;
  children?: ComponentChildren;
}

export function Empty({ icon, title, why, children }: EmptyProps) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={icon} size={24} />
      </span>
      <p class="empty-title">{title}</p>
      <p class="empty-why">{why}</p>
      {children}
    </div>
  );
}

export function Failure({ problem, retry }: { problem: Problem; retry: () => void }) {
  return (
    <div class="failure" role="alert">
      <Icon name="challenge" />
      <div>
        <p class="failure-title">{problem.title}</p>
        {problem.message !== problem.title && <p>{problem.message}</p>}
      </div>
      <button type="button" class="button" onClick={retry}>
        {t("app.retry")}
      </button>
    </div>
  );
}
