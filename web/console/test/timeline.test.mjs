import assert from "node:assert/strict";
import { test } from "node:test";
import { recallable, Timeline } from "../page/timeline.js";

function rig() {
  const r = { now: 100, hops: [] };
  r.line = new Timeline((entry, hop) => { if (hop) r.hops.push(hop.kind); }, () => r.now);
  r.push = (more = {}) => r.line.begin({ key: "k", public: false, transient: false, text: "1", ttl: 0, ...more });
  r.stored = (entry, id, more = {}) => r.line.stored(entry, { id, duplicate: false, node: "node1", waiting: "", ...more });
  r.arrive = (id, more = {}) => r.line.arrived("k", { id, public: false, transient: false, data: 1, node: "node1", replayed: false, ...more });
  r.kinds = (e) => e.hops.map((h) => h.kind);
  return r;
}

test("stored, waiting, fetched", () => {
  const r = rig();
  const e = r.push();
  r.now = 103;
  r.stored(e, "5", { waiting: "the phone is offline" });
  r.now = 1100;
  r.arrive("5", { replayed: true });
  assert.deepEqual(r.kinds(e), ["stored", "waiting", "fetched"]);
  assert.deepEqual([e.hops[0].after, e.hops[2].after, e.hops[2].node, e.state], [3, 1000, "node1", "fetched"]);
});

test("a delivery that is faster than the answer belongs to the push", () => {
  const r = rig();
  const a = r.push();
  const b = r.push();
  r.now = 102;
  r.arrive("7");
  r.arrive("8");
  assert.equal(r.line.entries.length, 2);
  r.now = 105;
  r.stored(b, "8");
  r.stored(a, "7");
  assert.deepEqual([r.kinds(a), r.kinds(b)], [["stored", "delivered"], ["stored", "delivered"]]);
  assert.equal(a.hops[1].after, 2);
});

test("what nobody here pushed is shown as such", () => {
  const r = rig();
  r.arrive("9");
  assert.deepEqual([r.line.entries[0].foreign, r.line.entries[0].hops[0].after], [true, null]);
  const e = r.push();
  r.arrive("10");
  r.stored(e, "11");
  assert.deepEqual(r.line.entries.map((x) => [x.id, x.foreign]), [["10", true], ["11", false], ["9", true]]);
});

test("an idempotent retry is the first message again", () => {
  const r = rig();
  const first = r.push();
  r.stored(first, "5", { waiting: "offline" });
  const again = r.stored(r.push(), "5", { duplicate: true });
  assert.equal(again, first);
  assert.equal(r.line.entries.length, 1);
  assert.deepEqual([r.kinds(first), first.state], [["stored", "waiting", "repeated"], "waiting"]);
});

test("the same id in two streams is two messages", () => {
  const r = rig();
  const a = r.stored(r.push(), "5");
  const b = r.stored(r.push({ key: "other" }), "5");
  const c = r.stored(r.push({ key: null, public: true }), "5");
  r.arrive("5", { public: true });
  assert.deepEqual([a.state, b.state, c.state], ["stored", "stored", "delivered"]);
});

test("transient pushes are lost when nobody is there", () => {
  const r = rig();
  const e = r.stored(r.push({ transient: true }), "5", { waiting: "the phone is offline" });
  assert.deepEqual([r.kinds(e), recallable(e)], [["sent", "lost"], false]);
});

test("recall, deletion, expiry and gaps end what waits", () => {
  const r = rig();
  const [a, b, c, d] = ["5", "6", "7", "8"].map((id) => r.stored(r.push({ ttl: id === "6" ? 1 : 0 }), id, { waiting: "offline" }));
  r.line.recalled(a, "node1");
  r.line.takenBack("k", { id: "5", public: false, node: "node1" });
  r.line.expire(Date.now() + 2000);
  r.line.expire(Date.now() + 2000);
  r.line.gone("k", { after: "6", until: "7", reason: "deleted", node: "node1" });
  assert.deepEqual([a, b, c, d].map((e) => e.state), ["recalled", "expired", "deleted", "waiting"]);
  assert.equal(r.line.lastRecallable(), d);
  r.line.deleted("k", "node1");
  assert.deepEqual([a, b, c, d].map((e) => e.state), ["recalled", "expired", "deleted", "deleted"]);
  assert.deepEqual(r.kinds(b), ["stored", "waiting", "expired"]);
  assert.equal(r.line.lastRecallable(), undefined);
});

test("a failed push is not a message", () => {
  const r = rig();
  const e = r.push();
  r.line.failed(e, "refused: busy");
  r.line.disconnected("k", "offline");
  assert.deepEqual([e.state, recallable(e), r.kinds(e)], ["failed", false, ["failed"]]);
});

test("a connection that is lost makes undelivered messages wait", () => {
  const r = rig();
  const e = r.stored(r.push(), "5");
  const other = r.stored(r.push({ key: "other" }), "6");
  r.line.disconnected("k", "the phone is offline");
  assert.deepEqual([e.state, other.state], ["waiting", "stored"]);
});

test("the list is bounded, and clearing forgets", () => {
  const r = rig();
  for (let i = 1; i <= 250; i++) r.arrive(String(i));
  assert.equal(r.line.entries.length, 200);
  const sending = r.push();
  r.line.clear();
  assert.deepEqual(r.line.entries, [sending]);
  r.arrive("250");
  r.stored(sending, "251");
  assert.equal(r.line.entries.length, 2);
});
