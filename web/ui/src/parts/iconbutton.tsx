import { Icon, type IconName } from "./icon";

interface IconButtonProps {
  icon: IconName;
  /** Read aloud, and shown when the pointer rests on it. */
  label: string;
  onClick: () => void;
}

/** A deed shown as a drawing alone. */
export function IconButton({ icon, label, onClick }: IconButtonProps) {
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}
