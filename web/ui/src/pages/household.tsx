/** The nodes of this home: who they are, who comes in, who goes. */
import { useState } from "preact/hooks";

import { AlarmList } from "../parts/alarms";
import { Card } from "../parts/card";
import { useDeed } from "../parts/deed";
import { Confirm, DialogForm } from "../parts/dialog";
import { InviteNode, JoinHousehold } from "../parts/enrol";
import { CatchingUp } from "../parts/facts";
import { Choice, Field } from "../parts/field";
import { IconButton } from "../parts/iconbutton";
import { Empty, Failure, Skeleton } from "../parts/states";
import { Time } from "../parts/time";
import { api } from "../requests";
import { useResource } from "../resource";
import { has } from "../session";
import { done } from "../toasts";
import type { Household as Home, HouseholdMember } from "../types";
import { t } from "../words";

export function Household() {
  const { data, problem, reload, set } = useResource("household", api.household, [
    "household.changed",
    "facts.arrived",
    "alarms.changed",
  ]);
  return (
    <div class="page">
      <header class="page-head">
        <h1 tabIndex={-1}>{t("household.title")}</h1>
      </header>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data?.expelled === true && (
        <p class="field-error" role="alert">
          {t("household.expelled")}
        </p>
      )}
      <Card title={t("household.members")} why={t("household.members_why")}>
        {data === undefined && problem === undefined && <Skeleton />}
        {data?.members.length === 0 && (
          <Empty icon="home" title={t("household.alone")} why={t("household.alone_why")} />
        )}
        {data !== undefined && data.members.length > 0 && <Members home={data} onChanged={set} onSeen={reload} />}
        {data !== undefined && <CatchingUp facts={data.facts} />}
      </Card>
      {data !== undefined && has("admin") && <Enrolling home={data} />}
    </div>
  );
}

/** What only a person who may add nodes sees. */
function Enrolling({ home }: { home: Home }) {
  const { data, problem, reload, set } = useResource("enrolment", api.enrolment, ["enrolment.changed"]);
  const present = home.members.filter((member) => !member.removed).length;
  const free = present < 2 || home.expelled;
  return (
    <>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data !== undefined && (
        <div class={home.admin && free ? "halves" : ""}>
          {home.admin && <InviteNode enrolment={data} onChanged={set} />}
          {free && <JoinHousehold enrolment={data} behind={home.left_behind} onChanged={set} />}
        </div>
      )}
      {(present > 1 || home.expelled) && <Leave home={home} />}
    </>
  );
}

function Leave({ home }: { home: Home }) {
  const [leaving, setLeaving] = useState(false);
  const heard = home.expelled || home.members.some((member) => member.online && !member.own && !member.removed);
  return (
    <p>
      <button type="button" class="button" onClick={() => setLeaving(true)}>
        {t("household.leave")}
      </button>
      {leaving && (
        <Confirm
          title={t("household.leave")}
          why={`${t("household.leave_why")} ${t(heard ? "household.leave_heard" : "household.leave_unheard")}`}
          act={t("household.leave_do")}
          onConfirm={async () => {
            await api.leaveHousehold();
            done(t("household.left"));
          }}
          onClose={() => setLeaving(false)}
        />
      )}
    </p>
  );
}

function state(member: HouseholdMember): string {
  if (member.removed) return t(member.left ? "household.gone" : "household.removed");
  if (member.copied) return t("household.copied");
  if (member.own) return t("household.this");
  if (member.in_step) return t("household.there");
  return member.online ? t("household.catching_up") : t("household.away");
}

/** What a member is, since when it was not heard, and what needs attention there. */
function About({ member, onSeen }: { member: HouseholdMember; onSeen: () => void }) {
  const away = !member.own && !member.online && !member.removed;
  const what = [member.machine, member.version === "" ? "" : t("household.version", { version: member.version })];
  return (
    <div class="member-about">
      {member.machine !== "" && <p class="soft">{what.filter((text) => text !== "").join(" · ")}</p>}
      {away && (
        <p class="soft">
          {t(member.last_seen === null ? "household.not_seen" : "household.last_seen")}{" "}
          {member.last_seen !== null && <Time unix={member.last_seen} />}
        </p>
      )}
      {!member.removed && !member.own && member.alarms.length > 0 && (
        <AlarmList alarms={member.alarms} onSeen={onSeen} />
      )}
    </div>
  );
}

interface MembersProps {
  home: Home;
  onChanged: (home: Home) => void;
  onSeen: () => void;
}

function Members({ home, onChanged, onSeen }: MembersProps) {
  const [removing, setRemoving] = useState<HouseholdMember | null>(null);
  const [editing, setEditing] = useState<HouseholdMember | null>(null);
  const may = home.admin && has("admin");
  return (
    <>
      <table class="plain">
        <caption class="hidden">{t("household.members")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("household.name")}</th>
            <th scope="col">{t("household.state")}</th>
            <th scope="col" class="wide">
              {t("household.role")}
            </th>
            {may && (
              <th scope="col" class="cell-end">
                <span class="hidden">{t("lists.column.actions")}</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {home.members.map((member) => (
            <tr key={member.number}>
              <th scope="row">
                {member.name}
                <About member={member} onSeen={onSeen} />
              </th>
              <td>
                <span class={`presence ${member.online && !member.removed ? "presence-on" : ""}`}>{state(member)}</span>
              </td>
              <td class="wide">
                {member.removed ? "–" : t(member.role === "admin" ? "household.role.admin" : "household.role.member")}
              </td>
              {may && (
                <td>
                  {!member.removed && (
                    <div class="actions">
                      <IconButton
                        icon="edit"
                        label={t("household.edit", { name: member.name })}
                        onClick={() => setEditing(member)}
                      />
                      {!member.own && (
                        <IconButton
                          icon="trash"
                          label={t("household.remove", { name: member.name })}
                          onClick={() => setRemoving(member)}
                        />
                      )}
                    </div>
                  )}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {removing !== null && (
        <Confirm
          title={t("household.remove_title", { name: removing.name })}
          why={t("household.remove_why")}
          act={t("household.remove_do")}
          onConfirm={async () => {
            onChanged(await api.removeMember(removing.number));
            done(t("household.removed_done", { name: removing.name }));
          }}
          onClose={() => setRemoving(null)}
        />
      )}
      {editing !== null && <Edit member={editing} onChanged={onChanged} onClose={() => setEditing(null)} />}
    </>
  );
}

interface EditProps {
  member: HouseholdMember;
  onChanged: (home: Home) => void;
  onClose: () => void;
}

function Edit({ member, onChanged, onClose }: EditProps) {
  const [name, setName] = useState(member.name);
  const [role, setRole] = useState(member.role);
  const deed = useDeed();
  const save = () =>
    deed.run(async () => {
      const named = name.trim() === member.name ? null : name.trim();
      const given = role === member.role ? null : role;
      if (named !== null || given !== null) onChanged(await api.changeMember(member.number, named, given));
      done(t("household.changed_done", { name: name.trim() }));
      onClose();
    });
  return (
    <DialogForm
      title={t("household.edit_title", { name: member.name })}
      act={t("app.save")}
      busy={deed.busy}
      onSend={save}
      onClose={onClose}
    >
      <Field
        label={t("household.name")}
        value={name}
        onValue={setName}
        error={deed.problem?.message}
        maxLength={40}
        autocomplete="off"
        required
      />
      <Choice
        label={t("household.guest_role")}
        value={role}
        options={[
          { value: "member", label: t("household.role.member") },
          { value: "admin", label: t("household.role.admin") },
        ]}
        onValue={setRole}
      />
    </DialogForm>
  );
}
