/** The pages before somebody is signed in: claim the node, or sign in. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { api } from "../requests";
import { asProblem, type Problem } from "../client";
import { Field } from "../parts/field";
import { Meerkat } from "../parts/meerkat";
import { ThemeSwitch } from "../parts/shell";
import { forgetClaimToken } from "../router";
import { enter, session } from "../session";
import { t } from "../words";

function Door({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="door">
      <div class="door-tools">
        <ThemeSwitch />
      </div>
      <main class="door-card">
        <header class="door-head">
          <Meerkat size={56} />
          <h1 tabIndex={-1}>{title}</h1>
          <p class="soft">{session.value?.node_name}</p>
        </header>
        {children}
      </main>
      <p class="door-foot">{t("claim.private")}</p>
    </div>
  );
}

/** Sends a form once at a time and keeps what the node said against it. */
function useSubmit(send: () => Promise<void>): {
  problem: Problem | null;
  busy: boolean;
  onSubmit: (event: SubmitEvent) => void;
} {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await send();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return {
    problem,
    busy,
    onSubmit: (event) => {
      event.preventDefault();
      if (!busy) void submit();
    },
  };
}

export function SignIn() {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const { problem, busy, onSubmit } = useSubmit(async () => enter(await api.signIn(name.trim(), password)));
  return (
    <Door title={t("signin.title")}>
      <form class="form" onSubmit={onSubmit}>
        <Field
          label={t("signin.name")}
          name="name"
          value={name}
          onValue={setName}
          autocomplete="username"
          maxLength={40}
          required
          autofocus
        />
        <Field
          label={t("signin.password")}
          name="password"
          type="password"
          value={password}
          onValue={setPassword}
          error={problem?.message}
          autocomplete="current-password"
          required
        />
        <button type="submit" class="button button-main button-wide" disabled={busy}>
          {t("signin.do")}
        </button>
      </form>
      <p class="door-help">
        {t("signin.lost")} <code>meerkat admin claim</code> {t("signin.lost_what")}
      </p>
    </Door>
  );
}

export function Claim({ token }: { token: string }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [shown, setShown] = useState(false);
  const { problem, busy, onSubmit } = useSubmit(async () => {
    const next = await api.claim(token, name.trim(), password);
    forgetClaimToken();
    enter(next);
  });
  const onName = problem?.field === "name";
  const first = session.value?.state === "unclaimed";
  return (
    <Door title={t(first ? "claim.title" : "claim.again_title")}>
      <p class="door-lead">{t(first ? "claim.lead" : "claim.again")}</p>
      <form class="form" onSubmit={onSubmit}>
        <Field
          label={t("claim.name")}
          name="name"
          value={name}
          onValue={setName}
          error={onName ? problem.message : null}
          autocomplete="username"
          maxLength={40}
          required
          autofocus
        />
        <Field
          label={t("claim.password")}
          hint={t("claim.password_hint")}
          name="password"
          type={shown ? "text" : "password"}
          value={password}
          onValue={setPassword}
          error={onName ? null : problem?.message}
          autocomplete="new-password"
          required
        />
        <label class="check">
          <input type="checkbox" checked={shown} onChange={(event) => setShown(event.currentTarget.checked)} />
          {t("claim.show")}
        </label>
        <button type="submit" class="button button-main button-wide" disabled={busy}>
          {t("claim.do")}
        </button>
      </form>
      {!first && (
        <p class="door-help">
          <a class="link" href="#/">
            {t("claim.sign_in")}
          </a>
        </p>
      )}
    </Door>
  );
}

export function ClaimWithoutLink() {
  return (
    <Door title={t("claim.title")}>
      <p class="door-lead">{t("claim.need_link")}</p>
      <p class="door-help">
        {t("claim.need_link_how")} <code>meerkat admin claim</code>
      </p>
    </Door>
  );
}
