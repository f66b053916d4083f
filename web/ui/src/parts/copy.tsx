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

interface HandedOverProps {
  /** An SVG image as text. */
  qr: string;
  size: number;
  alt: string;
  label: string;
  text: string;
}

/** What is handed over to another screen: as a drawing for a camera, and as text. */
export function HandedOver({ qr, size, alt, label, text }: HandedOverProps) {
  return (
    <div class="own-card">
      {/* As an image, the drawing stays inert: no HTML is written into the page. */}
      <img class="qr" width={size} height={size} src={`data:image/svg+xml,${encodeURIComponent(qr)}`} alt={alt} />
      <CopyText label={label} text={text} />
    </div>
  );
}
