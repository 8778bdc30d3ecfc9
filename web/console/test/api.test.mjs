import assert from "node:assert/strict";
import { test } from "node:test";
import { Api, numbered, pushBody, sentence } from "../page/api.js";

const reply = (status, body, headers = {}) => new Response(body, { status, headers });

function rig(res, token = "T") {
  const r = { calls: [] };
  r.api = new Api(() => token, async (path, options) => {
    r.calls.push({ path, ...options });
    if (res instanceof Error) throw res;
    return res.clone(); // a body is read once
  });
  return r;
}

test("a push goes out as it was typed, with the token", async () => {
  const r = rig(reply(201, '{"key":"k","id":"5"}'));
  const body = pushBody({ key: 'k"', data: ' {"big":12345678901234567890} ', ttl: "60" });
  assert.equal(body, '{"key":"k\\"","data":{"big":12345678901234567890},"ttl_s":60}');
  assert.deepEqual(await r.api.push({ body, idempotency: "i-1" }), { id: "5", duplicate: false });
  const call = r.calls[0];
  assert.deepEqual([call.method, call.path, call.headers.Authorization, call.headers["Idempotency-Key"]], ["POST", "../v2/messages", "Bearer T", "i-1"]);
});

test("a broadcast has no key, a transient push no life", () => {
  assert.equal(pushBody({ key: "k", data: "1", broadcast: true }), '{"data":1}');
  assert.equal(pushBody({ key: "k", data: "1", transient: true, ttl: "60" }), '{"key":"k","data":1,"transient":true}');
});

test("ten in a row are numbered where that fits", () => {
  assert.equal(numbered('{"a":1}', 2), '{"n":2,"a":1}');
  assert.equal(numbered("{}", 2), '{"n":2}');
  for (const data of ['{"n":"mine"}', "[1]", '"text"', "null", "7"]) assert.equal(numbered(data, 2), data);
  assert.equal(numbered('{"a":1}', 0), '{"a":1}');
});

test("keys are escaped, whatever they are; withdrawals name their stream", async () => {
  const r = rig(reply(200, "{}"));
  for (const key of ["a/b? ü", ".", ".."]) {
    await r.api.keyInfo(key);
    await r.api.node(key);
  }
  await r.api.recall("5", { key: "a&b", public: false });
  await r.api.recall("5", { key: null, public: true });
  await r.api.deleteAll("a&b");
  assert.deepEqual(r.calls.map((c) => c.path), [
    "key?key=a%2Fb%3F%20%C3%BC", "node?key=a%2Fb%3F%20%C3%BC", "key?key=.", "node?key=.", "key?key=..", "node?key=..", "../v2/messages/5?key=a%26b", "../v2/messages/5?public=1", "../v2/messages?key=a%26b",
  ]);
  // No step of a path is made of a key, which a browser would take.
  for (const { path } of r.calls) {
    const { pathname } = new URL(path, "http://h/console/");
    assert.match(pathname, /^\/(console\/(key|node)|v2\/messages(\/5)?)$/);
  }
});

test("a token's life is told by the server's clock", async () => {
  const made = JSON.stringify({ token: "T.T.T", id: "i", keys: ["k"], public: true, expires_at: Date.parse("2001-01-01T01:00:00Z") });
  const r = rig(reply(201, made, { Date: "Mon, 01 Jan 2001 00:00:00 GMT" }));
  assert.deepEqual(await r.api.mint('k"'), { token: "T.T.T", life: 3_600_000 });
  const [call] = r.calls;
  assert.deepEqual([call.method, call.path, call.body, call.headers["Content-Type"]], ["POST", "../v2/tokens", '{"key":"k\\""}', "application/json"]);
});

test("who may not make a token, or cannot, is told what to do", async () => {
  const mint = (status, code, detail) => rig(reply(status, JSON.stringify({ code, detail, retryable: false }))).api.mint("k");
  await assert.rejects(mint(403, "forbidden", "this token is a viewer's"), { code: "forbidden", retryable: false, message: /only an operator may make one.*switch the phone on\.$/ });
  await assert.rejects(mint(409, "conflict", "there are no keys"), { code: "conflict", retryable: false, message: "Phones need a token here, and the server cannot make one: There are no keys." });
  await assert.rejects(mint(401, "unauthenticated", "d"), { status: 401, message: "D." });
});

test("a problem keeps its sentence, code and delay", async () => {
  const problem = JSON.stringify({ detail: "a queue is full", code: "busy", retryable: true, request_id: "R" });
  const r = rig(reply(503, problem, { "Retry-After": "2" }));
  await assert.rejects(r.api.node("k"), { message: "A queue is full.", code: "busy", status: 503, retryable: true, retryAfter: 2000, requestId: "R" });
});

test("an answer of somebody else is a problem too", async () => {
  await assert.rejects(rig(reply(502, "<html>")).api.node("k"), { code: "http_502", retryable: true });
  await assert.rejects(rig(new TypeError("failed")).api.node("k"), { code: "unreachable", retryable: true });
});

test("without a token no header is sent", async () => {
  const r = rig(reply(200, "{}"), "");
  await r.api.node("k");
  assert.equal("Authorization" in r.calls[0].headers, false);
});

test("sentences", () => {
  assert.equal(sentence("a b"), "A b.");
  assert.equal(sentence("Is it?"), "Is it?");
});
