// The admin API, as the page needs it. Nothing here knows of the DOM.

// timeout bounds a request, in milliseconds: above the server's own bounds, so
// that its answer, which knows more, comes first.
const timeout = 15_000;

// Problem is a request that failed: message is a sentence for a person, code is
// stable. retryable says whether the same request may succeed later, retryAfter
// in how many milliseconds (0: not said).
export class Problem extends Error {
  constructor(message, { code, status = 0, retryable = false, retryAfter = 0, requestId = "" }) {
    super(message);
    Object.assign(this, { code, status, retryable, retryAfter, requestId });
  }
}

export class Api {
  // token is a function, as the token may change; it gives "" for none.
  constructor(token, fetcher = (...args) => fetch(...args)) {
    this.token = token;
    this.fetch = fetcher;
  }

  // node says where the phone of a key connects: {node, ws, token_needed, ...}.
  node(key) {
    return this.json("GET", `node?key=${encodeURIComponent(key)}`);
  }

  // keyInfo gives {node, connections, newest}.
  keyInfo(key) {
    return this.json("GET", `key?key=${encodeURIComponent(key)}`);
  }

  // mint makes a token for the phone of a key: {token, life}, its life in
  // milliseconds. Both ends of that are of the server's clock, as this machine's
  // may be wrong.
  async mint(key) {
    const headers = { "Content-Type": "application/json" };
    let res;
    try {
      res = await this.call("POST", "../v2/tokens", { body: JSON.stringify({ key }), headers });
    } catch (err) {
      throw tokenProblem(err);
    }
    const made = await res.json();
    return { token: made.token, life: made.expires_at - (Date.parse(res.headers.get("Date")) || Date.now()) };
  }

  // push sends a body that pushBody made, and gives {id, duplicate}.
  async push({ body, broadcast, idempotency }) {
    const headers = { "Content-Type": "application/json" };
    if (idempotency) headers["Idempotency-Key"] = idempotency;
    const res = await this.call("POST", broadcast ? "../v2/broadcast" : "../v2/messages", { body, headers });
    const reply = await res.json();
    return { id: reply.id, duplicate: res.status === 200 };
  }

  recall(id, stream) {
    return this.call("DELETE", `../v2/messages/${id}?${streamQuery(stream)}`);
  }

  deleteAll(key) {
    return this.call("DELETE", `../v2/messages?${streamQuery({ key })}`);
  }

  async json(method, path) {
    return (await this.call(method, path)).json();
  }

  // call gives a reply with a good status, and throws a Problem for any other.
  async call(method, path, { body, headers = {} } = {}) {
    const token = this.token();
    if (token) headers.Authorization = `Bearer ${token}`;
    let res;
    try {
      res = await this.fetch(path, { method, body, headers, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(timeout) });
    } catch (err) {
      throw new Problem(
        err.name === "TimeoutError" ? "The server did not answer in time." : "The server cannot be reached. Is it still running?",
        { code: "unreachable", retryable: true },
      );
    }
    if (!res.ok) throw await problemOf(res);
    return res;
  }
}

// streamQuery names what a withdrawal is about: a key, or the public stream.
function streamQuery(stream) {
  return stream.public ? "public=1" : `key=${encodeURIComponent(stream.key)}`;
}

// tokenProblem says what a failure to make a token means for a phone.
function tokenProblem(err) {
  const why = {
    forbidden: "Phones need a token here, and only an operator may make one: change the admin token at the top to an operator's, then switch the phone on.",
    conflict: `Phones need a token here, and the server cannot make one: ${err.message}`,
  }[err.code];
  return why ? new Problem(why, err) : err;
}

async function problemOf(res) {
  let p = {};
  try {
    p = await res.json();
  } catch {
    // Something between here and the server answered.
  }
  const retryAfter = Number(res.headers.get("Retry-After")) * 1000 || 0;
  return new Problem(sentence(p.detail || p.title || `the server answered with status ${res.status}`), {
    code: p.code || `http_${res.status}`,
    status: res.status,
    retryable: p.retryable ?? res.status >= 500,
    retryAfter,
    requestId: p.request_id || res.headers.get("X-Request-Id") || "",
  });
}

// sentence gives text its capital and its full stop.
export function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

// pushBody puts the body of a push together. data stays the text that was
// typed: parsed and written again, its large numbers would change. number, from
// 1, becomes the member n of an object, so that ten in a row can be told apart.
export function pushBody({ key, data, ttl, transient, broadcast, number }) {
  const members = [];
  if (!broadcast) members.push(`"key":${JSON.stringify(key)}`);
  members.push(`"data":${numbered(data.trim(), number)}`);
  if (transient) members.push(`"transient":true`);
  else if (ttl) members.push(`"ttl_s":${Number(ttl)}`);
  return `{${members.join(",")}}`;
}

export function numbered(data, number) {
  const value = JSON.parse(data);
  if (!number || typeof value !== "object" || value === null || Array.isArray(value) || "n" in value) return data;
  const empty = Object.keys(value).length === 0;
  return empty ? `{"n":${number}}` : `{"n":${number},${data.slice(1)}`;
}
