import { afterEach, describe, expect, it, vi } from "vitest";

import { Problem, asProblem, askAgainMs, call, fill, putBytes, queryText, setCsrf, whenSignedOut } from "./client";

/** A node that answers every request in one way, and the requests it got. */
function answers(status: number, body: unknown, type = "application/json") {
  const asked: { url: string; init: RequestInit }[] = [];
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    asked.push({ url, init });
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return Promise.resolve(new Response(status === 204 ? null : text, { status, headers: { "Content-Type": type } }));
  });
  return asked;
}

const problem = (promise: Promise<unknown>): Promise<Problem> =>
  promise.then(
    () => {
      throw new Error("it went well");
    },
    (error: unknown) => asProblem(error),
  );

afterEach(() => {
  vi.unstubAllGlobals();
  setCsrf(null);
  whenSignedOut(() => undefined);
});

describe("requests", () => {
  it("carry path, query and body as the node reads them", async () => {
    const asked = answers(200, {});
    await call("get", "/api/v1/numbers/{number}", { path: { number: "+49 30/90#" } });
    await call("get", "/api/v1/calls", { query: { limit: 5, number: "+4930" } });
    expect(asked.map(({ url }) => url)).toEqual([
      "/api/v1/numbers/%2B49%2030%2F90%23",
      "/api/v1/calls?limit=5&number=%2B4930",
    ]);
  });

  it("carry the token only where something is changed", async () => {
    setCsrf("token");
    const asked = answers(204, "");
    await call("get", "/api/v1/node", {});
    await call("delete", "/api/v1/reports/{number}", { path: { number: "+49" } });
    const tokens = asked.map(({ init }) => new Headers(init.headers).get("X-CSRF-Token"));
    expect(tokens).toEqual([null, "token"]);
  });
});

describe("refusals", () => {
  it("speak in the node's own words", async () => {
    const body = {
      type: "about:blank",
      title: "Unprocessable",
      status: 422,
      detail: "Give a name.",
      code: "invalid",
      field: "name",
    };
    answers(422, body, "application/problem+json");
    const found = await problem(call("get", "/api/v1/node", {}));
    expect(found).toMatchObject({ status: 422, code: "invalid", message: "Give a name.", field: "name" });
  });

  it("without words are still told", async () => {
    answers(502, "<html>Bad Gateway</html>", "text/html");
    const found = await problem(call("get", "/api/v1/node", {}));
    expect(found).toMatchObject({ status: 502, code: "unknown" });
    expect(found.message).not.toBe("");
  });

  it("of a node that does not answer say whose fault it may be", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
    const found = await problem(call("get", "/api/v1/node", {}));
    expect(found.code).toBe("unreachable");
  });

  it("end the session only if the session is what is missing", async () => {
    const out = vi.fn();
    whenSignedOut(out);
    answers(401, { code: "wrong_credentials", title: "Unauthorized", detail: "Wrong." });
    await problem(call("post", "/api/v1/session", { body: { name: "a", password: "b" } }));
    expect(out).not.toHaveBeenCalled();
    answers(401, { code: "signed_out", title: "Unauthorized", detail: "Sign in." });
    await problem(call("get", "/api/v1/node", {}));
    expect(out).toHaveBeenCalledOnce();
  });

  it("of a piece of a file end the session too", async () => {
    const out = vi.fn();
    whenSignedOut(out);
    answers(401, { code: "signed_out", title: "Unauthorized", detail: "Sign in." });
    await problem(putBytes("/api/v1/imports/uploads/1/0", new Blob(["x"]), new AbortController().signal));
    expect(out).toHaveBeenCalledOnce();
  });

  it("of a node that checks its data are worth another try", () => {
    expect(askAgainMs(new Problem(503, "checking", "", "", null))).toBeGreaterThan(0);
    expect(askAgainMs(new Problem(503, "busy", "", "", null))).toBeNull();
  });
});

describe("addresses of requests", () => {
  it("leave out what is not set", () => {
    expect(queryText({ a: null, b: undefined, c: "", d: 0 })).toBe("?d=0");
    expect(queryText({})).toBe("");
  });

  it("escape their parts", () => {
    expect(fill("/lists/{subject}", { subject: "+4930*" })).toBe("/lists/%2B4930*");
  });
});
