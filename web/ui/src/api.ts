/** Every request the page makes. */
import type {
  ApiKey,
  Call,
  Category,
  Config,
  DayStats,
  ListEntry,
  Neighbour,
  Neighbours,
  NewApiKey,
  NodeInfo,
  NumberPage,
  Page,
  Peers,
  Role,
  Session,
  Settings,
  Standing,
  Summary,
  Verdict,
} from "./types";
import { t } from "./words";

/** A refusal as the node words it (RFC 9457), or our own words when there was no answer. */
export class Problem extends Error {
  override readonly name = "Problem";
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly field: string | null,
  ) {
    super(detail === "" ? title : detail);
  }
}

/** Anything thrown, as a [[Problem]]. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, "unreachable", t("error.title"), t("error.unreachable"), null);
}

/** How long to wait before asking again, if the node is only busy checking its data; else `null`. */
export function askAgainMs(problem: Problem): number | null {
  return problem.code === "checking" ? 2_000 : null;
}

/** Whether a request was given up on purpose. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

let csrf: string | null = null;
let onSignedOut: () => void = () => undefined;

/** The token that unsafe requests carry. */
export function setCsrf(token: string | null): void {
  csrf = token;
}

/** What to do when the node no longer knows the session. */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

type Query = Readonly<Record<string, string | number | null | undefined>>;
interface Options {
  readonly query?: Query;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

async function request<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf !== null) headers["X-CSRF-Token"] = csrf;
  const response = await fetch(path + queryText(options.query ?? {}), {
    method,
    headers,
    credentials: "same-origin",
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  if (!response.ok) {
    const problem = await readProblem(response);
    // A wrong pass-phrase is a 401 too, but there is no session to lose then.
    if (response.status === 401 && path !== "/api/v1/session" && path !== "/api/v1/claim") onSignedOut();
    throw problem;
  }
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Problem(response.status, "unreadable", t("error.title"), t("error.unexpected"), null);
  }
}

async function readProblem(response: Response): Promise<Problem> {
  const fallback = new Problem(response.status, "unknown", t("error.title"), t("error.unexpected"), null);
  try {
    const body = (await response.json()) as Partial<Record<string, unknown>>;
    const text = (value: unknown, otherwise: string): string =>
      typeof value === "string" ? value : otherwise;
    return new Problem(
      response.status,
      text(body.code, "unknown"),
      text(body.title, fallback.title),
      text(body.detail, ""),
      typeof body.field === "string" ? body.field : null,
    );
  } catch {
    return fallback;
  }
}

/** `?a=1&b=2` of what is set. */
export function queryText(query: Query): string {
  const set = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") set.set(name, String(value));
  }
  const text = set.toString();
  return text === "" ? "" : `?${text}`;
}

const V1 = "/api/v1";
const part = encodeURIComponent;
type Signal = AbortSignal | undefined;

export const api = {
  session: () => request<Session>("GET", `${V1}/session`),
  signIn: (name: string, password: string) =>
    request<Session>("POST", `${V1}/session`, { body: { name, password } }),
  signOut: () => request<undefined>("DELETE", `${V1}/session`),
  claim: (token: string, name: string, password: string) =>
    request<Session>("POST", `${V1}/claim`, { body: { token, name, password } }),
  health: (signal: AbortSignal) => request<{ status: string }>("GET", "/health", { signal }),
  summary: (signal?: Signal) => request<Summary>("GET", `${V1}/summary`, { signal }),
  calls: (
    query: { cursor?: string | null; limit?: number; number?: string; verdict?: Verdict | null },
    signal?: Signal,
  ) => request<Page<Call>>("GET", `${V1}/calls`, { query, signal }),
  stats: (days: number, signal?: Signal) =>
    request<{ days: DayStats[] }>("GET", `${V1}/calls/stats`, { query: { days }, signal }),
  numbers: (query: { cursor?: string | null; limit?: number; standing?: Standing | null }, signal?: Signal) =>
    request<Page<ListEntry>>("GET", `${V1}/numbers`, { query, signal }),
  number: (number: string, signal?: Signal) =>
    request<NumberPage>("GET", `${V1}/numbers/${part(number)}`, { signal }),
  setEntry: (subject: string, body: { standing: Standing; label: string; notes: string }) =>
    request<ListEntry>("PUT", `${V1}/lists/${part(subject)}`, { body }),
  removeEntry: (subject: string) => request<undefined>("DELETE", `${V1}/lists/${part(subject)}`),
  report: (number: string, category: Category) =>
    request<{ waiting?: boolean }>("POST", `${V1}/reports`, { body: { number, category } }),
  retract: (number: string) => request<undefined>("DELETE", `${V1}/reports/${part(number)}`),
  peers: (signal?: Signal) => request<Peers>("GET", `${V1}/peers`, { signal }),
  neighbours: (signal?: Signal) => request<Neighbours>("GET", `${V1}/neighbours`, { signal }),
  vouch: (card: string, name: string) =>
    request<Neighbour>("POST", `${V1}/vouches`, { body: { card, name } }),
  unvouch: (home: string) => request<undefined>("DELETE", `${V1}/vouches/${part(home)}`),
  node: (signal?: Signal) => request<NodeInfo>("GET", `${V1}/node`, { signal }),
  settings: (signal?: Signal) => request<Settings>("GET", `${V1}/settings`, { signal }),
  setSettings: (body: Omit<Settings, "pinned">) => request<Settings>("PUT", `${V1}/settings`, { body }),
  config: (signal?: Signal) => request<Config>("GET", `${V1}/config`, { signal }),
  keys: (signal?: Signal) => request<{ items: ApiKey[] }>("GET", `${V1}/api-keys`, { signal }),
  createKey: (name: string, role: Role) =>
    request<NewApiKey>("POST", `${V1}/api-keys`, { body: { name, role } }),
  deleteKey: (id: string) => request<undefined>("DELETE", `${V1}/api-keys/${part(id)}`),
};
