import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

import { t } from "../words";
import { useDeed } from "./deed";
import { Form, type FormProps } from "./form";
import { Icon } from "./icon";

interface DialogProps {
  title: string;
  onClose: () => void;
  /** For what must not be lost by a slip of the finger: Escape and the cross are shut. */
  firm?: boolean;
  children: ComponentChildren;
}

/** A native modal dialog: the browser keeps the focus inside, Escape closes it. It is open while it is rendered. */
export function Dialog({ title, onClose, firm = false, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const opener = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        if (!firm) onClose();
      }}
      onClick={(event) => {
        // The backdrop belongs to the dialog element itself.
        if (event.target === ref.current && !firm) onClose();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={id}>{title}</h2>
          {!firm && (
            <button type="button" class="icon-button" aria-label={t("app.close")} onClick={onClose}>
              <Icon name="close" />
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  why: string;
  act: string;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

/** Asks before what cannot be undone with one press. */
export function Confirm({ title, why, act, onConfirm, onClose }: ConfirmProps) {
  const { busy, problem, run } = useDeed();
  const confirm = () =>
    run(async () => {
      await onConfirm();
      onClose();
    });
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{why}</p>
      {problem !== null && (
        <p class="field-error" role="alert">
          {problem.message}
        </p>
      )}
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          {t("app.cancel")}
        </button>
        <button type="button" class="button button-danger" disabled={busy} onClick={() => void confirm()}>
          {act}
        </button>
      </div>
    </Dialog>
  );
}

interface DialogFormProps extends FormProps {
  title: string;
  /** What sending it does, on the button. */
  act: string;
  busy: boolean;
  onClose: () => void;
}

/** A form in a dialog of its own, to be sent or left. */
export function DialogForm({ title, act, busy, onClose, onSend, children }: DialogFormProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <Form onSend={onSend}>
        {children}
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            {t("app.cancel")}
          </button>
          <button type="submit" class="button button-main" disabled={busy}>
            {act}
          </button>
        </div>
      </Form>
    </Dialog>
  );
}
