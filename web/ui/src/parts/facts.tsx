/** How far this node has what the others noted while it was away. */
import type { Household } from "../types";
import { t, tn } from "../words";

export function CatchingUp({ facts }: { facts: Household["facts"] }) {
  if (facts.to_come === 0 && facts.damaged === 0) return null;
  const seconds = facts.per_second === 0 ? null : Math.ceil(facts.to_come / facts.per_second);
  return (
    <p class="soft" role="status">
      {facts.to_come > 0 && tn("facts.to_come", facts.to_come)}
      {facts.to_come > 0 && seconds !== null && ` ${t("facts.within", { n: seconds })}`}
      {facts.damaged > 0 && ` ${tn("facts.damaged", facts.damaged)}`}
    </p>
  );
}
