/** Small wishes kept in this browser. Storage may be shut off: then they last as long as the page. */
const fallback = new Map<string, string>();
const PREFIX = "meerkat.";

export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name) ?? fallback.get(name) ?? null;
  } catch {
    return fallback.get(name) ?? null;
  }
}

export function remember(name: string, value: string): void {
  fallback.set(name, value);
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Kept in memory above.
  }
}
