// What the browser keeps: the cursors of each key as long as it lives, the
// token as long as the tab. A browser may forbid both; then they last as long as
// the page.

const memory = { session: new Map(), local: new Map() };

function get(kind, name) {
  try {
    return globalThis[`${kind}Storage`].getItem(name);
  } catch {
    return memory[kind].get(name) ?? null;
  }
}

function set(kind, name, value) {
  try {
    globalThis[`${kind}Storage`].setItem(name, value);
  } catch {
    memory[kind].set(name, value);
  }
}

export const token = {
  get: () => get("session", "gopush.token") ?? "",
  set: (value) => set("session", "gopush.token", value),
};

const start = { after: "0", publicAfter: "0" };
const id = /^(0|[1-9][0-9]{0,18})$/;

export const cursors = {
  // get gives the beginning for a key that is new, or whose entry is damaged.
  get(key) {
    try {
      const { after, publicAfter } = JSON.parse(get("local", `gopush.cursor.${key}`));
      return id.test(after) && id.test(publicAfter) ? { after, publicAfter } : { ...start };
    } catch {
      return { ...start };
    }
  },
  set: (key, value) => set("local", `gopush.cursor.${key}`, JSON.stringify(value)),
  reset: (key) => set("local", `gopush.cursor.${key}`, JSON.stringify(start)),
};

// takeToken moves a token that came in the fragment of the address into the
// store, and clears the address: neither the history nor a copied link keeps it.
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) token.set(given);
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return Boolean(given);
}
