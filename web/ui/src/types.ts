/** The shapes of the API, under the names the page uses. */
export type Verdict = "allow" | "challenge" | "block";
export type Standing = "unknown" | "allow" | "block";
export type Category = "spam" | "scam" | "robocall" | "telemarketer" | "legit";
export type Role = "viewer" | "member" | "moderator" | "admin";
export interface Reason {
  code: string;
  words: string;
}
export interface Session {
  state: "unclaimed" | "signed_out" | "signed_in";
  name: string | null;
  role: Role | null;
  csrf: string | null;
  node_name: string;
}
export interface Alarm {
  code: string;
  words: string;
  since: number | null;
}
export interface LineStatus {
  name: string;
  state: "registering" | "ready" | "failing";
  words: string;
}
export interface Summary {
  sentence: string;
  level: "good" | "notice" | "trouble";
  alarms: Alarm[];
  today: { allow: number; challenge: number; block: number } | null;
  lines: LineStatus[];
  peers: number;
  neighbours: number;
  statements: number;
  safe_mode: boolean;
  clock_set: boolean;
  waiting: number;
  checking: boolean;
}
export interface CallEnded {
  how: "refused" | "hung_up" | "stepped_aside" | "cancelled" | "line_lost" | "rang_undecided";
  words: string;
  duration_ms: number;
}
export interface Call {
  seq: number;
  node: number;
  line: string;
  number: string | null;
  spaced: string | null;
  shown: string;
  name: string;
  label: string | null;
  verdict: Verdict;
  reasons: Reason[];
  risk: number;
  began: number | null;
  ended: CallEnded | null;
  decided_in_us: number;
  verstat: string | null;
  place: { latitude: number; longitude: number } | null;
  metadata: [string, string][];
}
export interface Page<T> {
  items: T[];
  next: string | null;
}
export interface DayStats {
  day: string;
  allow: number;
  challenge: number;
  block: number;
}
export interface ListEntry {
  subject: string;
  spaced: string | null;
  kind: "number" | "prefix";
  standing: Standing;
  label: string;
  notes: string;
  calls: number;
  last_call: number | null;
  reputation: number;
}
export interface NumberReport {
  home: string;
  name: string | null;
  category: Category;
  day: string;
  weight: number;
  own: boolean;
}
export interface NumberPage {
  kind: "number" | "special" | "internal" | "anonymous" | "invalid";
  number: string;
  spaced: string;
  entry: ListEntry | null;
  calls: number;
  last_call: number | null;
  reputation: number;
  assessment: { verdict: Verdict; risk: number; reasons: Reason[] };
  confirmations: number;
  own_report: { category: Category; day: string } | null;
  reports: NumberReport[];
}
export interface Peer {
  peer: string;
  address: string;
  found: "nearby" | "configured" | "remembered" | "called_us";
  connected_s: number;
}
export interface Peers {
  items: Peer[];
  listening: string[];
}
export interface Neighbour {
  home: string;
  name: string;
  vouched: string;
  reports: number;
}
export interface Neighbours {
  items: Neighbour[];
  left: number;
}
export interface NodeInfo {
  home: string;
  node: number;
  name: string;
  version: string;
  platform: string;
  capabilities: string[];
  card: string;
  card_svg: string;
  peer: string;
  region: string;
}
export interface Settings {
  region: string;
  anonymous: Verdict;
  invalid: Verdict;
  pinned: string[];
}
export interface ConfigItem {
  key: string;
  value: string;
  origin: "default" | "file" | "environment" | "flag";
  where: string;
}
export interface ConfigProblem {
  file: string;
  line: number | null;
  words: string;
  remedy: string;
}
export interface Config {
  items: ConfigItem[];
  problems: ConfigProblem[];
}
export interface ApiKey {
  id: string;
  name: string;
  role: Role;
  created: number | null;
  last_used: number | null;
}
export interface NewApiKey extends ApiKey {
  key: string;
}
export interface LiveEvent {
  id: number;
  at: number | null;
  type: string;
  data: unknown;
}
