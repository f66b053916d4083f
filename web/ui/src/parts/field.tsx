import { h, type ComponentChildren, type TargetedEvent } from "preact";
import { useId } from "preact/hooks";

type Control = "input" | "textarea" | "select";

interface FieldProps {
  label: string;
  value: string;
  onValue: (value: string) => void;
  control?: Control;
  hint?: string | undefined;
  error?: string | null | undefined;
  type?: "text" | "password" | "tel" | "search";
  name?: string;
  rows?: number;
  maxLength?: number;
  placeholder?: string;
  autocomplete?: string;
  required?: boolean;
  disabled?: boolean;
  autofocus?: boolean;
  mono?: boolean;
  /** The options of a select. */
  children?: ComponentChildren;
}

/** A labelled control with its hint and error tied to it. */
export function Field(props: FieldProps) {
  const { label, value, onValue, control = "input", hint, error, autofocus, mono, children, ...rest } = props;
  const id = useId();
  const described = [hint === undefined ? "" : `${id}-hint`, error ? `${id}-error` : ""].join(" ").trim();
  const shared = {
    ...rest,
    id,
    value,
    class: mono === true ? "control mono" : "control",
    "aria-describedby": described === "" ? undefined : described,
    ...(control === "textarea" ? { spellcheck: false } : {}),
    ...(error ? { "aria-invalid": true as const } : {}),
    ...(autofocus === true ? { autofocus: true } : {}),
    onInput: (event: TargetedEvent<HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>) =>
      onValue(event.currentTarget.value),
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {h(control, shared, children)}
      {hint !== undefined && (
        <p class="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p class="field-error" id={`${id}-error`} role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; label: string; tone?: string }[];
  onValue: (value: T) => void;
  disabled?: boolean;
  hideLabel?: boolean;
  hint?: string;
}

/** One of a few: native radio buttons, so arrow keys move and Tab passes by. */
export function Choice<T extends string>(props: ChoiceProps<T>) {
  const { label, value, options, onValue, disabled, hideLabel, hint } = props;
  const name = useId();
  return (
    <fieldset class="choice" disabled={disabled}>
      <legend class={hideLabel === true ? "hidden" : ""}>{label}</legend>
      <div class="choice-options">
        {options.map((option) => (
          <label key={option.value} class={`choice-option ${option.tone ?? ""}`}>
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              onChange={() => onValue(option.value)}
            />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
      {hint !== undefined && <p class="field-hint">{hint}</p>}
    </fieldset>
  );
}
