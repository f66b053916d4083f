/** The frame round every page of somebody signed in: rail or bottom bar, search, banners. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { connection } from "../live";
import { go, route } from "../router";
import { address, placeOf } from "../route";
import { has, session } from "../session";
import { summary } from "../summary";
import { following, setTheme, theme } from "../theme";
import { t, tn } from "../words";
import { Banners } from "./banners";
import { Icon, type IconName } from "./icon";
import { IconButton } from "./iconbutton";
import { Meerkat } from "./meerkat";

const PLACES: readonly {
  page: "home" | "calls" | "messages" | "mesh" | "household" | "system";
  href: string;
  icon: IconName;
}[] = [
  { page: "home", href: "#/", icon: "home" },
  { page: "calls", href: "#/calls", icon: "calls" },
  { page: "messages", href: "#/messages", icon: "letter" },
  { page: "mesh", href: "#/mesh", icon: "mesh" },
  { page: "household", href: "#/household", icon: "household" },
  { page: "system", href: "#/system", icon: "system" },
];

export function Shell({ children }: { children: ComponentChildren }) {
  const place = placeOf(route.value.page);
  return (
    <div class="shell">
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          // The part behind # is the page's address, so the jump is made by hand.
          event.preventDefault();
          document.getElementById("content")?.focus();
        }}
      >
        {t("app.skip")}
      </a>
      <header class="top">
        <a class="brand" href="#/">
          <Meerkat />
          <span class="brand-words">
            <span class="brand-name">{t("app.name")}</span>
            <span class="brand-node">{session.value?.node_name}</span>
          </span>
        </a>
        <nav class="nav" aria-label={t("app.navigation")}>
          <ul>
            {PLACES.filter(({ page }) => page !== "messages" || has("member")).map(({ page, href, icon }) => (
              <li key={page}>
                <a href={href} aria-current={page === place ? "page" : undefined}>
                  <Icon name={icon} size={22} />
                  <span>{t(`nav.${page}`)}</span>
                  {page === "messages" && <Unread />}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="top-tools">
          <LiveMark />
          <ThemeSwitch />
        </div>
        <Search />
      </header>
      <div class="body">
        <Banners />
        <main id="content" tabIndex={-1}>
          {children}
        </main>
      </div>
    </div>
  );
}

/** How many messages nobody has read, beside the way to them. */
function Unread() {
  const unread = summary.value?.unread ?? 0;
  if (unread === 0) return null;
  return (
    <span class="badge-count">
      <span aria-hidden="true">{unread > 99 ? "99+" : unread}</span>
      <span class="hidden">{tn("messages.unread", unread)}</span>
    </span>
  );
}

function LiveMark() {
  return (
    <span class={`live live-${connection.value}`}>
      <span class="live-dot" aria-hidden="true" />
      {t(`live.${connection.value}`)}
    </span>
  );
}

export function ThemeSwitch() {
  const now = theme.value;
  const next = following(now);
  const label = t("theme.label", { now: t(`theme.${now}`), next: t(`theme.${next}`) });
  return <IconButton icon={now} label={label} onClick={() => setTheme(next)} />;
}

/** Test a number: what would happen if it called now. */
function Search() {
  const [text, setText] = useState("");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const slash = (event: KeyboardEvent): void => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      const at = document.activeElement;
      if (at instanceof HTMLInputElement || at instanceof HTMLTextAreaElement || at instanceof HTMLSelectElement)
        return;
      if (document.querySelector("dialog[open]") !== null) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    };
    document.addEventListener("keydown", slash);
    return () => document.removeEventListener("keydown", slash);
  }, []);
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const number = text.trim();
        if (number === "") return;
        setText("");
        go(address({ page: "number", number }));
      }}
    >
      <Icon name="search" />
      <input
        ref={input}
        type="search"
        inputMode="tel"
        autocomplete="off"
        maxLength={40}
        aria-label={t("search.label")}
        title={t("search.hint")}
        placeholder={t("search.placeholder")}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" class="search-go" aria-label={t("search.go")}>
        <Icon name="right" size={18} />
      </button>
    </form>
  );
}
