/** The page's texts, with values put in. */
import { en } from "./messages/en";

export type Key = keyof typeof en;
type Stem<K> = K extends `${infer S}.one` ? S : never;
/** A text with plural forms. */
export type PluralKey = Stem<Key>;
type Values = Readonly<Record<string, string | number>>;

const messages: Readonly<Record<Key, string>> = en;
const plural = new Intl.PluralRules("en");

/** The text under `key`. A value it names but does not get stays in braces, so that a mistake shows. */
export function t(key: Key, values: Values = {}): string {
  return messages[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The text under `key` in the plural form for `n`. */
export function tn(key: PluralKey, n: number, values: Values = {}): string {
  const form = plural.select(n) === "one" ? "one" : "other";
  return t(`${key}.${form}` as Key, { n: n.toLocaleString("en"), ...values });
}
