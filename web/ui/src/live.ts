/** The WebSocket to the node. The rules are in `events.ts`; here are only the socket and the timers. */
import { signal } from "@preact/signals";

import { api } from "./requests";
import { isAbort } from "./client";
import { START, backoffMs, broken, greeting, opened, received, type Resume } from "./events";
import type { LiveEvent } from "./types";

export type Connection = "connecting" | "live" | "waiting" | "offline";

/** How the page is connected now. */
export const connection = signal<Connection>("connecting");

const eventListeners = new Set<(event: LiveEvent) => void>();
const refetchListeners = new Set<() => void>();

/** Calls `listen` with every event, each once and in order. Returns what ends it. */
export function onEvent(listen: (event: LiveEvent) => void): () => void {
  eventListeners.add(listen);
  return () => eventListeners.delete(listen);
}

/** Calls `listen` when events were lost and what is shown must be fetched again. Returns what ends it. */
export function onRefetch(listen: () => void): () => void {
  refetchListeners.add(listen);
  return () => refetchListeners.delete(listen);
}

/** A first fetch waits this long for the socket: events then begin before the data, so nothing falls between. */
const SETTLE_MS = 1_500;
/** A quiet socket may be dead without the browser noticing; the node pings every 20 s, but scripts do not see pings. */
const QUIET_MS = 30_000;
const PROBE_MS = 5_000;

let socket: WebSocket | null = null;
let resume: Resume = START;
let retry: ReturnType<typeof setTimeout> | undefined;
let quiet: ReturnType<typeof setTimeout> | undefined;
let running = false;
let fetched = false;
let settle: () => void = () => undefined;
let settled: Promise<void> = Promise.resolve();

/** Resolves once the first connection stands or has failed, so that fetching may begin. */
export function whenSettled(): Promise<void> {
  return settled;
}

/** Connects and stays connected until [[stop]]. */
export function start(): void {
  if (running) return;
  running = true;
  fetched = false;
  resume = START;
  settled = new Promise((resolve) => {
    const timer = setTimeout(done, SETTLE_MS);
    function done(): void {
      clearTimeout(timer);
      fetched = true;
      resolve();
    }
    settle = done;
  });
  connection.value = "connecting";
  connect();
}

/** Disconnects, at sign-out. */
export function stop(): void {
  running = false;
  clearTimeout(retry);
  clearTimeout(quiet);
  const old = socket;
  socket = null;
  old?.close();
  settle();
}

/** Tries at once instead of after the wait. */
export function tryNow(): void {
  if (!running || socket !== null) return;
  clearTimeout(retry);
  connect();
}

function connect(): void {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const mine = new WebSocket(`${scheme}://${location.host}/api/v1/events/ws`);
  socket = mine;
  mine.addEventListener("open", () => {
    if (socket !== mine) return;
    mine.send(greeting(resume));
    const step = opened(resume, fetched);
    resume = step.resume;
    connection.value = "live";
    settle();
    if (step.refetch) refetchAll();
    watchQuiet(mine);
  });
  mine.addEventListener("message", (message) => {
    if (socket !== mine || typeof message.data !== "string") return;
    watchQuiet(mine);
    const step = received(resume, message.data);
    resume = step.resume;
    if (step.refetch) refetchAll();
    const { event } = step;
    if (event !== null) for (const listen of [...eventListeners]) listen(event);
  });
  mine.addEventListener("close", () => {
    if (socket === mine) lost();
  });
}

function lost(): void {
  socket = null;
  clearTimeout(quiet);
  if (!running) return;
  resume = broken(resume);
  connection.value = navigator.onLine ? "waiting" : "offline";
  settle();
  retry = setTimeout(connect, backoffMs(resume.attempt, Math.random()));
  // A session that ended elsewhere refuses the socket without saying why; an ordinary request tells.
  if (resume.attempt >= 2) api.summary().catch(() => undefined);
}

function refetchAll(): void {
  for (const listen of [...refetchListeners]) listen();
}

function watchQuiet(mine: WebSocket): void {
  clearTimeout(quiet);
  quiet = setTimeout(() => void probe(mine), QUIET_MS);
}

async function probe(mine: WebSocket): Promise<void> {
  try {
    await api.health(AbortSignal.timeout(PROBE_MS));
  } catch (error) {
    // A node in trouble answers 503 and still lives; only silence counts.
    const silent = isAbort(error) || error instanceof TypeError || error instanceof DOMException;
    if (silent && socket === mine) {
      mine.close();
      lost();
      return;
    }
  }
  if (socket === mine) watchQuiet(mine);
}

if (typeof window !== "undefined") {
  window.addEventListener("online", tryNow);
  window.addEventListener("offline", () => {
    if (connection.value !== "live") connection.value = "offline";
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    if (socket === null) tryNow();
    else if (socket.readyState === WebSocket.OPEN) void probe(socket);
  });
}
