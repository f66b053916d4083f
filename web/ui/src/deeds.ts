/** What a person does to a number, each with the way back. */
import { api } from "./requests";
import { attempt, done } from "./toasts";
import type { Category, ListEntry, Standing } from "./types";
import { t } from "./words";

/** Reports a number; the toast can take it back, or return to what was reported before. */
export async function report(
  number: string,
  category: Category,
  before: Category | null = null,
): Promise<boolean> {
  return attempt(async () => {
    const answer = await api.report(number, category);
    const undo = async (): Promise<void> => {
      if (before === null || before === category) await api.retract(number);
      else await api.report(number, before);
    };
    const words = t("report.done", { number, category: t(`category.${category}`).toLowerCase() });
    done("waiting" in answer ? `${words} ${t("report.waiting")}` : words, undo);
  });
}

export async function retract(number: string, category: Category): Promise<boolean> {
  return attempt(async () => {
    await api.retract(number);
    done(t("report.retracted", { number }), async () => {
      await api.report(number, category);
    });
  });
}

/** Sets the rule for a number and keeps its name and notes. */
export async function setStanding(
  subject: string,
  standing: Standing,
  entry: ListEntry | null,
): Promise<boolean> {
  return attempt(async () => {
    const label = entry?.label ?? "";
    const notes = entry?.notes ?? "";
    const empty = standing === "unknown" && label === "" && notes === "";
    if (empty) await api.removeEntry(subject);
    else await api.setEntry(subject, { standing, label, notes });
    done(t(`rule.${standing}`, { number: subject }), () => restore(subject, entry));
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
