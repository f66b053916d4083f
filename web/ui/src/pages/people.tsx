/** The address book: who is in it always rings. */
import { useState } from "preact/hooks";

import { useDeed } from "../parts/deed";
import { DialogForm } from "../parts/dialog";
import { Field } from "../parts/field";
import { Icon } from "../parts/icon";
import { IconButton } from "../parts/iconbutton";
import { Empty, Failure, Skeleton } from "../parts/states";
import { CallsTabs } from "../parts/tabs";
import { api } from "../requests";
import { useResource } from "../resource";
import { address } from "../route";
import { has } from "../session";
import { attempt, done } from "../toasts";
import type { Person } from "../types";
import { t } from "../words";

/** Whether a person is meant by what somebody typed: a part of the name, or digits of the number. */
function matches(person: Person, wanted: string): boolean {
  const digits = wanted.replace(/\D/g, "");
  return (
    person.name.toLowerCase().includes(wanted.trim().toLowerCase()) || (digits !== "" && person.number.includes(digits))
  );
}

export function People() {
  const { data, problem, reload } = useResource("people", api.people, ["people.changed"]);
  const [wanted, setWanted] = useState("");
  const [editing, setEditing] = useState<Person | "new" | null>(null);
  const people = [...(data?.items ?? [])].sort((a, b) => a.name.localeCompare(b.name));
  const shown = people.filter((person) => matches(person, wanted));
  const add = has("member") && (
    <button type="button" class="button button-main" onClick={() => setEditing("new")}>
      <Icon name="plus" />
      {t("people.add")}
    </button>
  );
  return (
    <div class="page">
      <header class="page-head">
        <h1 tabIndex={-1}>{t("calls.title")}</h1>
        <CallsTabs now="people" />
      </header>
      <section class="card" aria-label={t("calls.tab.people")}>
        <p class="soft">{t("people.why")}</p>
        {problem !== undefined && <Failure problem={problem} retry={reload} />}
        {data === undefined && problem === undefined && <Skeleton rows={6} />}
        {people.length > 0 && (
          <div class="filters">
            <Field label={t("people.find")} type="search" value={wanted} onValue={setWanted} maxLength={80} />
            {add}
          </div>
        )}
        {data?.items.length === 0 && (
          <Empty icon="user" title={t("people.none")} why={t("people.none_why")}>
            {add}
          </Empty>
        )}
        {people.length > 0 && shown.length === 0 && <p role="status">{t("people.nobody")}</p>}
        {shown.length > 0 && <Table people={shown} onEdit={setEditing} onChanged={reload} />}
      </section>
      {editing !== null && (
        <PersonDialog person={editing === "new" ? null : editing} onClose={() => setEditing(null)} onSaved={reload} />
      )}
    </div>
  );
}

interface TableProps {
  people: readonly Person[];
  onEdit: (person: Person) => void;
  onChanged: () => void;
}

function Table({ people, onEdit, onChanged }: TableProps) {
  const remove = async (person: Person): Promise<void> => {
    await attempt(async () => {
      await api.removePerson(person.number);
      done(t("people.removed", { name: person.name }), () => api.setPerson(person.number, person.name));
    });
    onChanged();
  };
  const may = has("member");
  return (
    <table class="plain">
      <caption class="hidden">{t("calls.tab.people")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("people.name")}</th>
          <th scope="col">{t("people.number")}</th>
          {may && (
            <th scope="col" class="cell-end">
              <span class="hidden">{t("lists.column.actions")}</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {people.map((person) => (
          <tr key={person.number}>
            <th scope="row">{person.name}</th>
            <td>
              <a class="link" href={address({ page: "number", number: person.number })}>
                {person.spaced}
              </a>
            </td>
            {may && (
              <td>
                <div class="actions">
                  <IconButton
                    icon="edit"
                    label={t("people.edit", { name: person.name })}
                    onClick={() => onEdit(person)}
                  />
                  <IconButton
                    icon="trash"
                    label={t("people.remove", { name: person.name })}
                    onClick={() => void remove(person)}
                  />
                </div>
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface PersonDialogProps {
  person: Person | null;
  onClose: () => void;
  onSaved: () => void;
}

function PersonDialog({ person, onClose, onSaved }: PersonDialogProps) {
  const [number, setNumber] = useState(person?.number ?? "");
  const [name, setName] = useState(person?.name ?? "");
  const { busy, problem, run } = useDeed();
  const save = () =>
    run(async () => {
      await api.setPerson(number.trim(), name.trim());
      done(t("people.saved", { name: name.trim() }));
      onSaved();
      onClose();
    });
  const onName = problem?.field === "name" || person !== null;
  const title = person === null ? t("people.add") : t("people.edit", { name: person.name });
  return (
    <DialogForm title={title} act={t("app.save")} busy={busy} onSend={save} onClose={onClose}>
      {person === null && (
        <Field
          label={t("people.number")}
          hint={t("lists.subject_hint_number")}
          value={number}
          onValue={setNumber}
          error={onName ? null : problem?.message}
          type="tel"
          maxLength={40}
          required
          autofocus
        />
      )}
      <Field
        label={t("people.name")}
        value={name}
        onValue={setName}
        error={onName ? problem?.message : null}
        maxLength={80}
        required
        autofocus={person !== null}
      />
    </DialogForm>
  );
}
