/** What was written to and by one neighbour, and the place to write more. */
import { useEffect, useRef, useState } from "preact/hooks";

import { NOTHING, withNewest, withOlder, without, type Mail } from "../mail";
import { api } from "../requests";
import { address } from "../route";
import { useResource } from "../resource";
import { attempt, done } from "../toasts";
import type { Message, MessageThread } from "../types";
import { t, tn } from "../words";
import { useDeed } from "./deed";
import { Confirm } from "./dialog";
import { Icon, type IconName } from "./icon";
import { IconButton } from "./iconbutton";
import { Empty, Failure, Skeleton } from "./states";
import { Time } from "./time";

/** What the node takes in one text. */
const MAX_TEXT_BYTES = 2_000;

export function Conversation({ thread }: { thread: MessageThread }) {
  const { home, name } = thread;
  const mail = useRef<Mail>(NOTHING);
  const load = async (signal: AbortSignal): Promise<Mail> => {
    const page = await api.messages(home, null, signal);
    if (!signal.aborted) mail.current = withNewest(mail.current, page);
    return mail.current;
  };
  const { data, problem, reload, set } = useResource(`messages:${home}`, load, ["message.*", "messages.changed"]);
  const show = (next: Mail): void => {
    mail.current = next;
    set(next);
  };
  const newest = data?.items.at(-1)?.number ?? 0;
  useRead(home, thread.unread, newest);
  const loadOlder = async (): Promise<void> => {
    const cursor = mail.current.next;
    if (cursor === null) return;
    await attempt(async () => {
      const page = await api.messages(home, cursor);
      show(withOlder(mail.current, cursor, page));
    });
  };
  return (
    <section class="conversation" aria-label={t("messages.with", { name })}>
      <Head
        thread={thread}
        onForgotten={() => {
          show(NOTHING);
          reload();
        }}
      />
      {problem !== undefined && <Failure problem={problem} retry={reload} />}
      {data === undefined && problem === undefined && <Skeleton rows={4} />}
      {data !== undefined && (
        <>
          {data.damaged > 0 && <p class="soft">{tn("messages.damaged", data.damaged)}</p>}
          <Written
            messages={data.items}
            name={name}
            newest={newest}
            onUndone={(number) => show(without(mail.current, number))}
          >
            {data.next !== null && (
              <button type="button" class="button" onClick={() => void loadOlder()}>
                {t("messages.older")}
              </button>
            )}
          </Written>
        </>
      )}
      {thread.neighbour ? <Composer home={home} name={name} onWritten={reload} /> : <p>{t("messages.former")}</p>}
    </section>
  );
}

/** Says what was seen, once somebody looks. */
function useRead(home: string, unread: number, newest: number): void {
  useEffect(() => {
    if (unread === 0 || newest === 0) return undefined;
    const read = (): void => {
      if (document.visibilityState === "visible") api.readMessages(home, newest).catch(() => undefined);
    };
    read();
    document.addEventListener("visibilitychange", read);
    return () => document.removeEventListener("visibilitychange", read);
  }, [home, unread, newest]);
}

function Head({ thread, onForgotten }: { thread: MessageThread; onForgotten: () => void }) {
  const [forgetting, setForgetting] = useState(false);
  const { home, name } = thread;
  return (
    <header class="conversation-head">
      <a class="icon-button conversation-back" href={address({ page: "messages", home: null })}>
        <Icon name="back" />
        <span class="hidden">{t("messages.all")}</span>
      </a>
      <div class="conversation-who">
        <h2>
          <bdi>{name}</bdi>
        </h2>
        <p class="soft">
          {thread.held_up?.words ?? t(thread.there ? "messages.there" : "messages.away")}
          {thread.undelivered > 0 && ` · ${tn("messages.undelivered", thread.undelivered)}`}
        </p>
      </div>
      {thread.last !== null && (
        <IconButton icon="trash" label={t("messages.forget")} onClick={() => setForgetting(true)} />
      )}
      {forgetting && (
        <Confirm
          title={t("messages.forget_title", { name })}
          why={t("messages.forget_why", { name })}
          act={t("messages.forget")}
          onConfirm={async () => {
            await api.forgetMessages(home);
            done(t("messages.forgotten", { name }));
            onForgotten();
          }}
          onClose={() => setForgetting(false)}
        />
      )}
    </header>
  );
}

interface WrittenProps {
  messages: readonly Message[];
  name: string;
  newest: number;
  onUndone: (number: number) => void;
  children: preact.ComponentChildren;
}

function Written({ messages, name, newest, onUndone, children }: WrittenProps) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.scrollTo(0, list.current.scrollHeight);
  }, [newest]);
  if (messages.length === 0) {
    return <Empty icon="letter" title={t("messages.empty")} why={t("messages.empty_why")} />;
  }
  return (
    <div class="written" ref={list} role="log" tabIndex={0} aria-label={t("messages.with", { name })}>
      {children}
      <ol>
        {messages.map((message) => (
          <Bubble key={message.number} message={message} name={name} onUndone={onUndone} />
        ))}
      </ol>
    </div>
  );
}

const ICONS: Readonly<Record<Message["state"], IconName>> = {
  queued: "clock",
  sent: "right",
  delivered: "allow",
  expired: "block",
  failed: "block",
  received: "letter",
};

interface BubbleProps {
  message: Message;
  name: string;
  onUndone: (number: number) => void;
}

function Bubble({ message, name, onUndone }: BubbleProps) {
  const own = message.state !== "received";
  const { home, id, state } = message;
  const undo = (): Promise<boolean> =>
    attempt(async () => {
      await api.undoMessage(home, id);
      onUndone(message.number);
      done(t("messages.undone"));
    });
  return (
    <li class={own ? "bubble bubble-own" : "bubble"}>
      <span class="hidden">{own ? t("messages.you") : name}</span>
      <div class="bubble-body">
        {message.text !== null && (
          <p dir="auto" class="bubble-text">
            {message.text}
          </p>
        )}
        {message.data !== null && <File data={message.data} id={id} />}
      </div>
      <p class="bubble-foot">
        {own && (
          <span class={`bubble-state bubble-${state}`}>
            <Icon name={ICONS[state]} size={14} />
            {t(`messages.state.${state}`)}
          </span>
        )}
        {message.at !== null && <Time unix={message.at} />}
        {state === "queued" && (
          <button type="button" class="link" aria-label={t("messages.undo_label")} onClick={() => void undo()}>
            {t("messages.undo")}
          </button>
        )}
      </p>
      {message.failure !== null && <p class="bubble-failure">{message.failure.words}</p>}
    </li>
  );
}

/** Data is saved, never shown: whoever sent it chose what it is. */
function File({ data, id }: { data: NonNullable<Message["data"]>; id: string }) {
  const raw = atob(data.base64);
  const save = (): void => {
    const blob = new Blob([Uint8Array.from(raw, (char) => char.charCodeAt(0))], { type: "application/octet-stream" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `message-${id}.${data.media_type.replace(/^.*[/.-]/, "")}`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <p class="bubble-file">
      {t("messages.data", { type: data.media_type, n: raw.length })}
      <button type="button" class="button" onClick={save}>
        {t("messages.save")}
      </button>
    </p>
  );
}

function Composer({ home, name, onWritten }: { home: string; name: string; onWritten: () => void }) {
  const [text, setText] = useState("");
  const { busy, problem, run } = useDeed();
  const over = new TextEncoder().encode(text.trim()).length - MAX_TEXT_BYTES;
  const sendable = text.trim() !== "" && over <= 0 && !busy;
  const send = async (): Promise<void> => {
    if (!sendable) return;
    await run(async () => {
      await api.writeMessage(home, text);
      setText("");
      onWritten();
    });
  };
  const error = over > 0 ? t("messages.too_long", { n: over }) : (problem?.message ?? null);
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label class="hidden" for="composer">
        {t("messages.write", { name })}
      </label>
      <textarea
        id="composer"
        class="control"
        rows={2}
        dir="auto"
        placeholder={t("messages.write", { name })}
        aria-describedby={error === null ? "composer-hint" : "composer-hint composer-error"}
        {...(error === null ? {} : { "aria-invalid": true as const })}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          // An input method's own Enter chooses a word.
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          void send();
        }}
      />
      <button type="submit" class="button button-main" disabled={!sendable}>
        {t("messages.send")}
      </button>
      {error !== null && (
        <p class="field-error" id="composer-error" role="alert">
          {error}
        </p>
      )}
      <p class="field-hint" id="composer-hint">
        {t("messages.write_hint")}
      </p>
    </form>
  );
}
