/** The time, moving on so that "4 minutes ago" does. */
import { signal } from "@preact/signals";

const TICK_MS = 15_000;

/** Now, in Unix seconds. */
export const nowS = signal(Math.floor(Date.now() / 1000));

export function startClock(): void {
  const tick = (): void => {
    nowS.value = Math.floor(Date.now() / 1000);
  };
  setInterval(tick, TICK_MS);
  document.addEventListener("visibilitychange", tick);
}
