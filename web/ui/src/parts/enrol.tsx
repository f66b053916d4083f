/** How a node comes into the household, on both sides: an invite, six digits, a word of the person. */
import { useState } from "preact/hooks";

import { api } from "../requests";
import { session } from "../session";
import { done } from "../toasts";
import type { HouseholdEnrolment, HouseholdGuest, HouseholdInvite, HouseholdJoining, LeftBehind } from "../types";
import { t } from "../words";
import { Card } from "./card";
import { HandedOver } from "./copy";
import { Countdown, useDeed } from "./deed";
import { Choice, Field } from "./field";
import { Form } from "./form";
import { Icon } from "./icon";

type Role = "member" | "admin";
type Changed = (now: HouseholdEnrolment) => void;

const ROLES: readonly { value: Role; label: string }[] = [
  { value: "member", label: t("household.role.member") },
  { value: "admin", label: t("household.role.admin") },
];

export function InviteNode({ enrolment, onChanged }: { enrolment: HouseholdEnrolment; onChanged: Changed }) {
  const deed = useDeed();
  const make = () => deed.run(async () => onChanged(await api.inviteNode()));
  const waiting = enrolment.guests.filter((guest) => guest.stage === "comparing");
  return (
    <Card title={t("household.invite")} why={t("household.invite_why")}>
      {deed.problem !== null && (
        <p class="field-error" role="alert">
          {deed.problem.message}
        </p>
      )}
      <button
        type="button"
        class={enrolment.invite ? "button" : "button button-main"}
        disabled={deed.busy}
        onClick={() => void make()}
      >
        <Icon name="plus" />
        {t(enrolment.invite ? "household.invite_again" : "household.invite_do")}
      </button>
      {waiting.length > 1 && (
        <p class="field-error" role="alert">
          {t("household.guests_two")}
        </p>
      )}
      {enrolment.guests.map((guest) => (
        <Guest key={guest.digits} guest={guest} onChanged={onChanged} />
      ))}
      {enrolment.invite && waiting.length === 0 && <OpenInvite invite={enrolment.invite} onChanged={onChanged} />}
    </Card>
  );
}

function OpenInvite({ invite, onChanged }: { invite: HouseholdInvite; onChanged: Changed }) {
  const deed = useDeed();
  const end = () =>
    deed.run(async () => {
      onChanged(await api.endNodeInvite());
      done(t("household.invite_ended"));
    });
  return (
    <section class="invite" aria-label={t("household.invite_text")}>
      <p>{t("household.invite_next")}</p>
      <HandedOver
        qr={invite.qr_svg}
        size={208}
        alt={t("household.invite_qr")}
        label={t("household.invite_text")}
        text={invite.text}
      />
      <dl class="facts">
        {invite.code && (
          <div>
            <dt>{t("meet.code")}</dt>
            <dd>
              <strong class="short-code">{invite.code}</strong>
            </dd>
          </div>
        )}
        <div>
          <dt>{t("meet.works_for")}</dt>
          <dd>
            <Countdown seconds={invite.ends_in_s} />
          </dd>
        </div>
      </dl>
      {deed.problem !== null && <p class="field-error">{deed.problem.message}</p>}
      <button type="button" class="button" disabled={deed.busy} onClick={() => void end()}>
        {t("household.invite_end")}
      </button>
    </section>
  );
}

/** Six digits, to be compared. Read one by one by whoever hears the page. */
function Digits({ digits }: { digits: string }) {
  return (
    <div class="four-words">
      <p class="soft">{t("household.digits")}</p>
      <p class="four-words-text six-digits" aria-label={digits.split("").join(" ")}>
        {digits}
      </p>
    </div>
  );
}

function Guest({ guest, onChanged }: { guest: HouseholdGuest; onChanged: Changed }) {
  const [name, setName] = useState(guest.name);
  const [role, setRole] = useState<Role>("member");
  const deed = useDeed();
  const waits = guest.stage === "comparing" || guest.name === "";
  const asks = guest.name === "" ? t("household.guest_unnamed") : t("household.guest", { name: guest.name });
  const title = waits ? asks : guest.name;
  const confirm = () => deed.run(async () => onChanged(await api.confirmNode(guest.digits, name.trim(), role)));
  const refuse = () => deed.run(async () => onChanged(await api.refuseNode(guest.digits)));
  return (
    <section class="invite" role="status" aria-label={title}>
      <h3>{title}</h3>
      <p class={guest.stage === "failed" ? "field-error" : ""}>{guest.words}</p>
      {guest.stage === "comparing" && (
        <>
          <Digits digits={guest.digits} />
          <div class="form">
            <Field
              label={t("household.guest_name")}
              value={name}
              onValue={setName}
              error={deed.problem?.message}
              maxLength={40}
              autocomplete="off"
            />
            <Choice label={t("household.guest_role")} value={role} options={ROLES} onValue={setRole} />
            <div class="actions">
              <button type="button" class="button button-main" disabled={deed.busy} onClick={() => void confirm()}>
                {t("household.same")}
              </button>
              <button type="button" class="button" disabled={deed.busy} onClick={() => void refuse()}>
                {t("household.different")}
              </button>
            </div>
          </div>
        </>
      )}
    </section>
  );
}

interface JoinProps {
  enrolment: HouseholdEnrolment;
  behind: LeftBehind;
  onChanged: Changed;
}

export function JoinHousehold({ enrolment, behind, onChanged }: JoinProps) {
  const [invite, setInvite] = useState("");
  const [name, setName] = useState(session.value?.node_name ?? "");
  const deed = useDeed();
  const join = () =>
    deed.run(async () => {
      onChanged(await api.joinHousehold(invite.trim(), name.trim()));
      setInvite("");
    });
  const joining = enrolment.joining;
  const runs = joining && joining.stage !== "failed";
  const onName = deed.problem?.field === "name";
  return (
    <Card title={t("household.join")} why={t("household.join_why", { ...behind })}>
      {!runs && (
        <Form onSend={join}>
          <Field
            label={t("household.join_invite")}
            hint={t("household.join_hint")}
            control="textarea"
            rows={3}
            mono
            value={invite}
            onValue={setInvite}
            error={onName ? null : deed.problem?.message}
            maxLength={2100}
            autocomplete="off"
            required
          />
          <Field
            label={t("household.join_name")}
            value={name}
            onValue={setName}
            error={onName ? deed.problem?.message : null}
            maxLength={40}
            autocomplete="off"
          />
          <button type="submit" class="button button-main" disabled={deed.busy}>
            {t("household.join_do")}
          </button>
        </Form>
      )}
      {joining && <Joining joining={joining} onChanged={onChanged} />}
    </Card>
  );
}

function Joining({ joining, onChanged }: { joining: HouseholdJoining; onChanged: Changed }) {
  const deed = useDeed();
  const digits = joining.digits;
  const asked = digits && !joining.confirmed && (joining.stage === "comparing" || joining.stage === "fetching");
  const confirm = (shown: string) => deed.run(async () => onChanged(await api.confirmNode(shown, "", "member")));
  const stop = () => deed.run(async () => onChanged(await api.stopJoining()));
  return (
    <section class="invite" role="status" aria-label={t("household.joining")}>
      <p class={joining.stage === "failed" ? "field-error" : ""}>{joining.words}</p>
      {asked && <Digits digits={digits} />}
      {joining.confirmed && joining.stage !== "moving" && joining.stage !== "failed" && (
        <p>{t("household.confirmed")}</p>
      )}
      {deed.problem !== null && <p class="field-error">{deed.problem.message}</p>}
      {joining.stage !== "failed" && joining.stage !== "moving" && (
        <div class="actions">
          {asked && (
            <button type="button" class="button button-main" disabled={deed.busy} onClick={() => void confirm(digits)}>
              {t("household.same")}
            </button>
          )}
          <button type="button" class="button" disabled={deed.busy} onClick={() => void stop()}>
            {t(asked ? "household.different" : "household.give_up")}
          </button>
        </div>
      )}
    </section>
  );
}
