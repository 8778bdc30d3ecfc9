// The timeline as it is seen and read out.

import { byId, clock, cut, make, span } from "./dom.js";
import { recallable } from "./timeline.js";

const badges = {
  sending: "on its way", stored: "stored", sent: "sent", waiting: "waiting", lost: "not delivered", delivered: "delivered",
  fetched: "fetched", recalled: "recalled", deleted: "deleted", expired: "expired", failed: "failed",
};

const list = byId("timeline");
const empty = byId("timeline-empty");
const announce = byId("announce");

export class History {
  #items = new Map(); // entry to element
  #said = [];
  #timer = 0;
  #recall;

  // recall(entry) is called when its button is pressed.
  constructor(recall) {
    this.#recall = recall;
  }

  // show brings what is on the page in line with the timeline. hop is what is
  // new about entry, or null.
  show(timeline, entry, hop) {
    const there = timeline.entries.includes(entry);
    const old = this.#items.get(entry);
    if (there) {
      const item = this.#item(entry);
      if (old) this.#replace(old, item);
      else list.prepend(item);
      this.#items.set(entry, item);
      if (hop) this.#say(`${cut(entry.text, 40)}: ${hop.text}`);
    }
    if (!there || this.#items.size > timeline.entries.length) this.sweep(timeline);
    empty.hidden = this.#items.size > 0;
  }

  // sweep removes what the timeline no longer has.
  sweep(timeline) {
    const kept = new Set(timeline.entries);
    for (const [entry, item] of this.#items) {
      if (!kept.has(entry)) {
        item.remove();
        this.#items.delete(entry);
      }
    }
    empty.hidden = this.#items.size > 0;
  }

  // #replace keeps the focus on the button that was pressed.
  #replace(old, item) {
    const focused = old.contains(document.activeElement);
    old.replaceWith(item);
    if (focused) (item.querySelector("button") ?? item).focus();
  }

  #item(entry) {
    const head = make("div", "entry-head",
      make("span", `badge ${entry.state}`, badges[entry.state]),
      make("span", "to", entry.public ? "to everybody" : `to ${cut(entry.key, 40)}`),
      entry.transient && make("span", "tag", "transient"),
      entry.foreign && make("span", "tag", "not from this page"),
      recallable(entry) && this.#button(entry));
    const item = make("li", `entry ${entry.state}`, head,
      make("p", "payload", make("code", "", cut(entry.text, 200))),
      entry.id && make("p", "id", `id ${entry.id}`),
      make("ol", "hops", ...entry.hops.map(hopItem)));
    item.tabIndex = -1;
    return item;
  }

  #button(entry) {
    const b = make("button", "quiet", "Recall");
    b.type = "button";
    b.setAttribute("aria-label", `Recall ${cut(entry.text, 40)}`);
    b.addEventListener("click", () => this.#recall(entry));
    return b;
  }

  // #say collects for a moment, so that ten pushes are one announcement.
  #say(text) {
    this.#said.push(text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const said = this.#said.splice(0);
      const rest = said.length - 3;
      announce.textContent = rest > 0 ? `${said.slice(-3).join(". ")}. And ${rest} more.` : said.join(". ");
    }, 400);
  }
}

function hopItem(hop) {
  return make("li", `hop ${hop.kind}`,
    make("span", "what", hop.text),
    hop.after !== null && make("span", "after", `+${span(hop.after)}`),
    hop.node && make("span", "node", hop.node),
    make("time", "", clock(hop.at)));
}
