import { useEffect, useRef } from "preact/hooks";

import { asProblem } from "../client";
import { dismiss, failed, toasts, type Toast } from "../toasts";
import { t } from "../words";
import { Icon } from "./icon";

/** Long enough to read two lines and reach the button; the clock stands still under pointer or focus. */
const SHOWN_MS = 10_000;

export function Toasts() {
  return (
    <section class="toasts" aria-label={t("app.notifications")} aria-live="polite" aria-relevant="additions">
      {toasts.value.map((toast) => (
        <ToastLine key={toast.id} toast={toast} />
      ))}
    </section>
  );
}

function ToastLine({ toast }: { toast: Toast }) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const wait = (): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => dismiss(toast.id), SHOWN_MS);
  };
  const hold = (): void => clearTimeout(timer.current);
  useEffect(() => {
    wait();
    return hold;
  }, []);
  const undo = async (): Promise<void> => {
    dismiss(toast.id);
    try {
      await toast.undo?.();
    } catch (error) {
      failed(asProblem(error));
    }
  };
  return (
    <div
      class={`toast toast-${toast.kind}`}
      onPointerEnter={hold}
      onPointerLeave={wait}
      onFocusIn={hold}
      onFocusOut={wait}
    >
      <Icon name={toast.kind === "done" ? "allow" : "challenge"} />
      <p>{toast.text}</p>
      {toast.undo !== null && (
        <button type="button" class="toast-undo" onClick={() => void undo()}>
          {t("app.undo")}
        </button>
      )}
      <button type="button" class="icon-button" aria-label={t("app.dismiss")} onClick={() => dismiss(toast.id)}>
        <Icon name="close" size={18} />
      </button>
    </div>
  );
}
