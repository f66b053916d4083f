/** A word on every member's page when a node has come into the household. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";

import { remember, remembered } from "../memory";
import { api } from "../requests";
import { useResource } from "../resource";
import { address } from "../route";
import { t } from "../words";
import { Icon } from "./icon";

/** For how long a node is new to those who have not read of it. */
const NEW_FOR_S = 7 * 86_400;
const READ = "household.read";
const MAX_READ = 64;

const read = signal<ReadonlySet<string>>(new Set((remembered(READ) ?? "").split(" ")));

/** The page itself comes first; that a node is new can be said a moment later. */
const LATER_MS = 2_000;

export function NewMembers() {
  const [later, setLater] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLater(true), LATER_MS);
    return () => clearTimeout(timer);
  }, []);
  return later ? <Fresh /> : null;
}

function Fresh() {
  const { data } = useResource("household", api.household, ["household.changed"]);
  const since = Date.now() / 1000 - NEW_FOR_S;
  const fresh = (data?.members ?? []).filter(
    (member) =>
      !member.own &&
      !member.removed &&
      (member.since ?? 0) > since &&
      member.number !== 0 &&
      !read.value.has(member.peer),
  );
  if (fresh.length === 0) return null;
  const dismiss = (): void => {
    read.value = new Set([...read.value, ...fresh.map((member) => member.peer)].slice(-MAX_READ));
    remember(READ, [...read.value].join(" "));
  };
  return (
    <div class="banner banner-challenge" role="status">
      <Icon name="home" />
      <div>
        <p class="banner-title">{t("household.new", { names: fresh.map((member) => member.name).join(", ") })}</p>
        <p>{t("household.new_why")}</p>
      </div>
      <a class="button" href={address({ page: "household" })}>
        {t("household.new_show")}
      </a>
      <button type="button" class="button" onClick={dismiss}>
        {t("app.dismiss")}
      </button>
    </div>
  );
}
