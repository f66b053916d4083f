import { useRef } from "preact/hooks";

import { done } from "../toasts";
import { t } from "../words";
import { Icon } from "./icon";

/** A text to hand on: selectable, with a button that copies it. */
export function CopyText({ label, text }: { label: string; text: string }) {
  const ref = useRef<HTMLTextAreaElement>(null);
  const copy = async (): Promise<void> => {
    // Pages on plain HTTP outside localhost have no clipboard; then the text is selected, one key away from copied.
    try {
      await navigator.clipboard.writeText(text);
      done(t("app.copied"));
    } catch {
      ref.current?.focus();
      ref.current?.select();
      done(t("app.copy_failed"));
    }
  };
  return (
    <div class="copy">
      <textarea ref={ref} class="control mono" readOnly rows={3} aria-label={label} value={text} />
      <button type="button" class="button" onClick={() => void copy()}>
        <Icon name="copy" />
        {t("app.copy")}
      </button>
    </div>
  );
}
