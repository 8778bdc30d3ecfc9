// A subscription over protocol v2: looks the node up, connects, resumes from
// its cursors, and comes back when the connection ends. Nothing here knows of
// the DOM; what happens is told to one function.

const firstPause = 500; // milliseconds; doubled with each failure
const longestPause = 15_000;
const leastPause = 1000; // between two tokens, should they hardly last

// newer reports whether id a is above id b. Ids are decimal strings, and too
// large for numbers.
export function newer(a, b) {
  return a.length === b.length ? a > b : a.length > b.length;
}

// pause is how long to wait before attempt n (from 0): half of it is jitter, so
// that many phones do not come back at once.
export function pause(n, random = Math.random) {
  return Math.min(longestPause, firstPause * 2 ** n) * (0.5 + random() / 2);
}

// terminal reports whether a close code means: do not come back unchanged.
export function terminal(code) {
  return code >= 4100 && code < 4200;
}

// ofToken reports whether a close code says that the token did not do.
export function ofToken(code) {
  return code === 4102 || code === 4103 || code === 4104 || code === 4106;
}

export class Stream {
  #key;
  #cursors;
  #find;
  #pass;
  #open;
  #tell;
  #socket = null;
  #timer = 0;
  #pulse = 0;
  #run = 0; // of the connection; what an older one still says is not heard
  #failures = 0;
  #fault = null; // the last error frame
  #move = 0; // the pause that the node asked for
  #heard = false;
  #live = false; // this connection has caught up once
  #node = "";
  #needed = false; // a node wants a token, whatever find says
  #shown = false; // this connection came with a token
  #refused = false; // a token was refused, and no connection stood since
  #renewal = 0;

  // cursors is {after, publicAfter}, decimal strings, "0" for the beginning.
  // find gives {node, ws, token_needed} for the key, pass the tokens (see Pass);
  // what they throw is final if it has retryable false. tell is called with
  // events, see the #tell calls.
  constructor({ key, cursors, find, pass, tell, open = (url, protocols) => new WebSocket(url, protocols) }) {
    this.#key = key;
    this.#cursors = { ...cursors };
    this.#find = find;
    this.#pass = pass;
    this.#tell = tell;
    this.#open = open;
  }

  start() {
    this.#failures = 0;
    this.#connect();
  }

  // stop ends the subscription for good: nothing is told after it.
  stop() {
    this.#drop(1000);
    clearTimeout(this.#timer);
  }

  async #connect() {
    const run = ++this.#run;
    this.#tell({ type: "connecting" });
    let where;
    let token = "";
    try {
      where = await this.#find(this.#key);
      if (!where.ws) throw new Error("The node of this key has no websocket address.");
      if (where.token_needed || this.#needed) token = await this.#pass.get();
    } catch (err) {
      if (run === this.#run) this.#failed(err.message, err.code, err.retryable === false, err.retryAfter);
      return;
    }
    if (run !== this.#run) return;
    const query = new URLSearchParams({ key: this.#key, after: this.#cursors.after, public_after: this.#cursors.publicAfter });
    let socket;
    try {
      // Scripts cannot set headers of a websocket, and an address may be logged.
      socket = this.#open(`${where.ws}?${query}`, token ? ["gopush.v2", `gopush.token.${token}`] : ["gopush.v2"]);
    } catch (err) {
      this.#failed(`The browser refuses to connect: ${err.message}`, "refused", true);
      return;
    }
    this.#socket = socket;
    this.#fault = null;
    this.#move = 0;
    this.#live = false;
    this.#shown = token !== "";
    const mine = (handle) => (e) => { if (run === this.#run) handle(e); };
    socket.onmessage = mine((e) => this.#frame(e.data));
    socket.onclose = mine((e) => this.#closed(e.code, e.reason));
  }

  // #closed decides whether to come back.
  #closed(code, reason) {
    const why = this.#fault?.message || (this.#move && "The node is leaving") || reason || (code === 1006 ? "The connection broke, or could not be made" : "The connection was closed");
    const another = ofToken(code) && !this.#refused; // a new token may do, once
    if (another) {
      this.#refused = this.#needed = true;
      this.#pass.drop();
    }
    const final = !another && (terminal(code) || this.#fault?.retryable === false);
    this.#failed(why, `close ${code}`, final, this.#move);
  }

  // #failed comes back later, or, if it is final, not at all. at is the pause
  // that somebody asked for, in milliseconds.
  #failed(why, code, final, at = 0) {
    this.#drop();
    if (final) {
      this.#tell({ type: "stopped", why, code });
      return;
    }
    const wait = Math.max(at, pause(this.#failures++));
    this.#tell({ type: "waiting", why, code, wait });
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  // #drop forgets the connection, and closes it if it is open.
  #drop(code) {
    this.#run++;
    clearInterval(this.#pulse);
    clearTimeout(this.#renewal);
    if (this.#socket && this.#socket.readyState < 2) this.#socket.close(code);
    this.#socket = null;
  }

  #frame(text) {
    this.#heard = true;
    let f;
    try {
      f = JSON.parse(text);
    } catch {
      this.#failed("The node sent something that is not JSON.", "protocol", false);
      return;
    }
    switch (f.type) {
      case "ready": return this.#ready(f);
      case "message": return this.#message(f, text);
      case "gap":
        this.#advance(f.public, f.until);
        return this.#tell({ ...f, type: "gap", ...this.#where() });
      case "live":
        this.#failures = 0;
        this.#live = true;
        return this.#tell({ type: "live", ...this.#where() });
      case "recall": return this.#tell({ type: "recall", id: f.id, public: Boolean(f.public), ...this.#where() });
      case "move": this.#move = f.retry_after_ms; return undefined;
      case "error": this.#fault = f; return undefined;
      default: return undefined; // pong, and what later versions add
    }
  }

  #ready(f) {
    this.#node = f.node;
    this.#refused = false;
    if (this.#shown) this.#renewIn(this.#pass.wait, 0);
    this.#cursors = { after: f.cursor, publicAfter: f.public_cursor ?? this.#cursors.publicAfter };
    clearInterval(this.#pulse);
    // Scripts do not see the pings of the protocol, so they ask for themselves.
    this.#pulse = setInterval(() => this.#beat(), f.heartbeat_s * 1000);
    this.#tell({ type: "ready", ...this.#where() });
  }

  #renewIn(ms, failures) {
    clearTimeout(this.#renewal);
    this.#renewal = setTimeout(() => this.#renew(failures), Math.max(ms, leastPause));
  }

  // #renew shows a new token on the connection that stands, which goes on until
  // the old one ends if none can be made.
  async #renew(failures) {
    const run = this.#run;
    let token;
    try {
      token = await this.#pass.renew();
    } catch (err) {
      if (run !== this.#run) return;
      if (err.retryable === false) this.#failed(err.message, err.code, true);
      else this.#renewIn(pause(failures), failures + 1);
      return;
    }
    if (run !== this.#run) return;
    this.#socket.send(JSON.stringify({ type: "token", token }));
    this.#renewIn(this.#pass.wait, 0);
  }

  #beat() {
    if (!this.#heard) {
      this.#failed("Nothing was heard of the node any more.", "heartbeat", false);
      return;
    }
    this.#heard = false;
    this.#socket.send('{"type":"ping"}');
  }

  // #message passes a message on once: what is at or below the cursor was here.
  #message(f, text) {
    const isPublic = Boolean(f.public);
    const cursor = isPublic ? this.#cursors.publicAfter : this.#cursors.after;
    if (!f.transient && !newer(f.id, cursor)) return;
    if (!f.transient) this.#advance(isPublic, f.id);
    this.#tell({
      type: "message", id: f.id, data: f.data, size: text.length, expiresAt: f.expires_at ?? 0,
      public: isPublic, transient: Boolean(f.transient), replayed: !this.#live, ...this.#where(),
    });
  }

  #advance(isPublic, id) {
    const name = isPublic ? "publicAfter" : "after";
    if (newer(id, this.#cursors[name])) this.#cursors[name] = id;
  }

  #where() {
    return { node: this.#node, cursors: { ...this.#cursors } };
  }
}
