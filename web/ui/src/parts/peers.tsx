/** The connected nodes, which way each is connected, and where others reach this one. */
import { api } from "../requests";
import { brief, duration } from "../format";
import { useResource } from "../resource";
import type { Peer } from "../types";
import { t } from "../words";
import { Card } from "./card";
import { Empty, Failure, Skeleton } from "./states";

export function PeersCard() {
  const { data, problem, reload } = useResource("peers", api.peers, ["peer.*"]);
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
          <th scope="col" class="wide">
            {t("mesh.peer_found")}
          </th>
          <th scope="col">{t("mesh.peer_since")}</th>
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
            <td class="wide">{t(`mesh.found.${peer.found}`)}</td>
            <td>{duration(peer.connected_s * 1000)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
