/** Who may sign in, on every node of the home. */
import { useState } from "preact/hooks";

import { Card } from "../parts/card";
import { useDeed } from "../parts/deed";
import { Confirm, DialogForm } from "../parts/dialog";
import { Field } from "../parts/field";
import { Icon } from "../parts/icon";
import { IconButton } from "../parts/iconbutton";
import { Failure, Skeleton } from "../parts/states";
import { api } from "../requests";
import { useResource } from "../resource";
import { enter } from "../session";
import { done } from "../toasts";
import type { Account, AccountRole } from "../types";
import { t } from "../words";

const ROLES: readonly AccountRole[] = ["viewer", "member", "moderator", "admin"];

export function Accounts() {
  const { data, problem, reload, set } = useResource("accounts", api.accounts, ["household.changed"]);
  const [adding, setAdding] = useState(false);
  const [editing, setEditing] = useState<Account | null>(null);
  const [leaving, setLeaving] = useState<Account | null>(null);
  return (
    <Card
      title={t("accounts.title")}
      why={t("accounts.why")}
      aside={
        <button type="button" class="button button-main" onClick={() => setAdding(true)}>
          <Icon name="plus" />
          {t("accounts.add")}
        </button>
      }
    >
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton />}
      {data !== undefined && <Table accounts={data.items} onEdit={setEditing} onRemove={setLeaving} />}
      {adding && <AddDialog onClose={() => setAdding(false)} onAdded={set} />}
      {editing !== null && <EditDialog account={editing} onClose={() => setEditing(null)} onChanged={reload} />}
      {leaving !== null && (
        <Confirm
          title={t("accounts.remove_title", { name: leaving.name })}
          why={t("accounts.remove_why")}
          act={t("accounts.remove_do")}
          onConfirm={async () => {
            set(await api.removeAccount(leaving.name));
            done(t("accounts.removed", { name: leaving.name }));
          }}
          onClose={() => setLeaving(null)}
        />
      )}
    </Card>
  );
}

interface TableProps {
  accounts: readonly Account[];
  onEdit: (account: Account) => void;
  onRemove: (account: Account) => void;
}

function Table({ accounts, onEdit, onRemove }: TableProps) {
  return (
    <table class="plain">
      <caption class="hidden">{t("accounts.title")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("claim.name_column")}</th>
          <th scope="col">{t("keys.column.role")}</th>
          <th scope="col" class="cell-end">
            <span class="hidden">{t("lists.column.actions")}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {accounts.map((account) => (
          <tr key={account.name}>
            <th scope="row">
              {account.name}
              {account.own && <span class="tag">{t("accounts.own")}</span>}
              {account.doubled && <p class="field-error">{t("accounts.doubled")}</p>}
            </th>
            <td>{account.role === null ? t("accounts.role_unknown") : t(`role.${account.role}`)}</td>
            <td>
              <div class="actions">
                <IconButton
                  icon="edit"
                  label={t("accounts.edit", { name: account.name })}
                  onClick={() => onEdit(account)}
                />
                <IconButton
                  icon="trash"
                  label={t("accounts.remove", { name: account.name })}
                  onClick={() => onRemove(account)}
                />
              </div>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function RoleField({ role, onRole }: { role: AccountRole; onRole: (role: AccountRole) => void }) {
  return (
    <Field
      label={t("keys.role")}
      control="select"
      value={role}
      onValue={(value) => onRole(ROLES.find((one) => one === value) ?? "viewer")}
    >
      {ROLES.map((one) => (
        <option key={one} value={one}>
          {t(`keys.role.${one}`)}
        </option>
      ))}
    </Field>
  );
}

interface AddProps {
  onClose: () => void;
  onAdded: (accounts: { items: Account[] }) => void;
}

function AddDialog({ onClose, onAdded }: AddProps) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<AccountRole>("member");
  const [password, setPassword] = useState("");
  const { busy, problem, run } = useDeed();
  const add = () =>
    run(async () => {
      onAdded(await api.addAccount(name.trim(), role, password));
      done(t("accounts.added", { name: name.trim() }));
      onClose();
    });
  const onPassword = problem?.field === "password";
  return (
    <DialogForm title={t("accounts.add")} act={t("accounts.add")} busy={busy} onSend={add} onClose={onClose}>
      <Field
        label={t("claim.name_column")}
        value={name}
        onValue={setName}
        error={onPassword ? null : problem?.message}
        maxLength={40}
        autocomplete="off"
        required
        autofocus
      />
      <RoleField role={role} onRole={setRole} />
      <NewPassword value={password} onValue={setPassword} error={onPassword ? problem.message : null} required />
    </DialogForm>
  );
}

interface NewPasswordProps {
  value: string;
  onValue: (value: string) => void;
  error: string | null | undefined;
  required?: boolean;
  label?: string;
}

function NewPassword({ value, onValue, error, required = false, label = t("signin.password") }: NewPasswordProps) {
  return (
    <Field
      label={label}
      hint={t("claim.password_hint")}
      type="password"
      value={value}
      onValue={onValue}
      error={error}
      maxLength={512}
      autocomplete="new-password"
      required={required}
    />
  );
}

interface EditProps {
  account: Account;
  onClose: () => void;
  onChanged: () => void;
}

/** Role and password of another; of the own account the password by the one until now. */
function EditDialog({ account, onClose, onChanged }: EditProps) {
  const [role, setRole] = useState<AccountRole>(ROLES.find((one) => one === account.role) ?? "viewer");
  const [old, setOld] = useState("");
  const [password, setPassword] = useState("");
  const { busy, problem, run } = useDeed();
  const save = () =>
    run(async () => {
      if (role !== account.role) await api.changeAccount(account.name, role, null);
      if (password !== "" && account.own) enter(await api.changePassword(old, password));
      else if (password !== "") await api.changeAccount(account.name, null, password);
      // Of an account that two nodes changed apart, saving settles it.
      else if (account.doubled) await api.changeAccount(account.name, role, null);
      done(t("accounts.changed", { name: account.name }));
      onChanged();
      onClose();
    });
  const onOld = problem?.field === "old";
  return (
    <DialogForm
      title={t("accounts.edit", { name: account.name })}
      act={t("app.save")}
      busy={busy}
      onSend={save}
      onClose={onClose}
    >
      <RoleField role={role} onRole={setRole} />
      {account.own && (
        <Field
          label={t("accounts.old")}
          type="password"
          value={old}
          onValue={setOld}
          error={onOld ? problem.message : null}
          maxLength={512}
          autocomplete="current-password"
          required={password !== ""}
        />
      )}
      <NewPassword
        label={t("accounts.new")}
        value={password}
        onValue={setPassword}
        error={onOld ? null : problem?.message}
      />
    </DialogForm>
  );
}

/** The own password, for those who see no list of accounts. */
export function OwnPassword({ onClose }: { onClose: () => void }) {
  const [old, setOld] = useState("");
  const [password, setPassword] = useState("");
  const { busy, problem, run } = useDeed();
  const save = () =>
    run(async () => {
      enter(await api.changePassword(old, password));
      done(t("accounts.password_changed"));
      onClose();
    });
  const onOld = problem?.field === "old";
  return (
    <DialogForm title={t("accounts.password")} act={t("app.save")} busy={busy} onSend={save} onClose={onClose}>
      <Field
        label={t("accounts.old")}
        type="password"
        value={old}
        onValue={setOld}
        error={onOld ? problem.message : null}
        maxLength={512}
        autocomplete="current-password"
        required
        autofocus
      />
      <NewPassword
        label={t("accounts.new")}
        value={password}
        onValue={setPassword}
        error={onOld ? null : problem?.message}
        required
      />
    </DialogForm>
  );
}
