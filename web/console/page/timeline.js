// What became of each message, put together from two sides: the replies to
// pushes and what the phone is sent. Nothing here knows of the DOM.

import { newer } from "./stream.js";

const most = 200; // entries that are kept

// An entry is {n, key, public, transient, text, id, began, expiresAt, foreign,
// state, hops}; a hop is {kind, text, node, at, after}: at is the wall clock in
// ms, after the ms since the push (null: not known).
export class Timeline {
  #entries = [];
  #byRef = new Map();
  #early = []; // what the phone got while pushes had no answer yet
  #pending = 0;
  #n = 0;
  #changed;
  #now;

  // changed(entry, hop) is called after each change; hop is the new one, or
  // null. now is a clock for spans, in ms.
  constructor(changed, now = () => performance.now()) {
    this.#changed = changed;
    this.#now = now;
  }

  get entries() {
    return this.#entries;
  }

  // begin is a push that was just sent. ttl is its life in seconds, 0: unknown.
  begin({ key, public: isPublic, transient, text, ttl }) {
    this.#pending++;
    const entry = this.#add({ key, public: isPublic, transient, text, began: this.#now(), foreign: false });
    entry.expiresAt = ttl ? Date.now() + ttl * 1000 : 0;
    this.#changed(entry, null);
    return entry;
  }

  // stored is the success of a push. waiting says why nobody gets it now; empty:
  // somebody does. It gives the entry that stands for the message, which is an
  // older one for a repeated push.
  stored(entry, { id, duplicate, node, waiting }) {
    const known = this.#byRef.get(ref(entry, id));
    if (known && !known.foreign) {
      this.#remove(entry);
      this.#hop(known, "repeated", "recognised: the same idempotency key, so no second message", node, entry.began);
      this.#settle();
      return known;
    }
    if (known) this.#remove(known);
    entry.id = id;
    this.#byRef.set(ref(entry, id), entry);
    if (entry.transient) {
      this.#hop(entry, "sent", "accepted, not stored", node);
    } else {
      this.#hop(entry, duplicate ? "repeated" : "stored", duplicate ? "stored already, under this idempotency key" : "stored and acknowledged", node);
    }
    const early = this.#claim(entry) ?? (known && known.hops[0]);
    if (early) this.#arrive(entry, early);
    else if (waiting) this.#wait(entry, waiting);
    this.#settle();
    return entry;
  }

  // failed is a push without success. Without an answer it may still have been
  // stored, which the text then says.
  failed(entry, text) {
    this.#hop(entry, "failed", text, "");
    this.#settle();
  }

  // arrived is a message on the phone of key, as the stream told it.
  arrived(key, m) {
    const entry = this.#byRef.get(ref({ key, public: m.public }, m.id));
    const arrival = { ...m, key, at: Date.now(), time: this.#now() };
    if (entry) this.#arrive(entry, arrival);
    else if (this.#pending > 0 && this.#early.length < most) this.#early.push(arrival);
    else this.#stranger(arrival);
  }

  // recalled is the success of a recall.
  recalled(entry, node) {
    this.#hop(entry, "recalled", "recalled: nobody is sent it any more", node, null);
  }

  // takenBack is a recall as the phone is told of it.
  takenBack(key, { id, public: isPublic, node }) {
    const entry = this.#byRef.get(ref({ key, public: isPublic }, id));
    if (entry) this.#hop(entry, "recalled", "the phone was told to forget it", node, null);
  }

  // deleted is the success of a deletion of all messages of a key up to now.
  deleted(key, node) {
    for (const e of this.#entries) {
      if (e.key === key && !e.public && !e.transient && e.id && !["recalled", "deleted", "expired"].includes(e.state)) {
        this.#hop(e, "deleted", "deleted from the store", node, null);
      }
    }
  }

  // gone is a gap on the phone's stream: above after, up to until.
  gone(key, { after, until, reason, public: isPublic, node }) {
    const kind = reason === "deleted" ? "deleted" : "expired";
    for (const e of this.#entries) {
      const inside = e.id && newer(e.id, after) && !newer(e.id, until);
      if (inside && waits(e) && e.public === Boolean(isPublic) && (e.public || e.key === key)) {
        this.#hop(e, kind, `the phone was told that it is gone: ${reason}`, node, null);
      }
    }
  }

  // disconnected is the phone of key going away, with what was not sent yet.
  disconnected(key, why) {
    for (const e of this.#entries) {
      if (e.state === "stored" && (e.public || e.key === key)) this.#wait(e, why);
    }
  }

  // expire looks for messages whose life ended before anybody got them.
  expire(wall = Date.now()) {
    for (const e of this.#entries) {
      if (e.id && waits(e) && e.expiresAt && e.expiresAt <= wall) {
        this.#hop(e, "expired", "expired before the phone came for it", "", null);
      }
    }
  }

  // lastRecallable is what "recall the last" means: the newest that is stored.
  lastRecallable() {
    return this.#entries.find(recallable);
  }

  clear() {
    this.#entries = this.#entries.filter((e) => !e.id && e.state === "sending");
    this.#byRef.clear();
  }

  #add(entry) {
    Object.assign(entry, { n: ++this.#n, id: entry.id ?? "", state: "sending", hops: [] });
    this.#entries.unshift(entry);
    for (const old of this.#entries.splice(most)) this.#forget(old);
    return entry;
  }

  #remove(entry) {
    this.#entries = this.#entries.filter((e) => e !== entry);
    this.#forget(entry);
    this.#changed(entry, null);
  }

  #forget(entry) {
    if (this.#byRef.get(ref(entry, entry.id)) === entry) this.#byRef.delete(ref(entry, entry.id));
  }

  // #settle is the end of a push. What nobody claimed was pushed by others.
  #settle() {
    if (--this.#pending > 0) return;
    for (const arrival of this.#early.splice(0)) this.#stranger(arrival);
  }

  #claim(entry) {
    const i = this.#early.findIndex((a) => ref(a, a.id) === ref(entry, entry.id));
    return i < 0 ? undefined : this.#early.splice(i, 1)[0];
  }

  #stranger(arrival) {
    const { key, id, public: isPublic, transient, data } = arrival;
    const entry = this.#add({ key, id, public: isPublic, transient, text: JSON.stringify(data), began: null, foreign: true, expiresAt: 0 });
    this.#byRef.set(ref(entry, id), entry);
    this.#arrive(entry, arrival);
  }

  #arrive(entry, { replayed, node, at, time }) {
    const [kind, text] = replayed ? ["fetched", "fetched on reconnect"] : ["delivered", "delivered to the phone"];
    const after = entry.began === null || time === undefined ? null : time - entry.began;
    this.#push(entry, { kind, text, node, at, after, time, replayed });
  }

  #wait(entry, why) {
    if (entry.transient) this.#hop(entry, "lost", `not delivered: ${why}`, "", null);
    else this.#hop(entry, "waiting", `waiting: ${why}`, "", null);
  }

  // #hop adds a step of this moment, since began (null: the span says nothing).
  #hop(entry, kind, text, node, began = entry.began) {
    this.#push(entry, { kind, text, node, at: Date.now(), after: began === null ? null : this.#now() - began });
  }

  #push(entry, hop) {
    entry.hops.push(hop);
    // A repeated push says nothing about where the message is.
    if (hop.kind !== "repeated" || entry.state === "sending") entry.state = hop.kind === "repeated" ? "stored" : hop.kind;
    this.#changed(entry, hop);
  }
}

// recallable reports whether a recall of the entry means anything.
export function recallable(e) {
  return e.id !== "" && !e.transient && !["recalled", "deleted", "expired", "failed"].includes(e.state);
}

function waits(e) {
  return e.state === "stored" || e.state === "waiting";
}

// ref names a message: ids are unique within a stream only.
function ref(stream, id) {
  return stream.public ? `/${id}` : `${stream.key}/${id}`;
}
