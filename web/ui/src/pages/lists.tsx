import { useState } from "preact/hooks";

import { api } from "../requests";
import { asProblem, type Problem } from "../client";
import { removeEntry } from "../deeds";
import { count, share } from "../format";
import { StandingBadge } from "../parts/badge";
import { useDeed } from "../parts/deed";
import { DialogForm } from "../parts/dialog";
import { Dispute } from "../parts/dispute";
import { Choice, Field } from "../parts/field";
import { Icon } from "../parts/icon";
import { IconButton } from "../parts/iconbutton";
import { Empty, Failure, Skeleton } from "../parts/states";
import { CallsTabs } from "../parts/tabs";
import { Time } from "../parts/time";
import { useResource } from "../resource";
import { address } from "../route";
import { has } from "../session";
import { done } from "../toasts";
import type { ListEntry, Standing } from "../types";
import { t } from "../words";

const PAGE = 100;
type Shown = "all" | Standing;
const SHOWN: readonly Shown[] = ["all", "allow", "block", "unknown"];
const STANDINGS: readonly Standing[] = ["allow", "unknown", "block"];

export function Lists() {
  const [shown, setShown] = useState<Shown>("all");
  const [extra, setExtra] = useState<{ key: string; items: ListEntry[]; next: string | null } | null>(null);
  const [editing, setEditing] = useState<ListEntry | "new" | null>(null);
  const [moreProblem, setMoreProblem] = useState<Problem | null>(null);
  const standing = shown === "all" ? null : shown;
  const resource = useResource(
    `numbers ${shown}`,
    async (signal) => {
      const page = await api.numbers({ standing, limit: PAGE }, signal);
      setExtra(null);
      return page;
    },
    ["lists.changed", "call.saved", "report.*"],
  );
  const more = extra?.key === shown ? extra : null;
  const entries = resource.data === undefined ? undefined : [...resource.data.items, ...(more?.items ?? [])];
  const next = more === null ? (resource.data?.next ?? null) : more.next;
  const loadMore = async (): Promise<void> => {
    if (next === null) return;
    try {
      const page = await api.numbers({ standing, limit: PAGE, cursor: next });
      setExtra({ key: shown, items: [...(more?.items ?? []), ...page.items], next: page.next });
      setMoreProblem(null);
    } catch (error) {
      setMoreProblem(asProblem(error));
    }
  };
  const problem = resource.problem ?? moreProblem ?? undefined;
  return (
    <div class="page">
      <header class="page-head">
        <h1 tabIndex={-1}>{t("calls.title")}</h1>
        <CallsTabs now="lists" />
      </header>
      <section class="card" aria-label={t("calls.tab.lists")}>
        <div class="filters">
          <Choice
            label={t("calls.filter")}
            hideLabel
            value={shown}
            onValue={setShown}
            options={SHOWN.map((value) => ({
              value,
              label: value === "all" ? t("lists.filter.all") : t(`standing.${value}.short`),
              tone: `tone-${value}`,
            }))}
          />
          {has("member") && <AddButton onClick={() => setEditing("new")} />}
        </div>
        {problem !== undefined && <Failure problem={problem} retry={resource.reload} />}
        {entries === undefined && problem === undefined && <Skeleton rows={6} />}
        {entries?.length === 0 && (
          <Empty icon="calls" title={t("lists.none")} why={t("lists.none_why")}>
            {has("member") && <AddButton onClick={() => setEditing("new")} />}
          </Empty>
        )}
        {entries !== undefined && entries.length > 0 && (
          <EntryTable entries={entries} shown={shown} onEdit={setEditing} onChanged={resource.reload} />
        )}
        {next !== null && (
          <div class="more">
            <button type="button" class="button" onClick={() => void loadMore()}>
              {t("app.more")}
            </button>
          </div>
        )}
      </section>
      {editing !== null && (
        <EntryDialog
          entry={editing === "new" ? null : editing}
          onClose={() => setEditing(null)}
          onSaved={resource.reload}
        />
      )}
    </div>
  );
}

function AddButton({ onClick }: { onClick: () => void }) {
  return (
    <button type="button" class="button button-main" onClick={onClick}>
      <Icon name="plus" />
      {t("lists.add")}
    </button>
  );
}

interface EntryTableProps {
  entries: readonly ListEntry[];
  shown: Shown;
  onEdit: (entry: ListEntry) => void;
  onChanged: () => void;
}

function EntryTable({ entries, shown, onEdit, onChanged }: EntryTableProps) {
  const standing = shown === "all" ? t("lists.filter.all") : t(`standing.${shown}.short`);
  const may = has("member");
  return (
    <table class="entries">
      <caption class="hidden">{t("lists.caption", { standing })}</caption>
      <thead>
        <tr>
          <th scope="col">{t("lists.column.subject")}</th>
          <th scope="col">{t("lists.column.standing")}</th>
          <th scope="col" class="cell-end wide">
            {t("lists.column.calls")}
          </th>
          <th scope="col" class="wide">
            {t("lists.column.last")}
          </th>
          <th scope="col" class="cell-end wide">
            {t("lists.column.reputation")}
          </th>
          {may && (
            <th scope="col" class="cell-end">
              {t("lists.column.actions")}
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) => (
          <tr key={entry.subject}>
            <th scope="row">
              <Subject entry={entry} />
              {entry.disputed && <Dispute entry={entry} onSettled={onChanged} />}
            </th>
            <td>
              <StandingBadge standing={entry.standing} />
            </td>
            <td class="cell-end wide">{count(entry.calls)}</td>
            <td class="wide">
              {entry.last_call === null ? (
                <span class="soft">{t("lists.never")}</span>
              ) : (
                <Time unix={entry.last_call} />
              )}
            </td>
            <td class="cell-end wide">{entry.kind === "prefix" ? t("app.none") : share(entry.reputation)}</td>
            {may && (
              <td>
                <EntryActions entry={entry} onEdit={onEdit} onChanged={onChanged} />
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Subject({ entry }: { entry: ListEntry }) {
  const spelled = entry.spaced ?? entry.subject;
  const title = entry.label !== "" ? entry.label : spelled;
  return (
    <div class="caller">
      {entry.kind === "number" ? (
        <a class="caller-title" href={address({ page: "number", number: entry.subject })}>
          {title}
        </a>
      ) : (
        <span class="caller-title">{title}</span>
      )}
      {title !== spelled && <span class="caller-number">{spelled}</span>}
      {entry.kind === "prefix" && <span class="tag">{t("lists.prefix")}</span>}
      {entry.notes !== "" && <p class="entry-notes">{entry.notes}</p>}
    </div>
  );
}

type EntryActionsProps = Omit<EntryTableProps, "entries" | "shown"> & { entry: ListEntry };

function EntryActions({ entry, onEdit, onChanged }: EntryActionsProps) {
  const subject = entry.label !== "" ? entry.label : (entry.spaced ?? entry.subject);
  return (
    <div class="actions">
      <IconButton icon="edit" label={t("lists.edit", { subject })} onClick={() => onEdit(entry)} />
      <IconButton
        icon="trash"
        label={t("lists.remove", { subject })}
        onClick={() => void removeEntry(entry).then(onChanged)}
      />
    </div>
  );
}

interface EntryDialogProps {
  entry: ListEntry | null;
  onClose: () => void;
  onSaved: () => void;
}

function EntryDialog({ entry, onClose, onSaved }: EntryDialogProps) {
  const [subject, setSubject] = useState(entry?.subject ?? "");
  const [standing, setStanding] = useState<Standing>(entry?.standing ?? "allow");
  const [label, setLabel] = useState(entry?.label ?? "");
  const [notes, setNotes] = useState(entry?.notes ?? "");
  const { busy, problem, run } = useDeed();
  const save = () =>
    run(async () => {
      await api.setEntry(subject.trim(), { standing, label, notes });
      done(t("app.saved"));
      onSaved();
      onClose();
    });
  const errorOf = (field: string): string | null => (problem?.field === field ? problem.message : null);
  const named = problem !== null && ["subject", "label", "notes"].includes(problem.field ?? "");
  const title =
    entry === null ? t("lists.add_title") : t("lists.edit_title", { subject: entry.spaced ?? entry.subject });
  return (
    <DialogForm title={title} act={t("app.save")} busy={busy} onSend={save} onClose={onClose}>
      {entry === null && (
        <Field
          label={t("lists.subject")}
          hint={t("lists.subject_hint")}
          value={subject}
          onValue={setSubject}
          error={errorOf("subject") ?? (named ? null : problem?.message)}
          type="tel"
          maxLength={40}
          required
          autofocus
        />
      )}
      <Choice
        label={t("lists.standing")}
        value={standing}
        onValue={setStanding}
        options={STANDINGS.map((value) => ({
          value,
          label: t(`standing.${value}`),
          tone: `tone-${value}`,
        }))}
      />
      <Field
        label={t("lists.label")}
        hint={t("lists.label_hint")}
        value={label}
        onValue={setLabel}
        error={errorOf("label")}
        maxLength={80}
      />
      <Field
        label={t("lists.notes")}
        control="textarea"
        rows={3}
        value={notes}
        onValue={setNotes}
        error={errorOf("notes") ?? (entry !== null && !named ? problem?.message : null)}
        maxLength={2000}
      />
    </DialogForm>
  );
}
