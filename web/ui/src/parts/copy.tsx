import { useRef, useState } from "preact/hooks";

import { t } from "../words";
import { Icon } from "./icon";

/** A text to hand on: selectable, with a button that copies it. What became of it is said beside the button. */
export function CopyText({ label, text }: { label: string; text: string }) {
  const ref = useRef<HTMLTextAreaElement>(null);
  const [said, setSaid] = useState("");
  const copy = async (): Promise<void> => {
    // Pages on plain HTTP outside localhost have no clipboard; then the text is selected, one key away from copied.
    try {
      await navigator.clipboard.writeText(text);
      setSaid(t("app.copied"));
    } catch {
      ref.current?.focus();
      ref.current?.select();
      setSaid(t("app.copy_failed"));
    }
  };
  return (
    <div class="copy">
      <textarea ref={ref} class="control mono" readOnly rows={3} aria-label={label} value={text} />
      <div class="copy-row">
        <button type="button" class="button" onClick={() => void copy()}>
          <Icon name="copy" />
          {t("app.copy")}
        </button>
        <span role="status">{said}</span>
      </div>
    </div>
  );
}
