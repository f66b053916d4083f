import type { ComponentChildren } from "preact";
import { useId, useRef } from "preact/hooks";

import { Icon, type IconName } from "./icon";

const MARGIN_PX = 8;

/** A button that opens a short list of things to do. A native popover: Escape and a press elsewhere close it. */
export function Menu({ label, children }: { label: string; children: ComponentChildren }) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const place = (): void => {
    const menu = list.current;
    const anchor = button.current?.getBoundingClientRect();
    if (menu === null || anchor === undefined) return;
    const { offsetWidth: width, offsetHeight: height } = menu;
    const below = anchor.bottom + MARGIN_PX;
    const top = below + height <= innerHeight ? below : Math.max(MARGIN_PX, anchor.top - MARGIN_PX - height);
    menu.style.top = `${top}px`;
    menu.style.left = `${Math.max(MARGIN_PX, anchor.right - width)}px`;
    menu.querySelector<HTMLElement>("button, a")?.focus();
  };
  const move = (event: KeyboardEvent): void => {
    const items = [...(list.current?.querySelectorAll<HTMLElement>("button, a") ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    items[(to + items.length) % items.length]?.focus();
  };
  return (
    <>
      <button ref={button} type="button" class="icon-button" popovertarget={id} aria-label={label} title={label}>
        <Icon name="dots" />
      </button>
      <div
        ref={list}
        id={id}
        popover="auto"
        class="menu"
        onToggle={(event) => {
          if (event.newState === "open") place();
        }}
        onKeyDown={move}
        onClick={(event) => {
          if (event.target instanceof Element && event.target.closest("button, a")) list.current?.hidePopover();
        }}
      >
        {children}
      </div>
    </>
  );
}

export function MenuItem({ icon, text, onClick }: { icon: IconName; text: string; onClick: () => void }) {
  return (
    <button type="button" class="menu-item" onClick={onClick}>
      <Icon name={icon} size={18} />
      {text}
    </button>
  );
}
