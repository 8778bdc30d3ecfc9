// The page: it connects the form, the phone and the timeline.

import { Api, Problem, pushBody, sentence } from "./api.js";
import { byId, make } from "./dom.js";
import { History } from "./history.js";
import { Phone } from "./phone.js";
import { takeToken, token } from "./store.js";
import { Timeline } from "./timeline.js";

const form = {
  push: byId("push-form"), key: byId("key"), data: byId("data"), note: byId("data-note"), ttl: byId("ttl"),
  idempotency: byId("idempotency"), transient: byId("transient"), broadcast: byId("broadcast"), problem: byId("problem"),
  ten: byId("push-ten"), recall: byId("recall"), deleteAll: byId("delete-all"),
};
const tokenForm = { form: byId("token-form"), input: byId("token"), note: byId("token-note"), text: byId("token-text") };
const node = {
  key: byId("node-key"), name: byId("node-name"), address: byId("node-address"),
  connections: byId("node-connections"), newest: byId("node-newest"), problem: byId("node-problem"),
};

takeToken();
const api = new Api(token.get);
const nodes = new Map(); // the node of each key, as it was last told
const history_ = new History(recall);
const timeline = new Timeline((entry, hop) => history_.show(timeline, entry, hop));
const phone = new Phone(byId("phone-key").value, { find, mint, tell: hear });

// find looks a node up and remembers its name for the timeline.
async function find(key) {
  try {
    const where = await api.node(key);
    nodes.set(key, where.node);
    return where;
  } catch (err) {
    if (err.status === 401) askToken(true);
    throw err;
  }
}

// mint makes a token for the phone, where one is needed.
async function mint(key) {
  try {
    return await api.mint(key);
  } catch (err) {
    if (err.status === 401) askToken(true);
    throw err;
  }
}

// hear is what the phone's stream says.
function hear(e) {
  switch (e.type) {
    case "message": timeline.arrived(phone.key, e); break;
    case "recall": timeline.takenBack(phone.key, e); break;
    case "gap": timeline.gone(phone.key, e); break;
    case "waiting": timeline.disconnected(phone.key, "the phone lost its connection"); break;
    case "off": case "stopped": timeline.disconnected(phone.key, "the phone is offline"); break;
    default:
  }
  if (e.type !== "message") refreshSoon();
}

// ---- pushing

// check shows what is wrong with the data as it is typed; it reports whether
// the data is good.
function check() {
  let wrong = "";
  try {
    JSON.parse(form.data.value);
  } catch (err) {
    wrong = form.data.value.trim() === "" ? "Give a JSON value, such as {\"text\":\"hello\"}." : sentence(`Not JSON yet: ${err.message}`);
  }
  form.data.setAttribute("aria-invalid", String(wrong !== ""));
  form.note.className = wrong ? "note bad" : "note good";
  form.note.textContent = wrong || `Valid JSON, ${new TextEncoder().encode(form.data.value.trim()).length} bytes`;
  return wrong === "";
}

// options turns off what does not go together.
function options() {
  form.key.disabled = form.broadcast.checked;
  form.ttl.disabled = form.transient.checked;
  form.idempotency.disabled = form.transient.checked;
  form.deleteAll.disabled = form.broadcast.checked;
}

async function push(count) {
  showProblem(null);
  if (!check()) {
    form.data.focus();
    return;
  }
  if (!form.push.reportValidity()) return;
  // One after the other: their ids are in the order of the pushes.
  for (let i = 1; i <= count; i++) {
    if (!await pushOne(count > 1 ? i : 0)) return;
  }
}

// pushOne pushes what is in the form, and reports whether that worked.
async function pushOne(number) {
  const ask = {
    key: form.key.value, data: form.data.value, number, transient: form.transient.checked, broadcast: form.broadcast.checked,
    ttl: form.transient.checked ? "" : form.ttl.value,
  };
  let idempotency = form.transient.checked ? "" : form.idempotency.value.trim();
  if (idempotency && number) idempotency += `-${number}`;
  const body = pushBody(ask);
  const key = ask.broadcast ? null : ask.key;
  if (key !== null && !nodes.has(key)) await find(key).catch(() => {}); // only the name is missing then
  const entry = timeline.begin({
    key, public: ask.broadcast, transient: ask.transient, ttl: Number(ask.ttl), text: JSON.stringify(JSON.parse(body).data),
  });
  try {
    const { id, duplicate } = await api.push({ body, broadcast: ask.broadcast, idempotency });
    timeline.stored(entry, { id, duplicate, node: nodes.get(key) ?? "", waiting: phone.absence(key) });
    refreshSoon();
    return true;
  } catch (err) {
    timeline.failed(entry, failure(err));
    showProblem(err);
    return false;
  }
}

function failure(err) {
  const unknown = err.code === "outcome_unknown" || err.code === "unreachable";
  return unknown ? "no answer: it may or may not have been stored" : `refused: ${err.code}`;
}

async function recall(entry) {
  await attempt(async () => {
    await api.recall(entry.id, entry);
    timeline.recalled(entry, nodes.get(entry.key) ?? "");
  });
}

async function deleteAll() {
  const key = form.key.value;
  if (!confirm(`Delete everything that is stored for ${key}? This cannot be undone.`)) return;
  await attempt(async () => {
    await api.deleteAll(key);
    timeline.deleted(key, nodes.get(key) ?? "");
  });
}

// attempt does something that may fail, and shows the failure.
async function attempt(what) {
  showProblem(null);
  try {
    await what();
  } catch (err) {
    showProblem(err);
  }
  refreshSoon();
}

// explain gives the sentence of a failure, and asks for the token if that is it.
function explain(err) {
  if (err.status !== 401) return sentence(err.message);
  askToken(true);
  return "The admin token is missing or wrong. Give it at the top; the server prints it when it starts.";
}

// showProblem shows a sentence and the code; null takes it away.
function showProblem(err) {
  form.problem.hidden = err === null;
  if (err === null) {
    form.problem.replaceChildren();
    return;
  }
  const parts = [explain(err), " ", make("code", "", err instanceof Problem ? err.code : "page")];
  if (err.retryAfter) parts.push(` Try again in ${err.retryAfter / 1000} s.`);
  else if (err.retryable) parts.push(" Trying again may help.");
  if (err.requestId) parts.push(` In the server's log: ${err.requestId}`);
  form.problem.replaceChildren(...parts);
}

// ---- the node of the key

let refreshing = 0;

// refreshSoon waits until a burst of changes is over.
function refreshSoon() {
  clearTimeout(refreshing);
  refreshing = setTimeout(refresh, 300);
}

async function refresh() {
  const key = form.key.value;
  node.key.textContent = key;
  try {
    const [where, info] = await Promise.all([api.node(key), api.keyInfo(key)]);
    if (key !== form.key.value) return;
    nodes.set(key, where.node);
    node.name.textContent = info.node;
    node.address.textContent = where.ws ? new URL(where.ws).host : "-";
    node.connections.textContent = info.connections;
    node.newest.textContent = info.newest === "0" ? "none yet" : info.newest;
    node.problem.hidden = true;
    askToken(false);
  } catch (err) {
    for (const field of [node.name, node.address, node.connections, node.newest]) field.textContent = "-";
    node.problem.hidden = false;
    node.problem.replaceChildren(explain(err), " ", make("code", "", err.code ?? "page"));
  }
}

// ---- the token

// askToken shows the field for the token, or that there is one already.
function askToken(needed) {
  tokenForm.form.hidden = !needed;
  tokenForm.note.hidden = needed;
  tokenForm.text.textContent = token.get() ? "The admin token is kept for this tab." : "Development mode: no token is needed.";
}

function newToken(value) {
  token.set(value);
  tokenForm.input.value = "";
  showProblem(null);
  askToken(false);
  refresh();
}

// ---- events

form.push.addEventListener("submit", (e) => {
  e.preventDefault();
  push(1);
});
form.ten.addEventListener("click", () => push(10));
form.recall.addEventListener("click", () => {
  const last = timeline.lastRecallable();
  if (last) recall(last);
  else showProblem(new Problem("There is no stored message in the timeline to recall.", { code: "nothing" }));
});
form.deleteAll.addEventListener("click", deleteAll);
form.data.addEventListener("input", check);
form.data.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) form.push.requestSubmit();
});
form.key.addEventListener("input", refreshSoon);
for (const box of [form.transient, form.broadcast]) box.addEventListener("change", options);

byId("phone-switch").addEventListener("click", () => phone.turn(!phone.on));
byId("phone-reset").addEventListener("click", () => phone.startOver());
byId("phone-form").addEventListener("submit", (e) => {
  e.preventDefault();
  const key = byId("phone-key").value;
  if (key === phone.key) return;
  // Whoever pushes to the phone goes on doing so.
  if (form.key.value === phone.key) form.key.value = key;
  phone.use(key);
  refreshSoon();
});
byId("node-refresh").addEventListener("click", refresh);
byId("timeline-clear").addEventListener("click", () => {
  timeline.clear();
  history_.sweep(timeline);
});
tokenForm.form.addEventListener("submit", (e) => {
  e.preventDefault();
  newToken(tokenForm.input.value.trim());
});
byId("token-change").addEventListener("click", () => {
  askToken(true);
  tokenForm.input.focus();
});
addEventListener("hashchange", () => {
  if (takeToken()) newToken(token.get());
});
// The page may only connect to nodes that were there when it was loaded.
document.addEventListener("securitypolicyviolation", (e) => {
  if (e.effectiveDirective === "connect-src") {
    showProblem(new Problem("The phone's node joined after this page was loaded. Reload the page.", { code: "new_node" }));
  }
});

setInterval(() => timeline.expire(), 1000);
askToken(false);
check();
options();
refresh();
