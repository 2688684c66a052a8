// The page's only script. Every text from outside goes through `textContent`.
"use strict";

const byId = (id) => document.getElementById(id);
const state = { after: [], next: null, latch: null, kind: "", overview: null, answeredAt: 0 };

// Milliseconds between two questions, and until what is shown is marked as old.
const pace = { good: 1000, bad: 2000, stale: 3500 };

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = visible(String(text));
  return made;
}

// Control and direction characters would let a name look like another.
function visible(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
}

// Whether `value` differs from the last one under `name`: what is the same is not drawn again, so that
// a selection stays and screen readers are silent.
const drawn = {};
function isNews(name, value) {
  const text = JSON.stringify(value);
  if (drawn[name] === text) return false;
  drawn[name] = text;
  return true;
}

function write(id, text, className) {
  if (!isNews("#" + id, [text, className])) return;
  byId(id).textContent = visible(text);
  if (className !== undefined) byId(id).className = className;
}

const label = (latch) => (latch.namespace ? latch.namespace + "/" : "") + latch.name;
const number = (value) => (value === undefined || value === null ? "–" : value.toLocaleString("en"));

function duration(ms) {
  if (ms === undefined || ms === null) return "–";
  if (ms < 1000) return (ms < 10 && ms % 1 ? ms.toFixed(1) : Math.round(ms)) + " ms";
  if (ms < 60000) return (ms / 1000).toFixed(1) + " s";
  if (ms < 3600000) return Math.floor(ms / 60000) + " min";
  if (ms < 172800000) return Math.floor(ms / 3600000) + " h";
  return Math.floor(ms / 86400000) + " days";
}

function bytes(count) {
  if (count === undefined || count === null) return "–";
  return count < 1048576 ? Math.round(count / 1024) + " KiB" : Math.round(count / 1048576) + " MiB";
}

function clock(time) {
  if (!time) return "–";
  const date = new Date(time);
  const two = (part) => String(part).padStart(2, "0");
  const day = date.toDateString() === new Date().toDateString() ? ""
    : two(date.getMonth() + 1) + "-" + two(date.getDate()) + " ";
  return day + date.toTimeString().slice(0, 8);
}

// What the node answered instead of what was asked for.
class Refusal extends Error {}

async function get(path) {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (!response.ok) throw new Refusal((await response.text()).trim() || "status " + response.status);
  return response.json();
}

// How a member stands, as the node of this page sees it.
function standing(member, me) {
  const node = member.node;
  if (node) return { word: node.role || "not answering", tone: node.healthy ? "good" : "bad" };
  const seen = me.peers.find((peer) => peer.id === member.id);
  if (!seen || !seen.connected) return { word: "not reached", tone: "bad" };
  return { word: me.leader === member.id ? "leader" : "linked", tone: "warn" };
}

function card(member, overview) {
  const node = member.node;
  const own = element("article", "card" + (node && node.role === "leader" ? " leads" : ""));
  const bar = element("div", "bar");
  const title = element("h2", "", "Node " + member.id + (member.isSelf ? " (this one)" : ""));
  const me = overview.members.find((other) => other.isSelf).node;
  const { word, tone } = standing(member, me);
  bar.append(title, element("span", "pill " + tone, word));
  own.append(bar);
  const list = element("dl");
  const add = (name, value) => list.append(element("dt", "", name), element("dd", "", value));
  const leader = overview.members.map((other) => other.node).find((other) => other && other.role === "leader");
  const behind = leader && leader.peers.find((peer) => peer.id === member.id);
  if (node && node.role) {
    add("term", number(node.term));
    add("applied", number(node.appliedIndex) + " of " + number(node.lastLogIndex));
    if (behind) add("behind the leader", number(behind.lagEntries) + " entries");
    add("disk write p50 / p99", "≤ " + duration(node.diskMedianMs) + " / ≤ " + duration(node.diskP99Ms));
    add("sessions, calls", number(node.sessions) + ", " + number(node.pendingCalls));
    add("memory", bytes(node.residentBytes));
    add("up", duration(node.uptimeMs));
  } else if (behind) {
    // A new leader has not heard how far it is.
    add("behind the leader", "at most " + number(behind.lagEntries) + " entries");
    add("last heard", duration(behind.lastHeardMs) + " ago");
  }
  add("clients", member.clientAddress);
  own.append(list);
  if (node) for (const check of node.checks) {
    if (!check.passes) own.append(element("p", "why", check.name + ": " + check.reason));
  }
  if (member.page && !member.isSelf) {
    const link = element("a", "", "its page");
    link.href = member.page;
    own.append(link);
  }
  return own;
}

function showOverview(overview) {
  const me = overview.members.find((member) => member.isSelf).node;
  state.overview = overview;
  state.answeredAt = performance.now();
  write("cluster", overview.cluster);
  document.title = visible(overview.cluster) + " – latchd";
  write("version", "latchd " + overview.version + ", node " + overview.me);
  const lost = me.checks.some((check) => check.name === "quorum" && !check.passes);
  write("verdict", me.healthy ? "ready" : me.role && lost ? "no quorum" : "not ready", "pill " + (me.healthy ? "good" : "bad"));
  write("source", me.leader ? "node " + me.leader + " leads in term " + me.term
    : "nobody leads: what is shown may be " + (me.leaderAgeMs == null ? "old" : duration(me.leaderAgeMs) + " old"));
  const ill = overview.members.filter((member) => !member.isSelf && standing(member, me).tone === "bad");
  write("others", ill.map((member) => "node " + member.id + (member.node ? " is not ready" : " is not reached")).join(", "));
  byId("members").replaceChildren(...overview.members.map((member) => card(member, overview)));
  write("latch-count", me.latches === undefined ? "" : number(me.latches));
  showEvents(overview.events);
}

// What the page shows while its node does not answer stays, and says how old it is.
function showProblem(error) {
  write("verdict", "no answer", "pill bad");
  write("source", error instanceof Refusal ? error.message : state.overview
    ? "node " + state.overview.me + ", which serves this page, does not answer" : "the node does not answer");
  write("others", "");
}

function showAge() {
  const age = performance.now() - state.answeredAt;
  const isStale = state.overview !== null && age > pace.stale;
  document.body.classList.toggle("stale", isStale);
  write("age", !state.overview ? "" : "as of " + clock(state.overview.time) + (isStale ? ", " + duration(age) + " ago" : ""));
}

function showEvents(events) {
  // The node works the times out anew each time, a millisecond apart.
  const told = events.map((event) => ({ ...event, time: Math.round(event.time / 1000) }));
  if (!isNews("events", [state.kind, told])) return;
  const shown = events.filter((event) => !state.kind || event.kind === state.kind);
  byId("events").replaceChildren(...shown.map((event) => {
    const line = element("li");
    const time = element("time", "", clock(event.time));
    if (event.time) time.title = new Date(event.time).toISOString();
    const text = element("span");
    if (event.kind === "latch") {
      text.append(element("span", "name", label(event)), " ", element("span", "", event.participant), " ");
      let rest = event.text;
      if (event.gapMs) rest += ", " + duration(event.gapMs) + " earlier";
      text.append(element("span", event.cause === "expired" ? "warn" : "dim", rest));
    } else {
      text.append(element("span", /nobody|down/.test(event.text) ? "bad" : "", event.text));
    }
    line.append(time, element("span", "dim", event.kind), text);
    return line;
  }));
  if (!shown.length) byId("events").append(element("li", "nothing", "nothing yet"));
}

function showLatches(page) {
  state.next = page.next || null;
  const search = byId("search").value;
  byId("next").disabled = !state.next;
  byId("previous").disabled = !state.after.length;
  if (!isNews("latches", [search, page])) return;
  const head = element("div", "row head");
  head.append(element("span", "", "latch"), element("span", "", "held by"), element("span", "", "waiting"), element("span", "", "token"));
  const rows = page.latches.map((latch) => {
    const row = element("button", "row");
    row.type = "button";
    row.latch = label(latch);
    const waiting = latch.waitingCount ? latch.waitingCount + ": " + latch.waiting.join(", ") : "nobody waits";
    row.append(element("span", "name", label(latch)),
      element("span", latch.holder == null ? "dim" : "", latch.holder == null ? "nobody" : latch.holder),
      element("span", "dim", waiting), element("span", "token", latch.holder == null ? "–" : latch.token));
    row.addEventListener("click", () => open({ namespace: latch.namespace, name: latch.name }));
    return row;
  });
  const nothing = page.next ? "none so far: go on with More"
    : search ? "no latch has “" + search + "” in its name or holder" : "no latches";
  const rest = page.latches.length ? [] : [element("p", "nothing", nothing)];
  const focused = document.activeElement.latch;
  byId("latches").replaceChildren(head, ...rows, ...rest);
  rows.find((row) => row.latch === focused)?.focus();
}

function showDetail({ ageMs, ...latch }) {
  if (!isNews("detail", latch)) return;
  write("detail-title", label(latch));
  const parts = [];
  if (!latch.exists) parts.push(element("p", "nothing", "this latch does not exist (any more)"));
  if (latch.value) parts.push(element("p", "nothing", "says: " + latch.value));
  if (latch.participants.length > 1) {
    parts.push(element("p", "nothing", "in line: " + latch.participants.slice(1).join(", ")));
  }
  if (latch.terms.length) {
    const head = element("div", "row wrap head");
    head.append(...["holder", "held", "how it ended", "token"].map((text) => element("span", "", text)));
    parts.push(head);
  }
  for (const term of latch.terms) {
    const row = element("div", "row wrap");
    const spent = term.ended ? clock(term.began.time) + " to " + clock(term.ended.time) : "since " + clock(term.began.time);
    let why = term.ended ? "ended: " + term.ended.cause.replace("_", " ") : "holds";
    if (term.gapMs) why += ", gap before " + duration(term.gapMs);
    if (term.overlapBoundMs) why += ", overlap up to " + duration(term.overlapBoundMs);
    row.append(element("span", "name", term.holder), element("span", "", spent),
      element("span", term.ended && term.ended.cause === "expired" ? "warn" : "dim", why),
      element("span", "token", term.token));
    parts.push(row);
  }
  byId("terms").replaceChildren(...parts);
}

function open(latch) {
  state.latch = latch;
  byId("detail").hidden = false;
  refreshDetail().then(() => byId("detail").scrollIntoView({ block: "nearest" }));
}

const detailPath = () => state.latch && "api/latch?" + new URLSearchParams(state.latch);

function latchesPath() {
  const query = new URLSearchParams({ q: byId("search").value, limit: 25 });
  if (state.after.length) query.set("after", state.after.at(-1));
  return "api/latches?" + query;
}

// Shows the answer to `path()`, unless something else is wanted by then. The next round asks again what
// fails.
async function refresh(path, show) {
  const asked = path();
  const answer = asked && await get(asked).catch(() => null);
  if (answer && path() === asked) show(answer);
}

const refreshDetail = () => refresh(detailPath, showDetail);
const refreshLatches = () => refresh(latchesPath, showLatches);

async function round(count) {
  let wait = pace.good;
  try {
    if (document.hidden) return;
    const overview = await get("api/overview").catch((error) => { showProblem(error); wait = pace.bad; });
    if (!overview) return;
    showOverview(overview);
    if (count % 2 === 0) await Promise.all([refreshLatches(), refreshDetail()]);
  } finally {
    showAge();
    setTimeout(round, wait, count + 1);
  }
}

let typing;
byId("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { state.after = []; refreshLatches(); }, 250);
});
byId("next").addEventListener("click", () => { if (state.next) { state.after.push(state.next); refreshLatches(); } });
byId("previous").addEventListener("click", () => { state.after.pop(); refreshLatches(); });
byId("close").addEventListener("click", () => { state.latch = null; byId("detail").hidden = true; });
byId("kind").addEventListener("change", () => { state.kind = byId("kind").value; if (state.overview) showEvents(state.overview.events); });
setInterval(showAge, 1000);
round(0);
