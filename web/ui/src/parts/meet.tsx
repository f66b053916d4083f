/** How two homes meet: an invite handed over, an invite used, a node on the same network. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";

import type { Problem } from "../client";
import { brief } from "../format";
import { api } from "../requests";
import { useResource } from "../resource";
import { done } from "../toasts";
import type { Invite, Join, Meeting, Near } from "../types";
import { t } from "../words";
import { Card } from "./card";
import { HandedOver } from "./copy";
import { Countdown, useDeed } from "./deed";
import { Field } from "./field";
import { Form } from "./form";
import { Icon } from "./icon";
import { Empty, Failure, Skeleton } from "./states";

/** Four words, to be read aloud. */
function FourWords({ words, label }: { words: string; label: string }) {
  return (
    <div class="four-words">
      <p class="soft">{label}</p>
      <p class="four-words-text">{words}</p>
    </div>
  );
}

interface NameFieldProps {
  label: string;
  name: string;
  onName: (name: string) => void;
  problem: Problem | null;
}

/** What the neighbour is called here. */
function NameField({ label, name, onName, problem }: NameFieldProps) {
  return (
    <Field
      label={label}
      hint={t("meet.name_hint")}
      value={name}
      onValue={onName}
      error={problem?.message}
      maxLength={80}
      autocomplete="off"
    />
  );
}

export function InviteCard() {
  const { data, problem, reload } = useResource("invites", api.invites, [
    "invites.changed",
    "invite.used",
    "vouch.changed",
  ]);
  const [name, setName] = useState("");
  const deed = useDeed();
  const make = () =>
    deed.run(async () => {
      await api.invite(name.trim());
      setName("");
      reload();
    });
  return (
    <Card title={t("meet.invite")} why={t("meet.invite_why")}>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton />}
      <Form onSend={make}>
        <NameField label={t("meet.invite_name")} name={name} onName={setName} problem={deed.problem} />
        <button type="submit" class="button button-main" disabled={deed.busy}>
          {t("meet.invite_do")}
        </button>
      </Form>
      {data?.items.map((invite) => (
        <OneInvite key={invite.id} invite={invite} onChanged={reload} />
      ))}
    </Card>
  );
}

function OneInvite({ invite, onChanged }: { invite: Invite; onChanged: () => void }) {
  const deed = useDeed();
  const remove = (told?: string) =>
    deed.run(async () => {
      await api.revokeInvite(invite.id);
      if (told !== undefined) done(told);
      onChanged();
    });
  if (invite.used_by) {
    const name = invite.used_by_name ?? brief(invite.used_by);
    return (
      <section class="invite" role="status" aria-label={t("meet.invite")}>
        <h3>{t("meet.invite_used", { name })}</h3>
        {invite.words && <FourWords words={invite.words} label={t("meet.words_guest", { name })} />}
        {deed.problem !== null && <p class="field-error">{deed.problem.message}</p>}
        <button type="button" class="button" disabled={deed.busy} onClick={() => void remove()}>
          {t("app.dismiss")}
        </button>
      </section>
    );
  }
  const title = invite.name === "" ? t("meet.invite_open") : t("meet.invite_open_for", { name: invite.name });
  return (
    <section class="invite" aria-label={title}>
      <h3>{title}</h3>
      <HandedOver
        qr={invite.qr_svg}
        size={264}
        alt={t("meet.invite_qr")}
        label={t("meet.invite_text")}
        text={invite.text}
      />
      <dl class="facts">
        {invite.code && (
          <div>
            <dt>{t("meet.code")}</dt>
            <dd>
              <strong class="short-code">{invite.code}</strong>{" "}
              <span class="soft">
                <Countdown seconds={invite.code_ends_in_s ?? 0} />
              </span>
            </dd>
          </div>
        )}
        <div>
          <dt>{t("meet.works_for")}</dt>
          <dd>
            <Countdown seconds={invite.ends_in_s} />
          </dd>
        </div>
        <div>
          <dt>{t("meet.vouch")}</dt>
          <dd>{invite.vouch ? t("meet.vouch_yes") : t("meet.vouch_no")}</dd>
        </div>
      </dl>
      {deed.problem !== null && <p class="field-error">{deed.problem.message}</p>}
      <button type="button" class="button" disabled={deed.busy} onClick={() => void remove(t("meet.revoked"))}>
        <Icon name="trash" />
        {t("meet.revoke")}
      </button>
    </section>
  );
}

/** Joins that are over and were read. The node tells each until it starts anew, and then counts from the beginning. */
const dismissed = signal<ReadonlySet<number>>(new Set());

function dismiss(id: number): void {
  dismissed.value = new Set(dismissed.value).add(id);
}

export function JoinCard() {
  const { data, reload } = useResource("joins", api.joins, ["joins.changed"]);
  const [invite, setInvite] = useState("");
  const [name, setName] = useState("");
  const deed = useDeed();
  const join = () =>
    deed.run(async () => {
      await api.join(invite.trim(), name.trim());
      setInvite("");
      setName("");
      reload();
    });
  const onInvite = deed.problem?.field === "invite" || deed.problem?.field === undefined;
  const latest = data?.items[0];
  useEffect(() => {
    if (data === undefined) return;
    const told = new Set(data.items.map(({ id }) => id));
    const kept = [...dismissed.value].filter((id) => told.has(id));
    if (kept.length < dismissed.value.size) dismissed.value = new Set(kept);
  }, [data]);
  return (
    <Card title={t("meet.join")} why={t("meet.join_why")}>
      <Form onSend={join}>
        <Field
          label={t("meet.join_invite")}
          hint={t("meet.join_hint")}
          control="textarea"
          rows={3}
          mono
          value={invite}
          onValue={setInvite}
          error={onInvite ? deed.problem?.message : null}
          maxLength={2200}
          autocomplete="off"
          required
        />
        <NameField label={t("meet.join_name")} name={name} onName={setName} problem={onInvite ? null : deed.problem} />
        <button type="submit" class="button button-main" disabled={deed.busy}>
          {t("meet.join_do")}
        </button>
      </Form>
      {latest !== undefined && !dismissed.value.has(latest.id) && <JoinState join={latest} />}
    </Card>
  );
}

function JoinState({ join }: { join: Join }) {
  return (
    <section class="invite" role="status" aria-label={t("meet.join_state")}>
      <p class={join.stage === "failed" ? "field-error" : ""}>{join.words}</p>
      {join.four_words && <FourWords words={join.four_words} label={t("meet.words_host")} />}
      {(join.stage === "failed" || join.stage === "joined") && (
        <button type="button" class="button" onClick={() => dismiss(join.id)}>
          {t("app.dismiss")}
        </button>
      )}
    </section>
  );
}

export function NearbyCard({ may }: { may: boolean }) {
  const { data, problem, reload } = useResource("nearby", api.nearby, [
    "peer.*",
    "meetings.changed",
    "contact.changed",
  ]);
  return (
    <Card title={t("meet.nearby")} why={t("meet.nearby_why")}>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton />}
      {data?.items.length === 0 && <Empty icon="mesh" title={t("meet.nearby_none")} why={t("meet.nearby_none_why")} />}
      <ul class="nearby">
        {data?.items.map((near) => (
          <OneNear key={near.peer} near={near} may={may} onChanged={reload} />
        ))}
      </ul>
    </Card>
  );
}

function OneNear({ near, may, onChanged }: { near: Near; may: boolean; onChanged: () => void }) {
  const deed = useDeed();
  const meet = () =>
    deed.run(async () => {
      await api.meet(near.peer);
      onChanged();
    });
  const idle = !near.meeting || near.meeting.stage === "failed" || near.meeting.stage === "met";
  const known = near.name !== null;
  return (
    <li class="near">
      <div class="near-head">
        <div class="caller">
          <span class="caller-title">{known ? near.name : t("meet.near")}</span>
          <code class="caller-number" title={near.peer}>
            {brief(near.peer)}
          </code>
        </div>
        {may && idle && !known && (
          <button
            type="button"
            class="button"
            disabled={deed.busy}
            aria-label={t("meet.meet_node", { node: brief(near.peer) })}
            onClick={() => void meet()}
          >
            {t("meet.meet")}
          </button>
        )}
      </div>
      {deed.problem !== null && <p class="field-error">{deed.problem.message}</p>}
      {near.meeting && <Compare meeting={near.meeting} may={may} onChanged={onChanged} />}
    </li>
  );
}

function Compare({ meeting, may, onChanged }: { meeting: Meeting; may: boolean; onChanged: () => void }) {
  const [name, setName] = useState("");
  const deed = useDeed();
  const answer = (same: boolean) =>
    deed.run(async () => {
      await api.compare(meeting.peer, same, name.trim());
      onChanged();
    });
  return (
    <section class="invite" role="status" aria-label={t("meet.meeting")}>
      <p class={meeting.stage === "failed" ? "field-error" : ""}>{meeting.words}</p>
      {meeting.four_words && <FourWords words={meeting.four_words} label={t("meet.words_both")} />}
      {may && meeting.stage === "comparing" && (
        <div class="form">
          <NameField label={t("meet.join_name")} name={name} onName={setName} problem={deed.problem} />
          <div class="actions">
            <button type="button" class="button button-main" disabled={deed.busy} onClick={() => void answer(true)}>
              {t("meet.same")}
            </button>
            <button type="button" class="button" disabled={deed.busy} onClick={() => void answer(false)}>
              {t("meet.different")}
            </button>
          </div>
        </div>
      )}
    </section>
  );
}

/** Whether a neighbour's node is there: in words, with a dot. */
export function Presence({ online }: { online: boolean }) {
  return <span class={`presence ${online ? "presence-on" : ""}`}>{online ? t("meet.online") : t("meet.offline")}</span>;
}
