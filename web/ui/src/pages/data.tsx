/** The key of the data and its backups, for admins. */
import { useState } from "preact/hooks";

import { api } from "../requests";
import { count } from "../format";
import { Card } from "../parts/card";
import { useDeed, useEvery } from "../parts/deed";
import { Confirm, DialogForm } from "../parts/dialog";
import { Choice, Field } from "../parts/field";
import { Failure, Skeleton } from "../parts/states";
import { useResource } from "../resource";
import { done } from "../toasts";
import type { DataKey, KeyMode } from "../types";
import { t, tn } from "../words";
import { Backups } from "./backups";

/** How often the progress of a rotation is looked at. */
const LOOK_MS = 1_000;

export function Data() {
  return (
    <div class="halves">
      <KeyCard />
      <Backups />
    </div>
  );
}

function KeyCard() {
  const { data, problem, reload, poll, set } = useResource("key", api.key, ["household.*"]);
  const [asking, setAsking] = useState<"mode" | "rotate" | null>(null);
  const rotating = data?.rotation != null;
  return (
    <Card title={t("key.title")} why={t("key.why")}>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton rows={3} />}
      {data !== undefined && (
        <div class="stack">
          <KeyFacts now={data} />
          {rotating && <Rotation now={data} poll={poll} />}
          <div class="record-buttons">
            <button type="button" class="button button-main" onClick={() => setAsking("mode")}>
              {t("key.change")}
            </button>
            <button type="button" class="button" disabled={rotating} onClick={() => setAsking("rotate")}>
              {t("key.rotate")}
            </button>
          </div>
        </div>
      )}
      {data !== undefined && asking === "mode" && (
        <ModeDialog
          now={data}
          onClose={() => setAsking(null)}
          onKept={(key) => {
            set(key);
            setAsking(null);
            done(t("key.changed"));
          }}
        />
      )}
      {asking === "rotate" && (
        <Confirm
          title={t("key.rotate_title")}
          why={t("key.rotate_why")}
          act={t("key.rotate")}
          onConfirm={async () => set(await api.rotateKey())}
          onClose={() => setAsking(null)}
        />
      )}
    </Card>
  );
}

function KeyFacts({ now }: { now: DataKey }) {
  return (
    <>
      <dl class="properties">
        <div>
          <dt>{t("key.kept")}</dt>
          <dd>{t(`key.${now.mode}`)}</dd>
        </div>
        {now.holders.length > 0 && (
          <div>
            <dt>{t("key.holders")}</dt>
            <dd>{now.holders.join(", ")}</dd>
          </div>
        )}
        {now.held_for.length > 0 && (
          <div>
            <dt>{t("key.held_for")}</dt>
            <dd>{now.held_for.join(", ")}</dd>
          </div>
        )}
      </dl>
      <p class="soft">{now.words}</p>
    </>
  );
}

function Rotation({ now, poll }: { now: DataKey; poll: () => void }) {
  const { rows, of, damaged } = now.rotation ?? { rows: 0, of: 0, damaged: 0 };
  // Asked again as long as it is shown.
  useEvery(poll, LOOK_MS);
  return (
    <div class="stack rotation" role="status">
      <p>{t("key.rotating", { rows: count(rows), of: count(of) })}</p>
      <progress value={rows} max={Math.max(of, 1)} aria-label={t("key.rotate")} />
      {damaged > 0 && <p class="soft">{tn("key.damaged", damaged)}</p>}
    </div>
  );
}

const MODES: readonly KeyMode[] = ["beside", "pass-phrase", "member"];

interface ModeProps {
  now: DataKey;
  onClose: () => void;
  onKept: (key: DataKey) => void;
}

function ModeDialog({ now, onClose, onKept }: ModeProps) {
  const [mode, setMode] = useState<KeyMode>(now.mode);
  const [words, setWords] = useState("");
  const [again, setAgain] = useState("");
  const { busy, problem, run } = useDeed();
  const asks = mode === "pass-phrase";
  const differ = asks && again !== "" && again !== words;
  const nobody = mode === "member" && now.members === 0;
  const keep = async () => {
    if (asks && again !== words) return;
    await run(async () => onKept(await api.keepKey(mode, asks ? words : null)));
  };
  return (
    <DialogForm title={t("key.change")} act={t("app.save")} busy={busy || nobody} onSend={keep} onClose={onClose}>
      <Choice
        label={t("key.mode")}
        value={mode}
        onValue={setMode}
        options={MODES.map((value) => ({ value, label: t(`key.${value}`) }))}
        hint={nobody ? t("key.no_member") : t(`key.${mode}_hint`)}
      />
      {asks && <NewWords words={words} setWords={setWords} again={again} setAgain={setAgain} differ={differ} />}
      {problem !== null && (
        <p class="field-error" role="alert">
          {problem.message}
        </p>
      )}
    </DialogForm>
  );
}

interface WordsProps {
  words: string;
  setWords: (words: string) => void;
  again: string;
  setAgain: (words: string) => void;
  differ: boolean;
}

function NewWords({ words, setWords, again, setAgain, differ }: WordsProps) {
  return (
    <>
      <Field
        label={t("key.words")}
        hint={t("key.words_hint")}
        type="password"
        autocomplete="new-password"
        value={words}
        onValue={setWords}
        maxLength={512}
        required
      />
      <Field
        label={t("key.again")}
        type="password"
        autocomplete="new-password"
        value={again}
        onValue={setAgain}
        error={differ ? t("key.different") : null}
        maxLength={512}
        required
      />
    </>
  );
}
