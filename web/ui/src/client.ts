/** Requests to the node, each typed by its path in the OpenAPI document: what it takes and what it answers. */
import type { paths } from "./api";
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

/** What to do when the node no longer knows the session, or its token has become another in a second window. */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

type Verb = "get" | "put" | "post" | "delete";
/** The verbs that a path knows. */
export type VerbOf<P extends keyof paths> = {
  [V in Verb]: paths[P][V] extends { responses: unknown } ? V : never;
}[Verb];
type Content<R> = R extends { content: { "application/json": infer T } } ? T : undefined;
type Good = 200 | 201 | 202 | 204;
/** What an operation answers when it goes well. */
export type Answer<P extends keyof paths, V extends VerbOf<P>> = paths[P][V] extends { responses: infer R }
  ? { [S in keyof R & Good]: Content<R[S]> }[keyof R & Good]
  : never;
type QueryOf<O> = O extends { parameters: { query?: infer Q } } ? Exclude<Q, undefined> : never;
type PathOf<O> = O extends { parameters: { path: infer A } } ? { path: A } : { path?: never };
type BodyOf<O> = O extends { requestBody: { content: { "application/json": infer B } } }
  ? { body: B }
  : { body?: never };
/** What an operation takes. */
export type Asking<P extends keyof paths, V extends VerbOf<P>> = PathOf<paths[P][V]> &
  BodyOf<paths[P][V]> & { query?: QueryOf<paths[P][V]>; signal?: AbortSignal | undefined };

/** Calls an operation of the node. Throws a [[Problem]] if the node refuses. */
export async function call<P extends keyof paths, V extends VerbOf<P>>(
  verb: V,
  path: P,
  asking: Asking<P, V>,
): Promise<Answer<P, V>> {
  const {
    path: parts,
    query,
    body,
    signal,
  } = asking as {
    path?: Record<string, string>;
    query?: Record<string, string | number | null | undefined>;
    body?: unknown;
    signal?: AbortSignal;
  };
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (verb !== "get" && csrf !== null) headers["X-CSRF-Token"] = csrf;
  const response = await fetch(fill(path, parts ?? {}) + queryText(query ?? {}), {
    method: verb.toUpperCase(),
    headers,
    credentials: "same-origin",
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  return (await read(response)) as Answer<P, V>;
}

/** Puts bytes as they are, and reads the answer as what the caller knows it to be. */
export async function putBytes<T>(
  path: string,
  bytes: Blob,
  signal?: AbortSignal,
  further: Readonly<Record<string, string>> = {},
): Promise<T> {
  const headers: Record<string, string> = {
    Accept: "application/json",
    "Content-Type": "application/octet-stream",
    ...further,
  };
  if (csrf !== null) headers["X-CSRF-Token"] = csrf;
  const response = await fetch(path, {
    method: "PUT",
    headers,
    credentials: "same-origin",
    body: bytes,
    ...(signal === undefined ? {} : { signal }),
  });
  return (await read(response)) as T;
}

/** Asks for something that is answered by a file. */
export async function fetchFile(path: string, body: unknown): Promise<Blob> {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (csrf !== null) headers["X-CSRF-Token"] = csrf;
  const asked = { method: "POST", headers, credentials: "same-origin" as const, body: JSON.stringify(body) };
  const response = await fetch(path, asked);
  if (!response.ok) await read(response);
  return response.blob();
}

/** What a response holds. Throws a [[Problem]] if it is a refusal, and ends the session if that is gone. */
async function read(response: Response): Promise<unknown> {
  if (!response.ok) {
    const problem = await readProblem(response);
    // A wrong password is a 401 too, but there is no session to lose then.
    if (problem.code === "signed_out" || problem.code === "csrf") onSignedOut();
    throw problem;
  }
  if (response.status === 204) return undefined;
  try {
    return await response.json();
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Problem(response.status, "unreadable", t("error.title"), t("error.unexpected"), null);
  }
}

async function readProblem(response: Response): Promise<Problem> {
  const fallback = new Problem(response.status, "unknown", t("error.title"), t("error.unexpected"), null);
  try {
    const body = (await response.json()) as Partial<Record<string, unknown>>;
    const text = (value: unknown, otherwise: string): string => (typeof value === "string" ? value : otherwise);
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

/** A path with its `{parts}` put in. */
export function fill(path: string, parts: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts[name] ?? ""));
}

/** `?a=1&b=2` of what is set. */
export function queryText(query: Readonly<Record<string, string | number | null | undefined>>): string {
  const set = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") set.set(name, String(value));
  }
  const text = set.toString();
  return text === "" ? "" : `?${text}`;
}
