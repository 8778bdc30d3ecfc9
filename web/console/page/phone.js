// The pretend phone: its switch, its cursor, and what it shows.

import { sentence } from "./api.js";
import { byId, clock, cut, make } from "./dom.js";
import { Pass } from "./pass.js";
import { cursors } from "./store.js";
import { Stream } from "./stream.js";

const most = 100; // notifications that are shown

const el = {
  phone: byId("phone"), state: byId("phone-state"), list: byId("phone-list"), name: byId("phone-name"),
  toggle: byId("phone-switch"), toggleText: byId("phone-switch-text"),
  cursor: byId("cursor"), publicCursor: byId("public-cursor"), clock: byId("phone-clock"),
};

export class Phone {
  #stream = null;
  #find;
  #mint;
  #pass;
  #tell;
  #live = false;

  // find looks a node up, as Stream wants it; mint(key) makes a token, as Pass
  // does; tell(event) is called with what the stream says, after the phone has
  // shown it.
  constructor(key, { find, mint, tell }) {
    this.#find = find;
    this.#mint = mint;
    this.#tell = tell;
    this.#name(key);
    this.#face();
    this.#tick();
    setInterval(() => this.#tick(), 5000);
  }

  get on() {
    return this.#stream !== null;
  }

  // absence says why a message that is pushed now waits; empty: it does not.
  absence(key) {
    if (key !== null && key !== this.key) return `this phone has another key, ${this.key}`;
    if (this.#live) return "";
    return this.on ? "the phone is still connecting" : "the phone is offline";
  }

  turn(on) {
    if (on === this.on) return;
    if (!on) {
      this.#leave("offline", "Offline. What is pushed now is stored and waits.");
      this.#tell({ type: "off" });
      return;
    }
    this.#stream = new Stream({
      key: this.key, cursors: cursors.get(this.key), find: this.#find, pass: this.#pass, tell: (e) => this.#hear(e),
    });
    this.#knob();
    this.#stream.start();
  }

  // use makes it the phone of another key.
  use(key) {
    const on = this.on;
    this.turn(false);
    this.#name(key);
    el.list.replaceChildren();
    this.#face();
    this.turn(on);
  }

  // startOver forgets the cursors: everything that is stored comes again.
  startOver() {
    const on = this.on;
    this.turn(false);
    cursors.reset(this.key);
    el.list.replaceChildren();
    this.#face();
    this.turn(on);
  }

  // #name gives it its key, and a pass of its own.
  #name(key) {
    this.key = key;
    this.#pass = new Pass(() => this.#mint(key));
  }

  #hear(e) {
    if (e.cursors) this.#keep(e.cursors);
    switch (e.type) {
      case "connecting": this.#show("busy", "Looking its node up and connecting…"); break;
      case "ready": this.#show("busy", `Connected to ${e.node}. Fetching what it missed…`); break;
      case "live": this.#show("live", `Live on ${e.node}`); break;
      case "waiting": this.#show("busy", `${sentence(e.why)} Again in ${(e.wait / 1000).toFixed(1)} s (${e.code}).`); break;
      case "stopped": this.#leave("broken", `Stopped. ${sentence(e.why)} (${e.code ?? "error"})`); break;
      case "message": this.#notice(e); break;
      case "recall": this.#take(e); break;
      case "gap": this.#note(e.public ? "Some public messages are gone for good" : "Some messages are gone for good", e.reason); break;
      default:
    }
    this.#tell(e);
  }

  // #leave ends the stream, if there is one.
  #leave(state, text) {
    this.#stream?.stop();
    this.#stream = null;
    this.#show(state, text);
    this.#knob();
  }

  #keep(now) {
    cursors.set(this.key, now);
    el.cursor.textContent = now.after;
    el.publicCursor.textContent = now.publicAfter;
  }

  #show(state, text) {
    this.#live = state === "live";
    el.phone.dataset.state = state;
    el.state.textContent = text;
  }

  #knob() {
    el.toggle.setAttribute("aria-checked", String(this.on));
    el.toggleText.textContent = this.on ? "Online" : "Offline";
  }

  #face() {
    el.name.textContent = this.key;
    const { after, publicAfter } = cursors.get(this.key);
    el.cursor.textContent = after;
    el.publicCursor.textContent = publicAfter;
    this.#show("offline", "Offline. What is pushed now is stored and waits.");
    this.#knob();
  }

  #tick() {
    el.clock.textContent = clock(Date.now()).slice(0, 5);
  }

  #notice(m) {
    const tags = [m.transient && "transient", m.replayed && "was waiting"].filter(Boolean);
    const item = make("li", m.public ? "notice public" : "notice",
      make("p", "top", make("span", "app", m.public ? "Public" : this.key), ...tags.map((t) => make("span", "tag", t)), make("time", "", clock(Date.now()).slice(0, 8))),
      make("p", "text", say(m.data)),
      make("p", "id", `id ${m.id}`));
    item.dataset.id = m.id;
    item.dataset.public = String(m.public);
    this.#top(item);
  }

  // #take removes what was recalled; it may never have been here.
  #take({ id, public: isPublic }) {
    for (const item of [...el.list.children]) {
      if (item.dataset.id === id && item.dataset.public === String(isPublic)) item.remove();
    }
  }

  #note(text, reason) {
    this.#top(make("li", "notice gap", make("p", "text", `${text}: ${reason}.`)));
  }

  #top(item) {
    el.list.prepend(item);
    while (el.list.children.length > most) el.list.lastElementChild.remove();
  }
}

// say shows what an app would: its text if the data has one, else the JSON.
function say(data) {
  const text = data && typeof data === "object" && typeof data.text === "string" ? data.text : null;
  if (text !== null && Object.keys(data).length === 1) return cut(text, 500);
  if (text !== null && "n" in data && Object.keys(data).length === 2) return cut(`${data.n}. ${text}`, 500);
  return cut(typeof data === "string" ? data : JSON.stringify(data), 500);
}
