/** Light, dark, or as the device; kept in this browser. */
import { signal } from "@preact/signals";

import { remembered, remember } from "./memory";

export type Theme = "auto" | "light" | "dark";
const ORDER: readonly Theme[] = ["auto", "light", "dark"];

export const theme = signal<Theme>(ORDER.find((name) => name === remembered("theme")) ?? "auto");

/** The theme that a press on the switch leads to. */
export function following(now: Theme): Theme {
  return ORDER[(ORDER.indexOf(now) + 1) % ORDER.length] ?? "auto";
}

export function setTheme(next: Theme): void {
  theme.value = next;
  remember("theme", next);
  applyTheme();
}

export function applyTheme(): void {
  if (theme.value === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}
