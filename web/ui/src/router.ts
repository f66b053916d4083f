/** The page the browser is at. */
import { signal } from "@preact/signals";

import { parse, type Route } from "./route";

export const route = signal<Route>(parse(location.hash));

export function startRouter(): void {
  window.addEventListener("hashchange", () => {
    route.value = parse(location.hash);
  });
}

/** Takes the one-time token out of the address, so that it stays in no history and no shared screen. */
export function forgetClaimToken(): void {
  history.replaceState(null, "", "#/");
  route.value = { page: "home" };
}

export function go(address: string): void {
  location.hash = address;
}
