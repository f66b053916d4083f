/** Messages with neighbours: who there is, and what was written to and by one of them. */
import { useEffect, useRef, useState } from "preact/hooks";

import { nowS } from "../clock";
import { when } from "../format";
import { Conversation } from "../parts/conversation";
import { Empty, Failure, Skeleton } from "../parts/states";
import { api } from "../requests";
import { address } from "../route";
import { useResource } from "../resource";
import type { MessageThread } from "../types";
import { t, tn } from "../words";

const TOPICS = ["message.*", "messages.changed", "vouch.changed", "presence.changed"] as const;

export function Messages({ home }: { home: string | null }) {
  const { data, problem, reload } = useResource("threads", api.threads, TOPICS);
  const chosen = data?.items.find((thread) => thread.home === home);
  return (
    <div class={chosen === undefined ? "page messages" : "page messages messages-open"}>
      <header class="page-head">
        <h1 tabIndex={-1}>{t("messages.title")}</h1>
        <p class="soft">{t("messages.why")}</p>
      </header>
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton rows={5} />}
      {data?.items.length === 0 && (
        <Empty icon="letter" title={t("messages.none")} why={t("messages.none_why")}>
          <a class="button" href={address({ page: "mesh" })}>
            {t("nav.mesh")}
          </a>
        </Empty>
      )}
      {data !== undefined && data.items.length > 0 && (
        <div class="mail">
          <Threads threads={data.items} home={home} />
          {chosen === undefined ? (
            <div class="mail-none">
              <Empty icon="letter" title={t("messages.choose")} why={t("messages.choose_why")} />
            </div>
          ) : (
            <Conversation key={chosen.home} thread={chosen} />
          )}
        </div>
      )}
    </div>
  );
}

function Threads({ threads, home }: { threads: readonly MessageThread[]; home: string | null }) {
  const list = useRef<HTMLUListElement>(null);
  const [, setRound] = useState(0);
  // "4 minutes ago" grows older by itself.
  useEffect(() => nowS.subscribe(() => setRound((n) => n + 1)), []);
  return (
    <nav class="threads" aria-label={t("messages.all")}>
      <ul ref={list}>
        {threads.map((thread) => (
          <li key={thread.home}>
            <a
              href={address({ page: "messages", home: thread.home })}
              aria-current={thread.home === home ? "true" : undefined}
            >
              <span class="thread-name">
                <span class={thread.there ? "thread-presence thread-there" : "thread-presence"} aria-hidden="true" />
                <bdi>{thread.name}</bdi>
                {thread.there && <span class="hidden">{t("messages.there")}</span>}
              </span>
              {thread.last !== null && thread.last.at !== null && (
                <span class="thread-time">{when(thread.last.at, nowS.value)}</span>
              )}
              <bdi class="thread-last">{preview(thread)}</bdi>
              {thread.unread > 0 && (
                <span class="badge-count">
                  <span aria-hidden="true">{thread.unread}</span>
                  <span class="hidden">{tn("messages.unread", thread.unread)}</span>
                </span>
              )}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** The newest message in a line. */
function preview({ last }: MessageThread): string {
  if (last === null) return t("messages.empty");
  const words =
    last.text ?? t("messages.data", { type: last.data?.media_type ?? "", n: bytes(last.data?.base64 ?? "") });
  return last.state === "received" ? words : `${t("messages.you")}: ${words}`;
}

/** How many bytes a text in base64 stands for. */
export function bytes(base64: string): number {
  return (base64.length / 4) * 3 - (base64.match(/=+$/)?.[0].length ?? 0);
}
