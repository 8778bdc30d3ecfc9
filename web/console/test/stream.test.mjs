// node --test web/console/test
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Pass } from "../page/pass.js";
import { newer, pause, Stream, terminal } from "../page/stream.js";

class Socket {
  readyState = 1;
  sent = [];
  constructor(url, protocols) { Object.assign(this, { url: new URL(url), protocols }); }
  send(text) { this.sent.push(JSON.parse(text)); }
  close(code) { this.readyState = 3; this.closed = code; }
  say(...frames) { for (const f of frames) this.onmessage({ data: JSON.stringify(f) }); }
  end(code, reason = "") { this.readyState = 3; this.onclose({ code, reason }); }
}

// rig starts a stream; socket gives its newest connection. mint makes its tokens.
async function rig(t, cursors = { after: "0", publicAfter: "0" }, find = async () => ({ node: "node1", ws: "ws://h:1/v2/stream" }), mint = undefined) {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  t.after(() => mock.timers.reset());
  const r = { sockets: [], told: [] };
  r.stream = new Stream({
    key: "a b", cursors, find, pass: new Pass(mint), tell: (e) => r.told.push(e),
    open: (url, protocols) => { const s = new Socket(url, protocols); r.sockets.push(s); return s; },
  });
  r.settle = async () => { for (let i = 0; i < 10; i++) await Promise.resolve(); };
  r.pass = async (ms) => { mock.timers.tick(ms); await r.settle(); };
  r.types = () => r.told.map((e) => e.type);
  r.stream.start();
  await r.settle();
  r.socket = () => r.sockets.at(-1);
  return r;
}

const ready = { type: "ready", node: "node1", cursor: "0", public_cursor: "0", resumed: true, heartbeat_s: 30 };

test("ids are compared as numbers that do not fit numbers", () => {
  assert.equal(newer("10", "9"), true);
  assert.equal(newer("9", "10"), false);
  assert.equal(newer("17953751000602033", "17953751000602032"), true);
  assert.equal(newer("5", "5"), false);
});

test("pauses grow, are jittered and bounded", () => {
  assert.equal(pause(0, () => 0), 250);
  assert.equal(pause(0, () => 1), 500);
  assert.equal(pause(3, () => 1), 4000);
  assert.equal(pause(50, () => 1), 15000);
});

test("the classes of close codes", () => {
  for (const code of [4100, 4101, 4199]) assert.equal(terminal(code), true);
  for (const code of [1000, 1006, 1012, 4001, 4005, 4099, 4200]) assert.equal(terminal(code), false);
});

test("replay, live, dedupe and cursors", async (t) => {
  const r = await rig(t, { after: "5", publicAfter: "7" });
  assert.deepEqual(r.socket().protocols, ["gopush.v2"]);
  assert.equal(r.socket().url.searchParams.get("key"), "a b");
  assert.equal(r.socket().url.searchParams.get("after"), "5");
  assert.equal(r.socket().url.searchParams.get("public_after"), "7");
  r.socket().say({ ...ready, cursor: "5", public_cursor: "7" }, { type: "message", id: "6", data: 1 }, { type: "message", id: "6", data: 1 },
    { type: "live" }, { type: "message", id: "10", data: 2 }, { type: "message", id: "8", public: true, data: 3 },
    { type: "message", id: "9", transient: true, data: 4 }, { type: "something new" });
  const messages = r.told.filter((e) => e.type === "message");
  assert.deepEqual(messages.map((m) => [m.id, m.replayed]), [["6", true], ["10", false], ["8", false], ["9", false]]);
  assert.deepEqual(r.told.at(-1).cursors, { after: "10", publicAfter: "8" });
});

test("a gap moves the cursor", async (t) => {
  const r = await rig(t);
  r.socket().say(ready, { type: "gap", after: "0", until: "20", reason: "expired" });
  assert.deepEqual(r.told.at(-1).cursors, { after: "20", publicAfter: "0" });
  assert.equal(r.told.at(-1).type, "gap");
});

test("it comes back where it was, and later each time", async (t) => {
  const r = await rig(t);
  r.socket().say(ready, { type: "message", id: "3", data: 1 }, { type: "live" });
  r.socket().end(1006);
  assert.equal(r.told.at(-1).type, "waiting");
  await r.pass(500);
  assert.equal(r.sockets.length, 2);
  assert.equal(r.socket().url.searchParams.get("after"), "3");
  r.socket().end(4003);
  await r.pass(499); // the second pause is at least that long
  assert.equal(r.sockets.length, 2);
  await r.pass(501);
  assert.equal(r.sockets.length, 3);
});

test("a node that leaves says when to come back", async (t) => {
  const r = await rig(t);
  r.socket().say(ready, { type: "live" }, { type: "move", retry_after_ms: 9000 });
  r.socket().end(4002);
  assert.equal(r.told.at(-1).wait, 9000);
  await r.pass(8999);
  assert.equal(r.sockets.length, 1);
  await r.pass(1);
  assert.equal(r.sockets.length, 2);
});

test("a terminal code ends it", async (t) => {
  const r = await rig(t);
  r.socket().say({ type: "error", code: "bad_request", message: "no such cursor", retryable: false });
  r.socket().end(4101);
  assert.deepEqual(r.told.at(-1), { type: "stopped", why: "no such cursor", code: "close 4101" });
  await r.pass(60_000);
  assert.equal(r.sockets.length, 1);
});

test("a lookup that fails is repeated, unless it is final", async (t) => {
  let err = Object.assign(new Error("no node"), { code: "no_node", retryable: true, retryAfter: 2000 });
  const r = await rig(t, undefined, async () => { throw err; });
  assert.deepEqual([r.told.at(-1).type, r.told.at(-1).wait], ["waiting", 2000]);
  err = Object.assign(new Error("no token"), { code: "unauthenticated", retryable: false });
  await r.pass(2000);
  assert.equal(r.told.at(-1).type, "stopped");
});

test("silence ends a connection", async (t) => {
  const r = await rig(t);
  r.socket().say(ready, { type: "live" });
  await r.pass(30_000);
  assert.deepEqual(r.socket().sent, [{ type: "ping" }]);
  r.socket().say({ type: "pong" });
  await r.pass(30_000);
  assert.equal(r.told.at(-1).type, "live");
  await r.pass(30_000);
  assert.equal(r.told.at(-1).code, "heartbeat");
});

test("nothing is heard after stop, not even of a lookup under way", async (t) => {
  let answer;
  const r = await rig(t, undefined, () => new Promise((resolve) => { answer = resolve; }));
  r.stream.stop();
  answer({ ws: "ws://h:1/" });
  await r.pass(60_000);
  assert.equal(r.sockets.length, 0);
  const s = await rig(t);
  s.socket().say(ready);
  const before = s.told.length;
  s.stream.stop();
  assert.equal(s.socket().closed, 1000);
  s.socket().say({ type: "message", id: "4", data: 1 });
  s.socket().end(1000);
  await s.pass(60_000);
  assert.equal(s.told.length, before);
  assert.equal(s.sockets.length, 1);
});

test("what is no JSON costs the connection, not the page", async (t) => {
  const r = await rig(t);
  r.socket().onmessage({ data: "{" });
  assert.equal(r.told.at(-1).code, "protocol");
});

const needed = async () => ({ node: "node1", ws: "ws://h:1/v2/stream", token_needed: true });

// minter gives T1, T2 and so on, which live for 40 s; what next holds is thrown.
function minter() {
  const m = { made: 0, next: null };
  m.mint = async () => {
    m.asked = (m.asked ?? 0) + 1;
    if (m.next) throw m.next;
    return { token: `T${++m.made}`, life: 40_000 };
  };
  return m;
}

const away = Object.assign(new Error("The server cannot be reached."), { code: "unreachable", retryable: true });
const viewer = Object.assign(new Error("Only an operator may make one."), { code: "forbidden", retryable: false });

test("a token is shown where one is needed, and renewed on the connection", async (t) => {
  const m = minter();
  const r = await rig(t, undefined, needed, m.mint);
  assert.deepEqual(r.socket().protocols, ["gopush.v2", "gopush.token.T1"]);
  assert.equal(r.socket().url.href.includes("T1"), false);
  r.socket().say(ready, { type: "live" });
  for (let i = 2; i < 8; i++) {
    await r.pass(29_999);
    assert.equal(m.made, i - 1);
    r.socket().say({ type: "pong" });
    await r.pass(1);
    assert.deepEqual(r.socket().sent.at(-1), { type: "token", token: `T${i}` });
  }
  assert.equal(r.sockets.length, 1);
  assert.equal(r.told.at(-1).type, "live");
  // A new connection uses what there is.
  r.socket().end(1006);
  await r.pass(500);
  assert.deepEqual(r.socket().protocols, ["gopush.v2", "gopush.token.T7"]);
});

test("a long token is replaced ten minutes before its end", async () => {
  const pass = new Pass(async () => ({ token: "T", life: 3_600_000 }), () => 5);
  assert.equal(await pass.get(), "T");
  assert.equal(pass.wait, 3_000_000);
});

test("without tokens none is made", async (t) => {
  const m = minter();
  const r = await rig(t, undefined, undefined, m.mint);
  r.socket().say(ready, { type: "live" });
  await r.pass(1_000);
  assert.deepEqual(r.socket().protocols, ["gopush.v2"]);
  assert.equal(m.asked, undefined);
});

test("a viewer's phone stops with a sentence, before it connects or on its connection", async (t) => {
  const m = minter();
  m.next = viewer;
  const r = await rig(t, undefined, needed, m.mint);
  assert.deepEqual(r.told.at(-1), { type: "stopped", why: "Only an operator may make one.", code: "forbidden" });
  assert.equal(r.sockets.length, 0);
  m.next = null;
  const s = await rig(t, undefined, needed, m.mint);
  s.socket().say(ready, { type: "live" });
  m.next = viewer;
  await s.pass(30_000);
  assert.equal(s.told.at(-1).type, "stopped");
  await s.pass(60_000);
  assert.equal(s.sockets.length, 1);
  assert.equal(m.asked, 3);
});

test("a token that cannot be made costs the connection only when the old one ends", async (t) => {
  const m = minter();
  const r = await rig(t, undefined, needed, m.mint);
  r.socket().say(ready, { type: "live" });
  m.next = away;
  await r.pass(30_000);
  for (let i = 0; i < 9; i++) await r.pass(1_000);
  assert.equal(r.told.at(-1).type, "live");
  assert.ok(m.asked > 3 && m.asked < 9, `asked ${m.asked} times`);
  r.socket().end(1006); // one that breaks is made again with the old token
  await r.pass(500);
  assert.equal(r.sockets.length, 2);
  assert.deepEqual(r.socket().protocols, ["gopush.v2", "gopush.token.T1"]);
  r.socket().say(ready, { type: "live" });
  await r.pass(1_000);
  r.socket().end(4103);
  await r.pass(500);
  assert.deepEqual([r.told.at(-1).type, r.told.at(-1).code], ["waiting", "unreachable"]);
  m.next = null;
  await r.pass(15_000);
  assert.deepEqual(r.socket().protocols, ["gopush.v2", "gopush.token.T2"]);
});

test("a refused token is replaced once", async (t) => {
  const m = minter();
  // Here nobody said that one is needed.
  const r = await rig(t, undefined, undefined, m.mint);
  r.socket().say({ type: "error", code: "unauthenticated", message: "a token is needed", retryable: false });
  r.socket().end(4102);
  assert.equal(r.told.at(-1).type, "waiting");
  await r.pass(500);
  assert.deepEqual(r.socket().protocols, ["gopush.v2", "gopush.token.T1"]);
  r.socket().say(ready, { type: "live" });
  r.socket().end(4106); // revoked
  await r.pass(1_000);
  assert.deepEqual(r.socket().protocols, ["gopush.v2", "gopush.token.T2"]);
  r.socket().end(4106);
  assert.equal(r.told.at(-1).type, "stopped");
  await r.pass(60_000);
  assert.equal(r.sockets.length, 3);
});

test("a phone that is switched off while its token is made stays off", async (t) => {
  let done;
  const r = await rig(t, undefined, needed, () => new Promise((resolve) => { done = resolve; }));
  r.stream.stop();
  done({ token: "T", life: 40_000 });
  await r.pass(60_000);
  assert.equal(r.sockets.length, 0);
});
