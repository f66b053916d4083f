/** Every request the page makes. */
import { call, fetchFile, putBytes } from "./client";
import type { AccountRole, Category, Every, KeyMode, Role, Rules, Settings, Standing, Verdict } from "./types";

type Signal = AbortSignal | undefined;

interface CallsAsked {
  cursor?: string;
  limit?: number;
  number?: string;
  verdict?: Verdict | null;
}

interface NumbersAsked {
  cursor?: string;
  limit?: number;
  standing?: Standing | null;
}

interface AuditAsked {
  node?: number | null;
  who?: string;
  what?: string;
  before?: number | null;
}

/** Leaves out what is not asked for: the node refuses parameters without a value. */
function given<T extends object>(query: T): { [K in keyof T]: Exclude<T[K], null> } {
  const set = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return Object.fromEntries(set) as { [K in keyof T]: Exclude<T[K], null> };
}

export const api = {
  session: () => call("get", "/api/v1/session", {}),
  signIn: (name: string, password: string) => call("post", "/api/v1/session", { body: { name, password } }),
  signOut: () => call("delete", "/api/v1/session", {}),
  claim: (token: string, name: string, password: string) =>
    call("post", "/api/v1/claim", { body: { token, name, password } }),
  health: (signal: AbortSignal) => call("get", "/health", { signal }),
  summary: (signal?: Signal) => call("get", "/api/v1/summary", { signal }),
  calls: (query: CallsAsked, signal?: Signal) => call("get", "/api/v1/calls", { query: given(query), signal }),
  stats: (days: number, signal?: Signal) => call("get", "/api/v1/calls/stats", { query: { days }, signal }),
  numbers: (query: NumbersAsked, signal?: Signal) => call("get", "/api/v1/numbers", { query: given(query), signal }),
  number: (number: string, signal?: Signal) => call("get", "/api/v1/numbers/{number}", { path: { number }, signal }),
  setEntry: (subject: string, body: { standing: Standing; label: string; notes: string }) =>
    call("put", "/api/v1/lists/{subject}", { path: { subject }, body }),
  removeEntry: (subject: string) => call("delete", "/api/v1/lists/{subject}", { path: { subject } }),
  report: (number: string, category: Category) => call("post", "/api/v1/reports", { body: { number, category } }),
  retract: (number: string) => call("delete", "/api/v1/reports/{number}", { path: { number } }),
  record: (number: string) => call("get", "/api/v1/numbers/{number}/record", { path: { number } }),
  erase: (number: string) => call("delete", "/api/v1/numbers/{number}", { path: { number } }),
  imports: (signal?: Signal) => call("get", "/api/v1/imports", { signal }),
  undoImport: (id: number) => call("delete", "/api/v1/imports/{id}", { path: { id } }),
  beginImport: (body: { name: string; region: string; replace: boolean; bytes: number }) =>
    call("post", "/api/v1/imports/uploads", { body }),
  giveUpImport: (upload: number) => call("delete", "/api/v1/imports/uploads/{upload}", { path: { upload } }),
  finishImport: (upload: number) => call("post", "/api/v1/imports/uploads/{upload}/finish", { path: { upload } }),
  peers: (signal?: Signal) => call("get", "/api/v1/peers", { signal }),
  neighbours: (signal?: Signal) => call("get", "/api/v1/neighbours", { signal }),
  neighbourhood: (signal?: Signal) => call("get", "/api/v1/neighbourhood", { signal }),
  vouch: (card: string, name: string) => call("post", "/api/v1/vouches", { body: { card, name } }),
  unvouch: (home: string) => call("delete", "/api/v1/vouches/{home}", { path: { home } }),
  threads: (signal?: Signal) => call("get", "/api/v1/messages", { signal }),
  messages: (home: string, cursor: string | null, signal?: Signal) =>
    call("get", "/api/v1/messages/{home}", { path: { home }, query: given({ cursor, limit: 50 }), signal }),
  writeMessage: (home: string, text: string) =>
    call("post", "/api/v1/messages/{home}", { path: { home }, body: { text } }),
  undoMessage: (home: string, id: string) => call("delete", "/api/v1/messages/{home}/{id}", { path: { home, id } }),
  readMessages: (home: string, up_to: number) =>
    call("put", "/api/v1/messages/{home}/read", { path: { home }, body: { up_to } }),
  forgetMessages: (home: string) => call("delete", "/api/v1/messages/{home}", { path: { home } }),
  contacts: (signal?: Signal) => call("get", "/api/v1/contacts", { signal }),
  invites: (signal?: Signal) => call("get", "/api/v1/invites", { signal }),
  invite: (name: string) => call("post", "/api/v1/invites", { body: { name, vouch: true, lifetime_s: 86_400 } }),
  revokeInvite: (id: string) => call("delete", "/api/v1/invites/{id}", { path: { id } }),
  joins: (signal?: Signal) => call("get", "/api/v1/joins", { signal }),
  join: (invite: string, name: string) => call("post", "/api/v1/joins", { body: { invite, name, vouch: true } }),
  nearby: (signal?: Signal) => call("get", "/api/v1/nearby", { signal }),
  meet: (peer: string) => call("post", "/api/v1/meetings", { body: { peer } }),
  compare: (peer: string, same: boolean, name: string) =>
    call("post", "/api/v1/meetings/{peer}", { path: { peer }, body: { same, name } }),
  household: (signal?: Signal) => call("get", "/api/v1/household", { signal }),
  enrolment: (signal?: Signal) => call("get", "/api/v1/household/enrolment", { signal }),
  inviteNode: () => call("post", "/api/v1/household/invite", {}),
  endNodeInvite: () => call("delete", "/api/v1/household/invite", {}),
  joinHousehold: (invite: string, name: string) => call("post", "/api/v1/household/join", { body: { invite, name } }),
  stopJoining: () => call("delete", "/api/v1/household/join", {}),
  confirmNode: (digits: string, name: string, role: "member" | "admin") =>
    call("post", "/api/v1/household/confirm", { body: { digits, name, role } }),
  refuseNode: (digits: string) => call("post", "/api/v1/household/refuse", { body: { digits } }),
  changeMember: (number: number, name: string | null, role: string | null) =>
    call("put", "/api/v1/household/members/{number}", { path: { number }, body: { name, role } }),
  removeMember: (number: number) => call("delete", "/api/v1/household/members/{number}", { path: { number } }),
  leaveHousehold: () => call("post", "/api/v1/household/leave", {}),
  key: (signal?: Signal) => call("get", "/api/v1/key", { signal }),
  keepKey: (mode: KeyMode, pass_phrase: string | null) => call("put", "/api/v1/key", { body: { mode, pass_phrase } }),
  rotateKey: () => call("post", "/api/v1/key/rotation", {}),
  plan: (signal?: Signal) => call("get", "/api/v1/backups/plan", { signal }),
  setPlan: (body: { every: Every; folder: string; keep: number; pass_phrase: string | null }) =>
    call("put", "/api/v1/backups/plan", { body }),
  makePlanned: () => call("post", "/api/v1/backups/plan/made", {}),
  makeBackup: (pass_phrase: string) => fetchFile("/api/v1/backups", { pass_phrase }),
  restore: (file: Blob, words: string, as: "new" | "same") =>
    putBytes<unknown>("/api/v1/backups/restored", file, undefined, {
      // Headers carry ASCII, pass-phrases anything.
      "X-Pass-Phrase": encodeURIComponent(words),
      "X-Restore-As": as,
    }),
  audit: (query: AuditAsked, signal?: Signal) => call("get", "/api/v1/audit", { query: given(query), signal }),
  checkAudit: () => call("get", "/api/v1/audit/verified", {}),
  node: (signal?: Signal) => call("get", "/api/v1/node", { signal }),
  settings: (signal?: Signal) => call("get", "/api/v1/settings", { signal }),
  setSettings: (body: Omit<Settings, "pinned">) => call("put", "/api/v1/settings", { body }),
  config: (signal?: Signal) => call("get", "/api/v1/config", { signal }),
  people: (signal?: Signal) => call("get", "/api/v1/people", { signal }),
  setPerson: (number: string, name: string) =>
    call("put", "/api/v1/people/{number}", { path: { number }, body: { name } }),
  removePerson: (number: string) => call("delete", "/api/v1/people/{number}", { path: { number } }),
  rules: (signal?: Signal) => call("get", "/api/v1/rules", { signal }),
  setRules: (body: Pick<Rules, "tell" | "quiet">) => call("put", "/api/v1/rules", { body }),
  alarmSeen: (key: string) => call("post", "/api/v1/alarms/seen", { body: { key } }),
  accounts: (signal?: Signal) => call("get", "/api/v1/accounts", { signal }),
  addAccount: (name: string, role: AccountRole, password: string) =>
    call("post", "/api/v1/accounts", { body: { name, role, password } }),
  changeAccount: (name: string, role: AccountRole | null, password: string | null) =>
    call("put", "/api/v1/accounts/{name}", { path: { name }, body: { role, password } }),
  removeAccount: (name: string) => call("delete", "/api/v1/accounts/{name}", { path: { name } }),
  changePassword: (old: string, password: string) =>
    call("put", "/api/v1/session/password", { body: { old, new: password } }),
  keys: (signal?: Signal) => call("get", "/api/v1/api-keys", { signal }),
  createKey: (name: string, role: Role) => call("post", "/api/v1/api-keys", { body: { name, role } }),
  deleteKey: (id: string) => call("delete", "/api/v1/api-keys/{id}", { path: { id } }),
};
