import { Empty } from "../parts/states";
import { t } from "../words";

export function Missing() {
  return (
    <div class="page">
      <h1 class="hidden" tabIndex={-1}>
        {t("missing.title")}
      </h1>
      <Empty icon="search" title={t("missing.title")} why={t("missing.why")}>
        <a class="button" href="#/">
          {t("missing.home")}
        </a>
      </Empty>
    </div>
  );
}
