/** What a person does to a number, each with the way back. */
import { api } from "./requests";
import { attempt, done } from "./toasts";
import type { Category, ListEntry, Standing } from "./types";
import { t } from "./words";

/** Reports a number, shown as `who`; the toast goes back to what was reported before, or to nothing. */
export async function report(number: string, category: Category, who: string): Promise<boolean> {
  return attempt(async () => {
    const before = (await api.number(number)).own_report?.category ?? null;
    const answer = await api.report(number, category);
    const words = t("report.done", { number: who, category: t(`category.${category}`).toLowerCase() });
    done("waiting" in answer ? `${words} ${t("report.waiting")}` : words, async () => {
      if (before === null) await api.retract(number);
      else await api.report(number, before);
    });
  });
}

export async function retract(number: string, category: Category, who: string): Promise<boolean> {
  return attempt(async () => {
    await api.retract(number);
    done(t("report.retracted", { number: who }), async () => {
      await api.report(number, category);
    });
  });
}

/** Sets the rule for a number and keeps its name and notes. */
export async function setStanding(
  subject: string,
  standing: Standing,
  entry: ListEntry | null,
  who: string,
): Promise<boolean> {
  return attempt(async () => {
    const label = entry?.label ?? "";
    const notes = entry?.notes ?? "";
    const empty = standing === "unknown" && label === "" && notes === "";
    if (empty) await api.removeEntry(subject);
    else await api.setEntry(subject, { standing, label, notes });
    done(t(`rule.${standing}`, { number: who }), () => restore(subject, entry));
  });
}

/** Takes an entry from the lists; the toast can put it back. */
export async function removeEntry(entry: ListEntry): Promise<boolean> {
  return attempt(async () => {
    await api.removeEntry(entry.subject);
    done(t("lists.removed", { subject: entry.label || (entry.spaced ?? entry.subject) }), () =>
      restore(entry.subject, entry),
    );
  });
}

async function restore(subject: string, entry: ListEntry | null): Promise<void> {
  if (entry === null) await api.removeEntry(subject);
  else {
    const { standing, label, notes } = entry;
    await api.setEntry(subject, { standing, label, notes });
  }
}
