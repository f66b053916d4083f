import { Component, type ComponentChildren, type ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { callerName } from "./parts/calltable";
import { Meerkat } from "./parts/meerkat";
import { Shell } from "./parts/shell";
import { Failure, Skeleton } from "./parts/states";
import { Toasts } from "./parts/toasts";
import { Problem } from "./client";
import { onEvent } from "./live";
import { Calls } from "./pages/calls";
import { Claim, ClaimWithoutLink, SignIn } from "./pages/entry";
import { Home } from "./pages/home";
// It shares the list of alarms with the start page: fetched later, that would be a request of its own at every start.
import { Household } from "./pages/household";
import { Lists } from "./pages/lists";
import { Missing } from "./pages/missing";
import { NumberDetails } from "./pages/number";
import type { Route } from "./route";
import { forgetClaimToken, route } from "./router";
import { refreshSession, session, sessionProblem } from "./session";
import { useSummary } from "./summary";
import { t, type Key } from "./words";

export function App() {
  return (
    <>
      <Doors />
      <Toasts />
    </>
  );
}

function Doors() {
  const now = session.value;
  const at = route.value;
  if (now === null) return <Waiting />;
  if (now.state === "signed_in") return <Inside />;
  if (now.state === "unclaimed") return at.page === "claim" ? <Claim token={at.token} /> : <ClaimWithoutLink />;
  return <SignIn />;
}

function Waiting() {
  const problem = sessionProblem.value;
  return (
    <div class="door">
      <main class="door-card door-wait">
        <Meerkat size={56} />
        <h1 class="hidden">{t("app.name")}</h1>
        {problem === null ? <Skeleton rows={1} /> : <Failure problem={problem} retry={() => void refreshSession()} />}
      </main>
    </div>
  );
}

function Inside() {
  useSummary();
  const at = route.value;
  // Going from one neighbour to the next stays on the page, and keeps its list.
  const key = at.page === "messages" ? at.page : JSON.stringify(at);
  useArrival(at, key);
  useEffect(() => {
    if (at.page === "claim") forgetClaimToken();
  }, [at.page]);
  return (
    <Shell>
      <LiveWords />
      <Guard key={key}>{pageOf(at)}</Guard>
    </Shell>
  );
}

function pageOf(at: Route) {
  switch (at.page) {
    case "home":
    case "claim":
      return <Home />;
    case "calls":
      return <Calls />;
    case "lists":
      return <Lists />;
    case "imports":
      return <Imports />;
    case "people":
      return <People />;
    case "number":
      return <NumberDetails number={at.number} />;
    case "messages":
      return <Messages home={at.home} />;
    case "mesh":
      return <Mesh />;
    case "graph":
      return <Graph />;
    case "household":
      return <Household />;
    case "system":
      return <System tab={at.tab} />;
    case "missing":
      return <Missing />;
  }
}

// Calls are what the page is opened for; the rest comes when it is asked for.
const Imports = later(async () => (await import("./pages/imports")).Imports);
const People = later(async () => (await import("./pages/people")).People);
const Messages = later(async () => (await import("./pages/messages")).Messages);
const Mesh = later(async () => (await import("./pages/mesh")).Mesh);
const Graph = later(async () => (await import("./pages/graph")).Graph);
const System = later(async () => (await import("./pages/system")).System);

/** A page whose code is fetched at its first visit. */
function later<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | null = null;
  return function Later(props: P) {
    const [, setRound] = useState(0);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (loaded !== null) return;
      load().then(
        (page) => {
          loaded = page;
          setRound((n) => n + 1);
        },
        () => setFailed(true),
      );
    }, []);
    if (failed) return <Broken />;
    const Page = loaded;
    return Page === null ? <Skeleton rows={6} /> : <Page {...props} />;
  };
}

function Broken() {
  const problem = new Problem(0, "page", t("error.title"), t("error.page"), null);
  return <Failure problem={problem} retry={() => location.reload()} />;
}

/** A fault in one page leaves the frame standing. */
class Guard extends Component<{ children: ComponentChildren }, { broken: boolean }> {
  override state = { broken: false };
  static override getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }
  override render(): ComponentChildren {
    return this.state.broken ? <Broken /> : this.props.children;
  }
}

const TITLES: Readonly<Record<Exclude<Route["page"], "number">, Key>> = {
  home: "home.title",
  claim: "home.title",
  calls: "calls.title",
  lists: "calls.tab.lists",
  imports: "calls.tab.imports",
  people: "calls.tab.people",
  messages: "messages.title",
  mesh: "mesh.title",
  graph: "graph.title",
  household: "household.title",
  system: "system.title",
  missing: "missing.title",
};

/** Names the page in the window's title and moves the focus to its heading, as a page load would. */
function useArrival(at: Route, key: string): void {
  const first = useRef(true);
  useEffect(() => {
    const title = at.page === "number" ? at.number : t(TITLES[at.page]);
    document.title = `${title} · ${t("app.name")}`;
    if (!first.current) {
      scrollTo(0, 0);
      (document.querySelector<HTMLElement>("main h1") ?? document.querySelector<HTMLElement>("main"))?.focus({
        preventScroll: true,
      });
    }
    first.current = false;
  }, [key]);
}

/** Tells people who do not see the page of calls as they come. */
function LiveWords() {
  const [words, setWords] = useState("");
  useEffect(
    () =>
      onEvent((event) => {
        if (event.type !== "call.screened") return;
        const call = event.data;
        setWords(
          t("call.live", {
            who: callerName(call),
            verdict: t(`verdict.${call.verdict}`).toLowerCase(),
            why: call.reasons[0]?.words ?? "",
          }),
        );
      }),
    [],
  );
  return (
    <p class="hidden" role="status">
      {words}
    </p>
  );
}
