/** Times, durations and numbers as people read them. All pure: now and the locale are arguments. */

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** The English that the browser's owner prefers; it decides between 21 Nov and Nov 21. */
export function pickLocale(languages: readonly string[]): string {
  return languages.find((l) => l.toLowerCase().startsWith("en")) ?? "en-GB";
}

const LOCALE = pickLocale(typeof navigator === "undefined" ? [] : navigator.languages);

/** `just now`, `4 minutes ago`, `Today, 14:05`, `Yesterday, 09:12`, `21 Nov, 18:30`, `21 Nov 2025`. */
export function when(unixS: number, nowS: number, locale = LOCALE, timeZone?: string): string {
  const agoS = nowS - unixS;
  const zone = timeZone === undefined ? {} : { timeZone };
  if (agoS >= -5 && agoS < MINUTE_S) return "just now";
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  if (agoS > 0 && agoS < HOUR_S) return relative.format(-Math.floor(agoS / MINUTE_S), "minute");
  const date = new Date(unixS * 1000);
  const clock = date.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", ...zone });
  const days = dayNumber(nowS, timeZone) - dayNumber(unixS, timeZone);
  if (days === 0 || days === 1) return `${capital(relative.format(-days, "day"))}, ${clock}`;
  if (days > 0 && days < 300) {
    return `${date.toLocaleDateString(locale, { day: "numeric", month: "short", ...zone })}, ${clock}`;
  }
  return date.toLocaleDateString(locale, { day: "numeric", month: "short", year: "numeric", ...zone });
}

/** The whole date and time, for a title beside a short one. */
export function whenExactly(unixS: number, locale = LOCALE): string {
  return new Date(unixS * 1000).toLocaleString(locale, { dateStyle: "full", timeStyle: "medium" });
}

/** A calendar day as the node sends it (`2026-11-21`), as `21 Nov 2026`. */
export function day(iso: string, locale = LOCALE): string {
  const date = new Date(`${iso}T00:00:00Z`);
  if (Number.isNaN(date.getTime())) return iso;
  return date.toLocaleDateString(locale, {
    day: "numeric",
    month: "short",
    year: "numeric",
    timeZone: "UTC",
  });
}

/** `0.8 s`, `12 s`, `3 min`, `2 h 5 min`, `4 days`. */
export function duration(ms: number): string {
  const s = ms / 1000;
  if (s < 10) return `${(Math.round(s * 10) / 10).toString()}\u00a0s`;
  if (s < MINUTE_S) return `${Math.round(s)}\u00a0s`;
  if (s < HOUR_S) return `${Math.floor(s / MINUTE_S)}\u00a0min`;
  if (s < 2 * DAY_S) {
    const minutes = Math.floor((s % HOUR_S) / MINUTE_S);
    return minutes === 0 ? `${Math.floor(s / HOUR_S)}\u00a0h` : `${Math.floor(s / HOUR_S)}\u00a0h ${minutes}\u00a0min`;
  }
  return `${Math.floor(s / DAY_S)}\u00a0days`;
}

/** A share of 100: `7`, `43.85`. */
export function share(value: number): string {
  return (Math.round(value * 100) / 100).toString();
}

/** A count with separators. */
export function count(n: number, locale = LOCALE): string {
  return n.toLocaleString(locale);
}

/** A long id cut in the middle; the whole of it belongs in a title. */
export function brief(id: string, head = 10, tail = 6): string {
  return id.length <= head + tail + 1 ? id : `${id.slice(0, head)}…${id.slice(-tail)}`;
}

/** The name of a country by its two letters. */
export function region(code: string, locale = LOCALE): string {
  try {
    return new Intl.DisplayNames([locale], { type: "region" }).of(code) ?? code;
  } catch {
    return code;
  }
}

function dayNumber(unixS: number, timeZone?: string): number {
  const zone = timeZone === undefined ? {} : { timeZone };
  // The Swedish locale writes dates as ISO 8601 does.
  return Date.parse(new Date(unixS * 1000).toLocaleDateString("sv-SE", zone)) / (DAY_S * 1000);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
