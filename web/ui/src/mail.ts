/** What is shown of the messages with one neighbour: pages of them, put together. */
import type { Message } from "./types";

/** A page as the node gives it: the newest first. */
export interface Page {
  readonly items: readonly Message[];
  readonly next: string | null;
  readonly damaged: number;
}

export interface Mail {
  /** Each message once, the oldest first, and none left out between two. */
  readonly items: readonly Message[];
  /** For the page before the oldest one; `null` at the end. */
  readonly next: string | null;
  readonly damaged: number;
}

export const NOTHING: Mail = { items: [], next: null, damaged: 0 };

/** Takes in the newest page: it is right about all it reaches over, and what lies before it stays. */
export function withNewest(mail: Mail, page: Page): Mail {
  const oldest = Math.min(...page.items.map(({ number }) => number));
  const newestShown = mail.items.at(-1)?.number ?? 0;
  // If more came than a page holds, what lies between is unknown: it is shown only once it is asked for.
  if (page.next === null || newestShown < oldest) return { ...page, items: sorted(page.items) };
  const before = mail.items.filter(({ number }) => number < oldest);
  const next = before.length === 0 ? page.next : mail.next;
  return { items: sorted([...before, ...page.items]), next, damaged: page.damaged };
}

/** Takes in the page that was asked for with `cursor`, unless what is shown has become another since. */
export function withOlder(mail: Mail, cursor: string, page: Page): Mail {
  if (mail.next !== cursor) return mail;
  return { items: sorted([...page.items, ...mail.items]), next: page.next, damaged: mail.damaged };
}

/** Leaves out a message that was taken back. */
export function without(mail: Mail, number: number): Mail {
  return { ...mail, items: mail.items.filter((message) => message.number !== number) };
}

/** Each message once, as it was given last. */
function sorted(messages: readonly Message[]): readonly Message[] {
  const each = new Map(messages.map((message) => [message.number, message]));
  return [...each.values()].sort((a, b) => a.number - b.number);
}
