import { useState } from "preact/hooks";

import { api } from "../requests";
import { Card } from "../parts/card";
import { CopyText } from "../parts/copy";
import { useDeed } from "../parts/deed";
import { Confirm, Dialog, DialogForm } from "../parts/dialog";
import { Field } from "../parts/field";
import { Icon } from "../parts/icon";
import { IconButton } from "../parts/iconbutton";
import { Empty, Failure, Skeleton } from "../parts/states";
import { Time } from "../parts/time";
import { useResource } from "../resource";
import { done } from "../toasts";
import type { ApiKey, NewApiKey, Role } from "../types";
import { t } from "../words";

const ROLES: readonly Role[] = ["lookup", "viewer", "member", "moderator", "admin"];

export function Keys() {
  const { data, problem, reload } = useResource("keys", api.keys);
  const [creating, setCreating] = useState(false);
  const [created, setCreated] = useState<NewApiKey | null>(null);
  const [leaving, setLeaving] = useState<ApiKey | null>(null);
  const create = (
    <button type="button" class="button button-main" onClick={() => setCreating(true)}>
      <Icon name="plus" />
      {t("keys.create")}
    </button>
  );
  return (
    <Card title={t("keys.title")} why={t("keys.why")} aside={create}>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton />}
      {data?.items.length === 0 && <Empty icon="key" title={t("keys.none")} why={t("keys.none_why")} />}
      {data !== undefined && data.items.length > 0 && <KeyTable keys={data.items} onDelete={setLeaving} />}
      {creating && (
        <CreateDialog
          onClose={() => setCreating(false)}
          onCreated={(key) => {
            setCreating(false);
            setCreated(key);
            reload();
          }}
        />
      )}
      {created !== null && (
        <Dialog title={t("keys.created_title")} firm onClose={() => setCreated(null)}>
          <p>{t("keys.created_why")}</p>
          <CopyText label={t("keys.created_text")} text={created.key} />
          <div class="dialog-actions">
            <button type="button" class="button button-main" onClick={() => setCreated(null)}>
              {t("keys.done")}
            </button>
          </div>
        </Dialog>
      )}
      {leaving !== null && (
        <Confirm
          title={t("keys.delete_title", { name: leaving.name })}
          why={t("keys.delete_why")}
          act={t("keys.delete_do")}
          onConfirm={async () => {
            await api.deleteKey(leaving.id);
            done(t("keys.deleted", { name: leaving.name }));
            reload();
          }}
          onClose={() => setLeaving(null)}
        />
      )}
    </Card>
  );
}

function KeyTable({ keys, onDelete }: { keys: readonly ApiKey[]; onDelete: (key: ApiKey) => void }) {
  return (
    <table class="plain">
      <caption class="hidden">{t("keys.caption")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("keys.column.name")}</th>
          <th scope="col">{t("keys.column.role")}</th>
          <th scope="col" class="wide">
            {t("keys.column.created")}
          </th>
          <th scope="col" class="wide">
            {t("keys.column.used")}
          </th>
          <th scope="col" class="cell-end">
            <span class="hidden">{t("lists.column.actions")}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {keys.map((key) => (
          <tr key={key.id}>
            <th scope="row">{key.name}</th>
            <td>{t(`role.${key.role}`)}</td>
            <td class="wide">{key.created === null ? t("app.none") : <Time unix={key.created} />}</td>
            <td class="wide">{key.last_used === null ? t("keys.never") : <Time unix={key.last_used} />}</td>
            <td>
              <div class="actions">
                <IconButton icon="trash" label={t("keys.delete", { name: key.name })} onClick={() => onDelete(key)} />
              </div>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function CreateDialog({ onClose, onCreated }: { onClose: () => void; onCreated: (key: NewApiKey) => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const { busy, problem, run } = useDeed();
  const create = () => run(async () => onCreated(await api.createKey(name.trim(), role)));
  return (
    <DialogForm title={t("keys.create")} act={t("keys.create")} busy={busy} onSend={create} onClose={onClose}>
      <Field
        label={t("keys.name")}
        hint={t("keys.name_hint")}
        value={name}
        onValue={setName}
        error={problem?.message}
        maxLength={80}
        autocomplete="off"
        required
        autofocus
      />
      <Field
        label={t("keys.role")}
        control="select"
        value={role}
        onValue={(value) => setRole(ROLES.find((one) => one === value) ?? "viewer")}
      >
        {ROLES.map((one) => (
          <option key={one} value={one}>
            {t(`keys.role.${one}`)}
          </option>
        ))}
      </Field>
    </DialogForm>
  );
}
