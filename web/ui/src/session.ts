/** Who is using the page. */
import { computed, signal } from "@preact/signals";

import { api } from "./requests";
import { asProblem, setCsrf, whenSignedOut, type Problem } from "./client";
import { start, stop } from "./live";
import type { Role, Session } from "./types";

/** `null` until the node has answered the first time. */
export const session = signal<Session | null>(null);
/** Why the node did not answer. */
export const sessionProblem = signal<Problem | null>(null);

const RANKS: readonly Role[] = ["lookup", "viewer", "member", "moderator", "admin"];

/** Whether the person signed in has at least this role. */
export function has(role: Role): boolean {
  const own = session.value?.role;
  return own !== null && own !== undefined && RANKS.indexOf(own) >= RANKS.indexOf(role);
}

export const isAdmin = computed(() => has("admin"));

/** Takes over what the node said about the session, and connects or disconnects accordingly. */
export function enter(next: Session): void {
  setCsrf(next.csrf);
  session.value = next;
  sessionProblem.value = null;
  if (next.state === "signed_in") start();
  else stop();
}

/** Asks the node who we are. */
export async function refreshSession(): Promise<void> {
  try {
    enter(await api.session());
  } catch (error) {
    sessionProblem.value = asProblem(error);
  }
}

export async function signOut(): Promise<void> {
  await api.signOut();
  await refreshSession();
}

whenSignedOut(() => {
  if (session.value?.state === "signed_in") void refreshSession();
});
