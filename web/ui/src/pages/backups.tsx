/** Backups: made now, made by the node itself, and put back. */
import { useState } from "preact/hooks";

import { api } from "../requests";
import { asProblem } from "../client";
import { Card } from "../parts/card";
import { useDeed } from "../parts/deed";
import { Dialog, DialogForm } from "../parts/dialog";
import { Choice, Field } from "../parts/field";
import { Form } from "../parts/form";
import { Failure, Skeleton } from "../parts/states";
import { Time } from "../parts/time";
import { useResource } from "../resource";
import { done } from "../toasts";
import type { BackupPlan, Every } from "../types";
import { t } from "../words";

export function Backups() {
  const [asking, setAsking] = useState<"make" | "restore" | null>(null);
  return (
    <div class="stack">
      <Card title={t("backup.title")} why={t("backup.why")}>
        <div class="record-buttons">
          <button type="button" class="button button-main" onClick={() => setAsking("make")}>
            {t("backup.make")}
          </button>
          <button type="button" class="button" onClick={() => setAsking("restore")}>
            {t("backup.restore")}
          </button>
        </div>
        {asking === "make" && <MakeDialog onClose={() => setAsking(null)} />}
        {asking === "restore" && <RestoreDialog onClose={() => setAsking(null)} />}
      </Card>
      <Plan />
    </div>
  );
}

function MakeDialog({ onClose }: { onClose: () => void }) {
  const [words, setWords] = useState("");
  const { busy, problem, run } = useDeed();
  const make = () =>
    run(async () => {
      save(await api.makeBackup(words));
      done(t("backup.made"));
      onClose();
    });
  return (
    <DialogForm title={t("backup.make_title")} act={t("backup.make")} busy={busy} onSend={make} onClose={onClose}>
      <Words hint={t("backup.make_hint")} words={words} setWords={setWords} error={problem?.message} required />
    </DialogForm>
  );
}

/** Gives the browser the file to keep. */
function save(file: Blob): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = `meerkat-${new Date().toISOString().slice(0, 10)}.age`;
  link.click();
  URL.revokeObjectURL(url);
}

interface WordsProps {
  hint: string;
  words: string;
  setWords: (words: string) => void;
  error?: string | undefined;
  required?: boolean;
  fresh?: boolean;
}

function Words({ hint, words, setWords, error, required = false, fresh = true }: WordsProps) {
  return (
    <Field
      label={t("key.words")}
      hint={hint}
      type="password"
      autocomplete={fresh ? "new-password" : "off"}
      value={words}
      onValue={setWords}
      error={error}
      maxLength={512}
      required={required}
    />
  );
}

function Plan() {
  const { data, problem, reload, set } = useResource("plan", api.plan, ["alarm.*"]);
  const [editing, setEditing] = useState(false);
  const edit = (
    <button type="button" class="button" onClick={() => setEditing(true)}>
      {t("backup.plan_do")}
    </button>
  );
  return (
    <Card title={t("backup.plan")} aside={edit}>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton rows={3} />}
      {data?.every === "never" && <p class="soft">{t("backup.none")}</p>}
      {data !== undefined && data.every !== "never" && <Planned now={data} set={set} />}
      {data !== undefined && editing && (
        <PlanDialog
          now={data}
          onClose={() => setEditing(false)}
          onPlanned={(plan) => {
            set(plan);
            setEditing(false);
            done(plan.every === "never" ? t("backup.plan_off") : t("backup.plan_saved"));
          }}
        />
      )}
    </Card>
  );
}

function Planned({ now, set }: { now: BackupPlan; set: (plan: BackupPlan) => void }) {
  const { busy, problem, run } = useDeed();
  const make = () =>
    run(async () => {
      set(await api.makePlanned());
      done(t("backup.ran"));
    });
  const wrong = problem?.message ?? now.problem;
  return (
    <div class="stack">
      <dl class="properties">
        <Property name={t("backup.every")}>{t(`backup.${now.every}`)}</Property>
        <Property name={t("backup.folder")}>
          <code>{now.folder}</code>
        </Property>
        <Property name={t("backup.keep")}>{now.keep}</Property>
        <Property name={t("backup.last")}>
          {now.last === null ? t("backup.none_yet") : <Time unix={now.last} />}
        </Property>
        {now.next !== null && <Property name={t("backup.next")}>{new Date(now.next * 1000).toLocaleString()}</Property>}
      </dl>
      {wrong !== null && (
        <p class="field-error" role="alert">
          {wrong}
        </p>
      )}
      <div>
        <button type="button" class="button" disabled={busy} onClick={() => void make()}>
          {t("backup.run")}
        </button>
      </div>
    </div>
  );
}

function Property({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const EVERY: readonly Every[] = ["never", "day", "week", "month"];

interface PlanProps {
  now: BackupPlan;
  onClose: () => void;
  onPlanned: (plan: BackupPlan) => void;
}

function PlanDialog({ now, onClose, onPlanned }: PlanProps) {
  const [every, setEvery] = useState<Every>(now.every === "never" && !now.ready ? "week" : now.every);
  const [folder, setFolder] = useState(now.folder);
  const [keep, setKeep] = useState(String(now.keep));
  const [words, setWords] = useState("");
  const { busy, problem, run } = useDeed();
  const plan = () =>
    run(async () => {
      const body = { every, folder, keep: Number(keep), pass_phrase: words === "" ? null : words };
      onPlanned(await api.setPlan(body));
    });
  return (
    <DialogForm title={t("backup.plan")} act={t("app.save")} busy={busy} onSend={plan} onClose={onClose}>
      <Choice
        label={t("backup.every")}
        value={every}
        onValue={setEvery}
        options={EVERY.map((value) => ({ value, label: t(`backup.${value}`) }))}
      />
      {every !== "never" && (
        <>
          <Field
            label={t("backup.folder")}
            hint={t("backup.folder_hint")}
            value={folder}
            onValue={setFolder}
            autocomplete="off"
            mono
            required
          />
          <Field label={t("backup.keep")} control="select" value={keep} onValue={setKeep}>
            {["1", "2", "4", "8", "12", "26", "52"]
              .concat(now.keep > 0 ? [String(now.keep)] : [])
              .filter(once)
              .map((n) => (
                <option key={n} value={n}>
                  {n}
                </option>
              ))}
          </Field>
          <Words hint={t("backup.words_hint")} words={words} setWords={setWords} required={!now.ready} />
        </>
      )}
      {problem !== null && (
        <p class="field-error" role="alert">
          {problem.message}
        </p>
      )}
    </DialogForm>
  );
}

function once(value: string, at: number, all: readonly string[]): boolean {
  return all.indexOf(value) === at;
}

function RestoreDialog({ onClose }: { onClose: () => void }) {
  const [file, setFile] = useState<File | null>(null);
  const [words, setWords] = useState("");
  const [as, setAs] = useState<"new" | "same">("new");
  const [over, setOver] = useState(false);
  const { busy, problem, run } = useDeed();
  const restore = () =>
    run(async () => {
      if (file === null) throw asProblem(new TypeError());
      await api.restore(file, words, as);
      setOver(true);
    });
  return (
    <Dialog title={t("backup.restore_title")} firm={busy || over} onClose={onClose}>
      {over ? (
        <p role="status">{t("backup.restored")}</p>
      ) : (
        <Form onSend={restore}>
          <p>{t("backup.restore_why")}</p>
          <label class="field">
            <span>{t("backup.file")}</span>
            <input
              type="file"
              class="control"
              accept=".age"
              required
              onChange={(event) => setFile(event.currentTarget.files?.[0] ?? null)}
            />
          </label>
          <Words hint={t("backup.make_hint")} words={words} setWords={setWords} required fresh={false} />
          <Choice
            label={t("backup.as")}
            value={as}
            onValue={setAs}
            options={[
              { value: "new", label: t("backup.as_new") },
              { value: "same", label: t("backup.as_same") },
            ]}
            hint={t(`backup.as_${as}_hint`)}
          />
          {problem !== null && (
            <p class="field-error" role="alert">
              {problem.message}
            </p>
          )}
          <div class="dialog-actions">
            <button type="button" class="button" disabled={busy} onClick={onClose}>
              {t("app.cancel")}
            </button>
            <button type="submit" class="button button-danger" disabled={busy}>
              {t("backup.restore_do")}
            </button>
          </div>
        </Form>
      )}
    </Dialog>
  );
}
