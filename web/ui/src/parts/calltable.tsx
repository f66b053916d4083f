/** Calls as a table: one row a call, the reasons in words, and what a person can do about it. */
import { api } from "../requests";
import { callKey, isRinging } from "../calllist";
import { nowS } from "../clock";
import { report, setStanding } from "../deeds";
import { duration, share } from "../format";
import { address } from "../route";
import { has } from "../session";
import { attempt } from "../toasts";
import type { Call, Category, Standing } from "../types";
import { t, tn } from "../words";
import { Meter, VerdictBadge } from "./badge";
import { Icon } from "./icon";
import { IconButton } from "./iconbutton";
import { Menu, MenuItem } from "./menu";
import { Time } from "./time";

interface CallTableProps {
  caption: string;
  calls: readonly Call[];
  fresh: ReadonlySet<string>;
  /** On a number's own page the caller is known. */
  withCaller?: boolean;
  withActions?: boolean;
}

export function CallTable({ caption, calls, fresh, withCaller = true, withActions = true }: CallTableProps) {
  const actions = withActions && has("member");
  return (
    <table class="calls">
      <caption class="hidden">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">{t("call.verdict")}</th>
          <th scope="col">{t(withCaller ? "call.caller" : "number.because")}</th>
          <th scope="col">{t("call.when")}</th>
          {actions && (
            <th scope="col" class="cell-end">
              {t("call.actions")}
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {calls.map((call) => (
          <CallRow
            key={callKey(call)}
            call={call}
            fresh={fresh.has(callKey(call))}
            withCaller={withCaller}
            actions={actions}
          />
        ))}
      </tbody>
    </table>
  );
}

/** How a caller is named in a sentence or label. */
export function callerName(call: Call): string {
  return call.label ?? call.spaced ?? (call.shown !== "" && call.number === null ? call.shown : t("call.hidden_who"));
}

interface RowProps {
  call: Call;
  fresh: boolean;
  withCaller: boolean;
  actions: boolean;
}

function CallRow({ call, fresh, withCaller, actions }: RowProps) {
  const ringing = isRinging(call, nowS.value);
  return (
    <tr class={`call-row ${fresh ? "call-fresh" : ""} ${ringing ? "call-ringing" : ""}`}>
      <td class="call-verdict">
        <VerdictBadge verdict={call.verdict} />
        {call.risk > 0 && (
          <Meter value={call.risk} label={t("call.risk_short", { n: share(call.risk) })} tone={call.verdict} />
        )}
      </td>
      <td class="call-caller">
        {withCaller && <Caller call={call} />}
        <Reasons call={call} />
      </td>
      <td class="call-when">
        {ringing ? (
          <span class="ringing">
            <Icon name="bell" size={16} />
            {t("call.ringing")}
          </span>
        ) : (
          <span>{call.began === null ? t("call.time_unknown") : <Time unix={call.began} />}</span>
        )}
        <Ended call={call} />
      </td>
      {actions && (
        <td class="call-actions">{call.number !== null && <Actions number={call.number} who={callerName(call)} />}</td>
      )}
    </tr>
  );
}

/** The line, how the call ended and how long it rang. */
function Ended({ call: { line, ended, node_name } }: { call: Call }) {
  const where = [
    ...(line === "" ? [] : [t("call.by_line", { line })]),
    ...(node_name === null ? [] : [t("call.at_node", { name: node_name })]),
  ];
  if (ended === null) return <span class="soft">{where.join(" · ")}</span>;
  return (
    <span class="soft" title={ended.words}>
      {[
        ...where,
        t(`ending.${ended.how}`),
        // A refusal takes no time worth a word.
        ...(ended.duration_ms < 1_000 ? [] : [duration(ended.duration_ms)]),
      ].join(" · ")}
    </span>
  );
}

/**
 * Who calls. Only the home's own name for a number stands where a name is trusted; what the caller calls itself is
 * quoted, for anybody can write anything there.
 */
function Caller({ call }: { call: Call }) {
  const number = call.spaced ?? call.shown;
  const hidden = call.number === null && (number === "" || call.reasons.some(({ code }) => code === "anonymous"));
  const title = call.label ?? (hidden ? t("call.hidden") : number);
  return (
    <div class="caller">
      {call.number === null ? (
        <span class="caller-title">{title}</span>
      ) : (
        <a class="caller-title" href={address({ page: "number", number: call.number })}>
          {title}
        </a>
      )}
      {call.verstat === "passed" && (
        <span class="verified" title={t("call.verified")}>
          <Icon name="allow" size={16} />
          <span class="hidden">{t("call.verified")}</span>
        </span>
      )}
      {title !== number && !hidden && <span class="caller-number">{number}</span>}
      {call.label === null && call.name !== "" && (
        <span class="caller-claim">{t("call.claims", { name: call.name })}</span>
      )}
    </div>
  );
}

function Reasons({ call }: { call: Call }) {
  const [first, ...others] = call.reasons;
  return (
    <div class="reasons">
      <p>{first?.words}</p>
      {others.length > 0 && (
        <details>
          <summary>{tn("call.why_more", others.length)}</summary>
          <ul>
            {others.map((reason) => (
              <li key={reason.code}>{reason.words}</li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

const MENU_CATEGORIES: readonly Category[] = ["scam", "robocall", "telemarketer"];

function Actions({ number, who }: { number: string; who: string }) {
  // The name and notes on the list must survive a new rule, and the log does not hold them.
  const rule = (standing: Standing): Promise<boolean> =>
    attempt(async () => setStanding(number, standing, (await api.number(number)).entry, who));
  const spam = t("call.report_spam", { who });
  const legit = t("call.report_legit", { who });
  return (
    <div class="actions">
      <IconButton icon="flag" label={spam} onClick={() => void report(number, "spam", who)} />
      <IconButton icon="thumb" label={legit} onClick={() => void report(number, "legit", who)} />
      <Menu label={t("call.more_actions", { who })}>
        <p class="menu-title">{t("call.menu.report")}</p>
        {MENU_CATEGORIES.map((category) => (
          <MenuItem
            key={category}
            icon="flag"
            text={t(`category.${category}`)}
            onClick={() => void report(number, category, who)}
          />
        ))}
        {has("member") && (
          <>
            <p class="menu-title">{t("call.menu.rule")}</p>
            <MenuItem icon="allow" text={t("call.menu.allow")} onClick={() => void rule("allow")} />
            <MenuItem icon="block" text={t("call.menu.block")} onClick={() => void rule("block")} />
          </>
        )}
        <a class="menu-item" href={address({ page: "number", number })}>
          <Icon name="right" size={18} />
          {t("call.menu.open")}
        </a>
      </Menu>
    </div>
  );
}
