/** The shapes of the API under the names the page uses. They come from the node's own OpenAPI document. */
import type { components } from "./api";

type Schemas = components["schemas"];

export type Verdict = Schemas["Verdict"];
export type Standing = Schemas["Standing"];
export type Category = Schemas["Category"];
export type Role = Schemas["Role"];
export type Session = Schemas["SessionView"];
export type Summary = Schemas["Summary"];
export type LineStatus = Schemas["LineView"];
export type Call = Schemas["Call"];
export type CallEnded = Schemas["CallEnd"];
export type EndedCall = Schemas["EndedCall"];
export type DayStats = Schemas["DayCounts"];
export type ListEntry = Schemas["ListEntry"];
export type NumberPage = Schemas["NumberPage"];
export type NumberReport = Schemas["HomeReport"];
export type Peer = Schemas["Peer"];
export type Neighbour = Schemas["Neighbour"];
export type Neighbours = Schemas["Neighbours"];
export type Message = Schemas["Message"];
export type MessageThread = Schemas["Thread"];
export type KnownHome = Schemas["KnownHome"];
export type Neighbourhood = Schemas["Neighbourhood"];
export type Settings = Schemas["SettingsView"];
export type Config = Schemas["Config"];
export type ConfigProblem = Schemas["ConfigProblem"];
export type ApiKey = Schemas["ApiKey"];
export type NewApiKey = Schemas["CreatedKey"];
export type Import = Schemas["ImportView"];
export type Imported = Schemas["Imported"];
export type Reading = Schemas["Reading"];
export type Erased = Schemas["Erased"];
export type LiveEvent = Schemas["Event"];
