/** The connected nodes, which way each is connected, and where others reach this one. */
import { useEffect } from "preact/hooks";

import { api } from "../requests";
import { brief, count, duration } from "../format";
import { useResource } from "../resource";
import type { Peer } from "../types";
import { t } from "../words";
import { Card } from "./card";
import { Empty, Failure, Skeleton } from "./states";

/** How often the state of exchanges is asked for. */
const BUSY_MS = 1_500;
const QUIET_MS = 20_000;

export function PeersCard() {
  const { data, problem, reload, poll } = useResource("peers", api.peers, ["peer.*"]);
  const busy = data?.items.some(({ evidence }) => evidence?.state === "comparing" || evidence?.state === "fetching");
  // No event tells how far an exchange has come: it is asked for, often only while one is under way.
  useEffect(() => {
    const timer = setInterval(poll, busy === true ? BUSY_MS : QUIET_MS);
    document.addEventListener("visibilitychange", poll);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", poll);
    };
  }, [busy, poll]);
  return (
    <Card title={t("mesh.peers")} why={t("mesh.peers_why")}>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton />}
      {data?.items.length === 0 && <Empty icon="mesh" title={t("mesh.peers_none")} why={t("mesh.peers_none_why")} />}
      {data !== undefined && data.items.length > 0 && <PeerTable peers={data.items} />}
      {data !== undefined && (
        <>
          <h3>{t("mesh.listening")}</h3>
          <p class="soft">{t(`mesh.public.${data.public ?? "unknown"}`)}</p>
          {data.listening.length === 0 ? (
            <p class="soft">{t("mesh.listening_none")}</p>
          ) : (
            <ul class="addresses">
              {data.listening.map((text) => (
                <li key={text}>
                  <code>{text}</code>
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </Card>
  );
}

function PeerTable({ peers }: { peers: readonly Peer[] }) {
  const nameOf = (id: string): string => peers.find((peer) => peer.peer === id)?.name ?? brief(id);
  return (
    <table class="plain peers">
      <caption class="hidden">{t("mesh.peers")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("mesh.peer")}</th>
          <th scope="col" class="wide">
            {t("mesh.peer_address")}
          </th>
          <th scope="col">{t("mesh.peer_path")}</th>
          <th scope="col">{t("mesh.peer_evidence")}</th>
          <th scope="col" class="wide">
            {t("mesh.peer_found")}
          </th>
          <th scope="col" class="wide">
            {t("mesh.peer_since")}
          </th>
        </tr>
      </thead>
      <tbody>
        {peers.map((peer) => (
          <tr key={peer.peer}>
            <th scope="row">
              {typeof peer.name === "string" && <span class="caller-title">{peer.name} </span>}
              <code title={peer.peer}>{brief(peer.peer)}</code>
            </th>
            <td class="wide">
              <code>{peer.address}</code>
            </td>
            <td>
              {typeof peer.through === "string"
                ? t("mesh.path.relayed", { name: nameOf(peer.through) })
                : t("mesh.path.direct")}
            </td>
            <td>
              <EvidenceOf peer={peer} />
            </td>
            <td class="wide">{t(`mesh.found.${peer.found}`)}</td>
            <td class="wide">{duration(peer.connected_s * 1000)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** How far the peer's evidence is the same as here. */
function EvidenceOf({ peer: { evidence } }: { peer: Peer }) {
  if (evidence === null) return <>{t("evidence.waiting")}</>;
  const { state, came, to_come, given, bytes } = evidence;
  const detail = t("evidence.detail", { came, given, size: Math.ceil(bytes / 1000) });
  switch (state) {
    case "equal":
      return <span title={detail}>{equal(evidence.equal_s ?? 0)}</span>;
    case "comparing":
      return <>{t("evidence.comparing")}</>;
    case "fetching":
      if (came + to_come === 0) return <>{t("evidence.giving", { n: count(given) })}</>;
      return (
        <label class="evidence-progress">
          {t("evidence.fetching", { came: count(came), all: count(came + to_come) })}
          <progress value={came} max={came + to_come} />
        </label>
      );
    case "failed":
      return <span class="evidence-failed">{t("evidence.failed", { why: evidence.failure ?? "" })}</span>;
    case "waiting":
      return <>{t("evidence.waiting")}</>;
  }
}

/** Within this time nothing older is worth telling: gossip brings what is new in between. */
const JUST_NOW_S = 60;

function equal(agoS: number): string {
  return agoS < JUST_NOW_S ? t("evidence.equal_now") : t("evidence.equal", { when: duration(agoS * 1000) });
}
