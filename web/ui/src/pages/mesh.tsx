import { useState } from "preact/hooks";

import { api } from "../requests";
import { brief, count, day } from "../format";
import { Card } from "../parts/card";
import { HandedOver } from "../parts/copy";
import { useDeed } from "../parts/deed";
import { Confirm } from "../parts/dialog";
import { Field } from "../parts/field";
import { Form } from "../parts/form";
import { IconButton } from "../parts/iconbutton";
import { InviteCard, JoinCard, NearbyCard, Presence } from "../parts/meet";
import { PeersCard } from "../parts/peers";
import { Empty, Failure, Skeleton } from "../parts/states";
import { address } from "../route";
import { useResource } from "../resource";
import { has } from "../session";
import { done } from "../toasts";
import type { Neighbour, Neighbours } from "../types";
import { t, tn } from "../words";

export function Mesh() {
  const neighbours = useResource("neighbours", api.neighbours, ["vouch.changed", "report.*"]);
  return (
    <div class="page">
      <header class="page-head">
        <h1 tabIndex={-1}>{t("mesh.title")}</h1>
      </header>
      <section class="explain" aria-labelledby="vouching">
        <h2 id="vouching">{t("mesh.vouching")}</h2>
        <ul>
          <li>{t("mesh.vouching_1")}</li>
          <li>{t("mesh.vouching_2")}</li>
          <li>{t("mesh.vouching_3")}</li>
        </ul>
      </section>
      {has("moderator") && (
        <div class="halves">
          <InviteCard />
          <JoinCard />
        </div>
      )}
      <NearbyCard may={has("moderator")} />
      <div class="halves">
        <OwnCard />
        {has("moderator") && <Vouch neighbours={neighbours.data} onVouched={neighbours.reload} />}
      </div>
      <Card
        title={t("mesh.neighbours")}
        aside={
          <a class="button" href={address({ page: "graph" })}>
            {t("mesh.graph")}
          </a>
        }
      >
        {neighbours.problem !== undefined && <Failure problem={neighbours.problem} retry={neighbours.reload} />}
        {neighbours.data === undefined && neighbours.problem === undefined && <Skeleton />}
        {neighbours.data?.items.length === 0 && (
          <Empty icon="user" title={t("mesh.neighbours_none")} why={t("mesh.neighbours_none_why")} />
        )}
        {neighbours.data !== undefined && neighbours.data.items.length > 0 && (
          <NeighbourTable neighbours={neighbours.data.items} onChanged={neighbours.reload} />
        )}
      </Card>
      <PeersCard />
    </div>
  );
}

function OwnCard() {
  const { data, problem, reload } = useResource("node", api.node);
  return (
    <Card title={t("mesh.card")} why={t("mesh.card_why")}>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton />}
      {data !== undefined && (
        <HandedOver
          qr={data.card_svg}
          size={208}
          alt={t("mesh.card_qr")}
          label={t("mesh.card_text")}
          text={data.card}
        />
      )}
    </Card>
  );
}

function Vouch({ neighbours, onVouched }: { neighbours: Neighbours | undefined; onVouched: () => void }) {
  const [card, setCard] = useState("");
  const [name, setName] = useState("");
  const { busy, problem, run } = useDeed();
  const left = neighbours?.left;
  const vouch = () =>
    run(async () => {
      const neighbour = await api.vouch(card.trim(), name.trim());
      done(t("mesh.vouched", { name: neighbour.name }), async () => {
        await api.unvouch(neighbour.home);
      });
      setCard("");
      setName("");
      onVouched();
    });
  const onName = problem?.field === "name";
  return (
    <Card
      title={t("mesh.vouch")}
      aside={left === undefined ? undefined : <span class="tag">{tn("mesh.vouch_left", left)}</span>}
    >
      {left === 0 ? (
        <p class="soft">{t("mesh.vouch_full")}</p>
      ) : (
        <Form onSend={vouch}>
          <Field
            label={t("mesh.vouch_card")}
            hint={t("mesh.vouch_card_hint")}
            control="textarea"
            rows={3}
            mono
            value={card}
            onValue={setCard}
            error={onName ? null : problem?.message}
            maxLength={400}
            autocomplete="off"
            required
          />
          <Field
            label={t("mesh.vouch_name")}
            hint={t("mesh.vouch_name_hint")}
            value={name}
            onValue={setName}
            error={onName ? problem.message : null}
            maxLength={80}
            autocomplete="off"
            required
          />
          <button type="submit" class="button button-main" disabled={busy}>
            {t("mesh.vouch_do")}
          </button>
        </Form>
      )}
    </Card>
  );
}

function NeighbourTable({ neighbours, onChanged }: { neighbours: readonly Neighbour[]; onChanged: () => void }) {
  const [leaving, setLeaving] = useState<Neighbour | null>(null);
  const contacts = useResource("contacts", api.contacts, ["contact.changed", "presence.changed"]);
  const there = new Map<string, boolean>();
  for (const contact of contacts.data?.items ?? []) {
    there.set(contact.home, contact.online || there.get(contact.home) === true);
  }
  return (
    <>
      <table class="plain">
        <caption class="hidden">{t("mesh.neighbours")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("mesh.neighbour_name")}</th>
            <th scope="col">{t("mesh.neighbour_presence")}</th>
            <th scope="col" class="wide">
              {t("mesh.neighbour_vouched")}
            </th>
            <th scope="col" class="cell-end">
              {t("mesh.neighbour_count")}
            </th>
            {has("moderator") && (
              <th scope="col" class="cell-end">
                <span class="hidden">{t("lists.column.actions")}</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {neighbours.map((neighbour) => (
            <tr key={neighbour.home}>
              <th scope="row">
                <div class="caller">
                  <span class="caller-title">{neighbour.name}</span>
                  <code class="caller-number" title={neighbour.home}>
                    {brief(neighbour.home)}
                  </code>
                </div>
              </th>
              <td>{there.has(neighbour.home) ? <Presence online={there.get(neighbour.home) === true} /> : "–"}</td>
              <td class="wide">{day(neighbour.vouched)}</td>
              <td class="cell-end">{count(neighbour.reports)}</td>
              {has("moderator") && (
                <td>
                  <div class="actions">
                    <IconButton
                      icon="trash"
                      label={t("mesh.neighbour_remove", { name: neighbour.name })}
                      onClick={() => setLeaving(neighbour)}
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
          title={t("mesh.remove_title", { name: leaving.name })}
          why={t("mesh.remove_why")}
          act={t("mesh.remove_do")}
          onConfirm={async () => {
            await api.unvouch(leaving.home);
            done(t("mesh.removed", { name: leaving.name }));
            onChanged();
          }}
          onClose={() => setLeaving(null)}
        />
      )}
    </>
  );
}
