import type { ComponentChildren } from "preact";

export interface FormProps {
  /** Sends what is in it, and keeps what the node says against it. */
  onSend: () => Promise<void>;
  children: ComponentChildren;
}

/** A form that the page sends itself: the browser would leave the page for it. */
export function Form({ onSend, children }: FormProps) {
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void onSend();
      }}
    >
      {children}
    </form>
  );
}
