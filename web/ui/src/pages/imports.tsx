import { useEffect, useRef, useState } from "preact/hooks";

import { asProblem, type Problem } from "../client";
import { count, day, duration, region } from "../format";
import { Card } from "../parts/card";
import { Confirm } from "../parts/dialog";
import { Choice, Field } from "../parts/field";
import { Form } from "../parts/form";
import { Icon } from "../parts/icon";
import { IconButton } from "../parts/iconbutton";
import { Empty, Failure, Skeleton } from "../parts/states";
import { CallsTabs } from "../parts/tabs";
import { REGIONS } from "../regions";
import { api } from "../requests";
import { useResource } from "../resource";
import { has } from "../session";
import { done } from "../toasts";
import type { Import, Imported } from "../types";
import { importFile, listName, type Progress } from "../upload";
import { t, tn } from "../words";

/** Bad lines shown; the node tells a thousand. */
const SHOWN_LINES = 100;

export function Imports() {
  const imports = useResource("imports", api.imports, ["imports.changed"]);
  const { data, problem, reload } = imports;
  return (
    <div class="page">
      <header class="page-head">
        <h1 tabIndex={-1}>{t("calls.title")}</h1>
        <CallsTabs now="imports" />
      </header>
      {has("moderator") && <Bring known={data?.items ?? []} onImported={reload} />}
      <Card title={t("imports.lists")} why={t("imports.lists_why")}>
        {problem !== undefined && <Failure problem={problem} retry={reload} />}
        {data === undefined && problem === undefined && <Skeleton />}
        {data?.items.length === 0 && <Empty icon="calls" title={t("imports.none")} why={t("imports.none_why")} />}
        {data !== undefined && data.items.length > 0 && <ImportTable imports={data.items} onChanged={reload} />}
      </Card>
    </div>
  );
}

function ImportTable({ imports, onChanged }: { imports: readonly Import[]; onChanged: () => void }) {
  const [leaving, setLeaving] = useState<Import | null>(null);
  const may = has("moderator");
  return (
    <>
      <table class="plain">
        <caption class="hidden">{t("imports.lists")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("imports.column.name")}</th>
            <th scope="col" class="cell-end">
              {t("imports.column.numbers")}
            </th>
            <th scope="col" class="cell-end wide">
              {t("imports.column.blocks")}
            </th>
            <th scope="col" class="wide">
              {t("imports.column.day")}
            </th>
            {may && (
              <th scope="col" class="cell-end">
                {t("imports.column.undo")}
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {imports.map((one) => (
            <tr key={one.id}>
              <th scope="row">
                {one.name} {one.expired && <span class="tag">{t("imports.expired")}</span>}
              </th>
              <td class="cell-end">{count(one.numbers)}</td>
              <td class="cell-end wide">{count(one.warm_blocks)}</td>
              <td class="wide">{day(one.day)}</td>
              {may && (
                <td>
                  <div class="actions">
                    <IconButton
                      icon="undo"
                      label={t("imports.undo", { name: one.name })}
                      onClick={() => setLeaving(one)}
                    />
                  </div>
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {leaving !== null && (
        <Confirm
          title={t("imports.undo", { name: leaving.name })}
          why={t("imports.undo_why")}
          act={t("imports.undo_do")}
          onClose={() => setLeaving(null)}
          onConfirm={async () => {
            await api.undoImport(leaving.id);
            done(t("imports.undone", { name: leaving.name }));
            onChanged();
          }}
        />
      )}
    </>
  );
}

interface BringProps {
  known: readonly Import[];
  onImported: () => void;
}

function Bring({ known, onImported }: BringProps) {
  const [file, setFile] = useState<File | null>(null);
  const [progress, setProgress] = useState<Progress | null>(null);
  const [result, setResult] = useState<Imported | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [round, setRound] = useState(0);
  const [busy, setBusy] = useState(false);
  // Set for as long as an import runs: a second one does not start beside it.
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);
  const bring = async (name: string, code: string, replace: boolean): Promise<void> => {
    if (file === null || abort.current !== null) return;
    const giveUp = new AbortController();
    abort.current = giveUp;
    setBusy(true);
    setProblem(null);
    setResult(null);
    try {
      const wanted = { name, region: code, replace };
      const imported = await importFile(file, wanted, setProgress, giveUp.signal);
      setResult(imported);
      setFile(null);
      setRound((n) => n + 1);
      onImported();
    } catch (error) {
      if (!giveUp.signal.aborted) setProblem(asProblem(error));
    } finally {
      setProgress(null);
      setBusy(false);
      abort.current = null;
    }
  };
  return (
    <Card title={t("imports.bring")} why={t("imports.bring_why")}>
      {/* Behind the bar the form keeps what was chosen and typed, in case it is needed again. */}
      <div hidden={progress !== null}>
        <BringForm
          key={round}
          file={file}
          onFile={setFile}
          known={known}
          problem={problem}
          busy={busy}
          onBring={bring}
        />
      </div>
      {progress !== null && <Bar progress={progress} onGiveUp={() => abort.current?.abort()} />}
      <div aria-live="polite">{result !== null && <Result of={result} />}</div>
    </Card>
  );
}

interface BringFormProps {
  file: File | null;
  onFile: (file: File | null) => void;
  known: readonly Import[];
  problem: Problem | null;
  busy: boolean;
  onBring: (name: string, code: string, replace: boolean) => Promise<void>;
}

function BringForm({ file, onFile, known, problem, busy, onBring }: BringFormProps) {
  const [name, setName] = useState(file === null ? "" : listName(file.name));
  const [code, setCode] = useState("");
  const [replace, setReplace] = useState<"newer" | "other">("newer");
  const settings = useResource("settings", api.settings, ["settings.changed"]);
  const country = code !== "" ? code : (settings.data?.region ?? "");
  const taken = known.some((one) => one.name === name.trim());
  const onName = problem?.field === "name";
  return (
    <Form onSend={() => onBring(name.trim(), country, taken && replace === "newer")}>
      <div class="field">
        <label for="list-file">{t("imports.file")}</label>
        <input
          id="list-file"
          class="control"
          type="file"
          accept=".csv,.tsv,.txt,text/csv,text/plain"
          aria-describedby="list-file-hint"
          onChange={(event) => {
            const chosen = event.currentTarget.files?.[0] ?? null;
            onFile(chosen);
            if (chosen !== null) setName(listName(chosen.name));
          }}
        />
        <p class="field-hint" id="list-file-hint">
          {t("imports.file_hint")}
        </p>
      </div>
      <Field
        label={t("imports.name")}
        hint={t("imports.name_hint")}
        value={name}
        onValue={setName}
        error={onName ? problem.message : null}
        maxLength={60}
        autocomplete="off"
        required
      />
      {taken && (
        <Choice
          label={t("imports.taken")}
          value={replace}
          onValue={setReplace}
          options={[
            { value: "newer", label: t("imports.taken_newer") },
            { value: "other", label: t("imports.taken_other") },
          ]}
        />
      )}
      <Field
        label={t("imports.region")}
        hint={t("imports.region_hint")}
        control="select"
        value={country}
        onValue={setCode}
      >
        {REGIONS.map((one) => ({ one, words: region(one) }))
          .sort((a, b) => a.words.localeCompare(b.words))
          .map(({ one, words }) => (
            <option key={one} value={one}>
              {words}
            </option>
          ))}
      </Field>
      {problem !== null && !onName && (
        <p class="field-error" role="alert">
          {problem.message}
        </p>
      )}
      <button type="submit" class="button button-main" disabled={busy || file === null || country === ""}>
        {t("imports.do")}
      </button>
    </Form>
  );
}

function Bar({ progress, onGiveUp }: { progress: Progress; onGiveUp: () => void }) {
  const { bytes, of, rows, bad, leftMs, finishing } = progress;
  const percent = of === 0 ? 100 : Math.floor((100 * bytes) / of);
  return (
    <div class="form">
      <label class="upload">
        {finishing ? t("imports.saving") : t("imports.reading", { percent })}
        <progress max={of} value={bytes} />
      </label>
      <p class="soft">
        {tn("imports.rows", rows)}, {tn("imports.bad", bad)}
        {leftMs !== null && `, ${t("imports.left", { time: duration(leftMs) })}`}
      </p>
      {!finishing && (
        <button type="button" class="button" onClick={onGiveUp}>
          {t("app.cancel")}
        </button>
      )}
    </div>
  );
}

function Result({ of }: { of: Imported }) {
  const lines = of.bad_lines.slice(0, SHOWN_LINES);
  return (
    <div class="import-result">
      <p>
        <Icon name="allow" size={18} /> {tn("imports.done", of.import.numbers, { name: of.import.name })}
      </p>
      {of.bad > 0 && (
        <details>
          <summary>{tn("imports.left_out", of.bad)}</summary>
          <ul class="why">
            {of.kinds.map((kind) => (
              <li key={kind.words}>
                {count(kind.rows)}: {kind.words}
              </li>
            ))}
          </ul>
          <table class="plain">
            <caption class="hidden">{t("imports.lines")}</caption>
            <thead>
              <tr>
                <th scope="col" class="cell-end">
                  {t("imports.column.line")}
                </th>
                <th scope="col">{t("imports.column.why")}</th>
              </tr>
            </thead>
            <tbody>
              {lines.map((bad) => (
                <tr key={bad.line}>
                  <td class="cell-end">{count(bad.line)}</td>
                  <td>{bad.words}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {of.bad > lines.length && <p class="soft">{t("imports.more_lines", { n: count(of.bad - lines.length) })}</p>}
        </details>
      )}
    </div>
  );
}
