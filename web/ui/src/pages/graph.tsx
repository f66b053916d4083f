/** Who vouches for whom, as a picture and as a table. */
import { useMemo, useRef, useState } from "preact/hooks";

import { brief, count } from "../format";
import { layout, step, type Picture, type Spot } from "../graph";
import { Card } from "../parts/card";
import { Choice } from "../parts/field";
import { Empty, Failure, Skeleton } from "../parts/states";
import { api } from "../requests";
import { address } from "../route";
import { useResource } from "../resource";
import type { KnownHome, Neighbourhood } from "../types";
import { t, tn } from "../words";

type Form = "picture" | "table";

/** How many rows the table has at first: the picture is for the rest. */
const ROWS = 100;

export function Graph() {
  const { data, problem, reload } = useResource("neighbourhood", api.neighbourhood, ["vouch.changed"]);
  return (
    <div class="page">
      <header class="page-head">
        <h1 tabIndex={-1}>{t("graph.title")}</h1>
        <p class="soft">{t("graph.why")}</p>
        <a href={address({ page: "mesh" })}>{t("graph.back")}</a>
      </header>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton rows={8} />}
      {data !== undefined && data.homes.length < 2 && (
        <Empty icon="mesh" title={t("graph.none")} why={t("graph.none_why")} />
      )}
      {data !== undefined && data.homes.length >= 2 && <Shown data={data} />}
    </div>
  );
}

function Shown({ data }: { data: Neighbourhood }) {
  const [form, setForm] = useState<Form>("picture");
  const all = data.at_distance.reduce((sum, n) => sum + n, 0) - 1;
  const left = all - (data.homes.length - 1);
  return (
    <Card
      title={tn("graph.homes", all)}
      why={tn("graph.vouches", data.vouches)}
      aside={
        <Choice
          label={t("graph.form")}
          hideLabel
          value={form}
          options={[
            { value: "picture", label: t("graph.picture") },
            { value: "table", label: t("graph.table") },
          ]}
          onValue={setForm}
        />
      }
    >
      {form === "picture" ? <PictureOf data={data} /> : <TableOf data={data} />}
      {left > 0 && <p class="soft">{tn("graph.left", left)}</p>}
    </Card>
  );
}

/** What a home is called: as this home calls it, or the beginning of its own name. */
function called(home: KnownHome | undefined): string {
  if (home === undefined) return "";
  if (home.distance === 0) return t("graph.own");
  return home.name ?? home.home.slice(0, 8);
}

/** A spot in words: for those who do not see it, and beside the picture. */
function words(data: Neighbourhood, spot: Spot): readonly string[] {
  const homes = spot.homes.flatMap((at) => data.homes[at] ?? []);
  const [first] = homes;
  if (first === undefined) return [];
  if (first.distance === 0) return [t("graph.own")];
  const vouchers = [...new Set(homes.flatMap((home) => home.vouched_by))].map((at) => called(data.homes[at]));
  const reports = homes.reduce((sum, home) => sum + home.reports, 0);
  const twisted = homes.filter((home) => home.equivocates).length;
  return [
    homes.length === 1 ? called(first) : tn("graph.cluster", homes.length),
    tn("graph.away", first.distance),
    vouchers.length === 0 ? "" : t("graph.vouched_by", { who: listed(vouchers) }),
    tn("graph.reports", reports),
    twisted === 0 ? "" : homes.length === 1 ? t("graph.equivocates") : tn("graph.equivocating", twisted),
  ].filter((part) => part !== "");
}

function listed(names: readonly string[]): string {
  const MOST = 5;
  const shown = names.slice(0, MOST).join(", ");
  return names.length > MOST ? `${shown} ${tn("graph.others", names.length - MOST)}` : shown;
}

function PictureOf({ data }: { data: Neighbourhood }) {
  const picture = useMemo(() => layout(data.homes), [data]);
  const [looked, setLooked] = useState(0);
  const [at, setAt] = useState(0);
  const svg = useRef<SVGSVGElement>(null);
  const { spots, extent, rings } = picture;
  const room = extent + 20;
  const look = spots[looked] ?? spots[0];
  return (
    <div class="graph">
      <p class="field-hint">{t("graph.hint")}</p>
      <svg
        ref={svg}
        class="graph-picture"
        viewBox={`${-room} ${-room} ${2 * room} ${2 * room}`}
        role="group"
        aria-label={t("graph.title")}
        onKeyDown={(event) => {
          const next = step(spots, at, event.key);
          if (next === at && !event.key.startsWith("Arrow")) return;
          event.preventDefault();
          setAt(next);
          setLooked(next);
          svg.current?.querySelector<SVGGElement>(`[data-spot="${next}"]`)?.focus();
        }}
      >
        {rings.map((radius) => (
          <circle key={radius} class="graph-ring" r={radius} />
        ))}
        <Lines picture={picture} looked={looked} />
        {spots.map((spot, n) => (
          <SpotOf
            key={spot.id}
            data={data}
            spot={spot}
            n={n}
            reachable={n === at}
            looked={n === looked}
            onLook={() => setLooked(n)}
            onFocus={() => {
              setAt(n);
              setLooked(n);
            }}
          />
        ))}
      </svg>
      {look !== undefined && (
        <ul class="graph-words" aria-live="polite">
          {words(data, look).map((part, n) => (
            <li key={part}>{n === 0 ? <strong>{part}</strong> : part}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** With more lines than this, those along which nothing is placed are drawn only for the spot that is looked at. */
const MAX_LINES = 80;

function Lines({ picture, looked }: { picture: Picture; looked: number }) {
  const { spots, lines } = picture;
  return (
    <g aria-hidden="true">
      {lines.map(({ from, to, main }) => {
        const [a, b] = [spots[from], spots[to]];
        if (a === undefined || b === undefined) return null;
        const near = from === looked || to === looked;
        if (!near && !main && lines.length > MAX_LINES) return null;
        const kind = near ? "graph-line graph-line-near" : main ? "graph-line" : "graph-line graph-line-side";
        return <line key={`${from}-${to}`} class={kind} x1={a.x} y1={a.y} x2={b.x} y2={b.y} />;
      })}
    </g>
  );
}

interface SpotProps {
  data: Neighbourhood;
  spot: Spot;
  n: number;
  reachable: boolean;
  looked: boolean;
  onLook: () => void;
  onFocus: () => void;
}

function SpotOf({ data, spot, n, reachable, looked, onLook, onFocus }: SpotProps) {
  const homes = spot.homes.flatMap((at) => data.homes[at] ?? []);
  const twisted = homes.some((home) => home.equivocates);
  const kind = spot.distance === 0 ? "own" : spot.distance === 1 ? "near" : "far";
  const label = homes.length > 1 ? null : spot.distance === 1 || looked ? called(homes[0]) : null;
  return (
    <g
      data-spot={n}
      class={`graph-spot graph-${kind}${twisted ? " graph-twisted" : ""}${looked ? " graph-looked" : ""}`}
      transform={`translate(${spot.x} ${spot.y})`}
      role="img"
      tabIndex={reachable ? 0 : -1}
      aria-label={words(data, spot).join(". ")}
      onPointerEnter={onLook}
      onFocus={onFocus}
    >
      <circle r={spot.radius} />
      {homes.length > 1 && (
        <text class="graph-count" dy="0.35em">
          {count(homes.length)}
        </text>
      )}
      {twisted && homes.length === 1 && (
        <text class="graph-count" dy="0.35em">
          !
        </text>
      )}
      {label !== null && (
        <text class="graph-name" {...besides(spot)}>
          {label.length > 16 ? `${label.slice(0, 15)}…` : label}
        </text>
      )}
    </g>
  );
}

/** Where the name of a spot stands: outwards, so that neighbours' names do not meet in the middle. */
function besides({ x, y, radius }: Spot): { x: number; y: number; "text-anchor": "start" | "middle" | "end" } {
  const aside = Math.abs(x) > 1;
  if (!aside) return { x: 0, y: y < 0 ? -radius - 8 : radius + 18, "text-anchor": "middle" };
  const away = Math.hypot(x, y);
  const [right, down] = [x / away, y / away];
  return { x: right * (radius + 6), y: down * (radius + 12) + 5, "text-anchor": x > 0 ? "start" : "end" };
}

function TableOf({ data }: { data: Neighbourhood }) {
  const [rows, setRows] = useState(ROWS);
  const homes = data.homes.slice(1, rows + 1);
  return (
    <>
      <table class="plain">
        <caption class="hidden">{t("graph.title")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("graph.home")}</th>
            <th scope="col">{t("graph.distance")}</th>
            <th scope="col" class="wide">
              {t("graph.vouchers")}
            </th>
            <th scope="col" class="cell-end">
              {t("mesh.neighbour_count")}
            </th>
          </tr>
        </thead>
        <tbody>
          {homes.map((home) => (
            <tr key={home.home}>
              <th scope="row">
                <div class="caller">
                  <span class="caller-title">
                    <bdi>{called(home)}</bdi>
                  </span>
                  <code class="caller-number" title={home.home}>
                    {brief(home.home)}
                  </code>
                  {home.equivocates && <span class="graph-warning">{t("graph.equivocates")}</span>}
                </div>
              </th>
              <td>{tn("graph.away", home.distance)}</td>
              <td class="wide">{listed(home.vouched_by.map((at) => called(data.homes[at])))}</td>
              <td class="cell-end">{count(home.reports)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {data.homes.length - 1 > rows && (
        <button type="button" class="button" onClick={() => setRows(rows + ROWS)}>
          {t("app.more")}
        </button>
      )}
    </>
  );
}
