/** Which page the address names. The node serves one document, so the page's place is behind the `#`. */

export type SystemTab = "node" | "settings" | "rules" | "accounts" | "data" | "audit" | "config" | "keys";

export type Route =
  | { page: "home" }
  | { page: "calls" }
  | { page: "lists" }
  | { page: "imports" }
  | { page: "people" }
  | { page: "number"; number: string }
  | { page: "messages"; home: string | null }
  | { page: "mesh" }
  | { page: "graph" }
  | { page: "household" }
  | { page: "system"; tab: SystemTab }
  | { page: "claim"; token: string }
  | { page: "missing"; address: string };

const SYSTEM_TABS: readonly SystemTab[] = ["node", "settings", "rules", "accounts", "data", "audit", "config", "keys"];

/** Reads `location.hash`. */
export function parse(hash: string): Route {
  const text = hash.replace(/^#/, "");
  if (text.startsWith("claim=")) return { page: "claim", token: decode(text.slice("claim=".length)) };
  const [first = "", second, ...rest] = text.replace(/^\//, "").split("/").map(decode);
  const missing: Route = { page: "missing", address: text };
  if (rest.length > 0) return missing;
  switch (first) {
    case "":
      return second === undefined ? { page: "home" } : missing;
    case "calls":
      if (second === undefined || second === "") return { page: "calls" };
      return second === "lists" || second === "imports" || second === "people" ? { page: second } : missing;
    case "number":
      return second === undefined || second === "" ? missing : { page: "number", number: second };
    case "messages":
      return { page: "messages", home: second === undefined || second === "" ? null : second };
    case "mesh":
      if (second === undefined) return { page: "mesh" };
      return second === "graph" ? { page: "graph" } : missing;
    case "household":
      return second === undefined ? { page: "household" } : missing;
    case "system": {
      const tab = SYSTEM_TABS.find((name) => name === (second ?? "node"));
      return tab === undefined ? missing : { page: "system", tab };
    }
    default:
      return missing;
  }
}

/** The page in the navigation that a page belongs to. */
export function placeOf(page: Route["page"]): Route["page"] {
  switch (page) {
    case "graph":
      return "mesh";
    case "lists":
    case "imports":
    case "people":
    case "number":
      return "calls";
    default:
      return page;
  }
}

/** The address of a page, for an `href`. */
export function address(route: Exclude<Route, { page: "missing" | "claim" }>): string {
  switch (route.page) {
    case "home":
      return "#/";
    case "calls":
      return "#/calls";
    case "lists":
      return "#/calls/lists";
    case "imports":
      return "#/calls/imports";
    case "people":
      return "#/calls/people";
    case "number":
      // A plus sign is legal there and reads better than %2B.
      return `#/number/${encodeURIComponent(route.number).replaceAll("%2B", "+")}`;
    case "messages":
      return route.home === null ? "#/messages" : `#/messages/${encodeURIComponent(route.home)}`;
    case "mesh":
      return "#/mesh";
    case "graph":
      return "#/mesh/graph";
    case "household":
      return "#/household";
    case "system":
      return route.tab === "node" ? "#/system" : `#/system/${route.tab}`;
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
