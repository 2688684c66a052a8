// The page's only script. Every text from outside goes through `textContent`.
"use strict";

const byId = (id) => document.getElementById(id);
const state = { after: [], next: null, latch: null, kind: "", failures: 0 };

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
  const day = date.toDateString() === new Date().toDateString() ? "" : date.toISOString().slice(5, 10) + " ";
  return day + date.toTimeString().slice(0, 8);
}

async function get(path) {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (!response.ok) throw new Error((await response.text()).trim() || "status " + response.status);
  return response.json();
}

function card(member, overview) {
  const node = member.node;
  const own = element("article", "card" + (node && node.role === "leader" ? " leads" : ""));
  const bar = element("div", "bar");
  const title = element("h2", "", "Node " + member.id + (member.isSelf ? " (this one)" : ""));
  const me = overview.members.find((other) => other.isSelf).node;
  const seen = me && me.peers.find((peer) => peer.id === member.id);
  let role = "not reached";
  if (node) role = node.role || "not answering";
  else if (seen && seen.connected) role = me.leader === member.id ? "leader" : "linked";
  bar.append(title, element("span", "pill " + (node ? (node.healthy ? "good" : "bad") : seen && seen.connected ? "warn" : "bad"), role));
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
  byId("cluster").textContent = visible(overview.cluster);
  document.title = visible(overview.cluster) + " – latchd";
  byId("version").textContent = "latchd " + overview.version + ", node " + overview.me;
  const verdict = byId("verdict");
  verdict.textContent = me.healthy ? "ready" : "not ready";
  verdict.className = "pill " + (me.healthy ? "good" : "bad");
  byId("source").textContent = me.leader ? "node " + me.leader + " leads in term " + me.term
    : "nobody leads: what is shown may be " + (me.leaderAgeMs == null ? "old" : duration(me.leaderAgeMs) + " old");
  byId("members").replaceChildren(...overview.members.map((member) => card(member, overview)));
  byId("latch-count").textContent = me.latches === undefined ? "" : number(me.latches);
  showEvents(overview.events);
}

function showEvents(events) {
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
  const head = element("div", "row head");
  head.append(element("span", "", "latch"), element("span", "", "held by"), element("span", "", "waiting"), element("span", "", "token"));
  const rows = page.latches.map((latch) => {
    const row = element("button", "row");
    row.type = "button";
    const waiting = latch.waitingCount ? latch.waitingCount + ": " + latch.waiting.join(", ") : "nobody waits";
    row.append(element("span", "name", label(latch)),
      element("span", latch.holder == null ? "dim" : "", latch.holder == null ? "nobody" : latch.holder),
      element("span", "dim", waiting), element("span", "token", latch.holder == null ? "–" : latch.token));
    row.addEventListener("click", () => open({ namespace: latch.namespace, name: latch.name }));
    return row;
  });
  const rest = page.latches.length ? [] : [element("p", "nothing", page.next ? "none so far: go on with More" : "no latches")];
  const focused = [...byId("latches").children].indexOf(document.activeElement);
  byId("latches").replaceChildren(head, ...rows, ...rest);
  if (focused >= 0) byId("latches").children[focused]?.focus();
  byId("next").disabled = !state.next;
  byId("previous").disabled = !state.after.length;
}

function showDetail(latch) {
  byId("detail-title").textContent = visible(label(latch));
  const parts = [];
  if (!latch.exists) parts.push(element("p", "nothing", "this latch does not exist (any more)"));
  if (latch.value) parts.push(element("p", "nothing", "says: " + latch.value));
  if (latch.participants.length > 1) {
    parts.push(element("p", "nothing", "in line: " + latch.participants.slice(1).join(", ")));
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

async function refreshDetail() {
  if (!state.latch) return;
  const query = new URLSearchParams(state.latch);
  try { showDetail(await get("api/latch?" + query)); } catch { /* The next round asks again. */ }
}

async function refreshLatches() {
  const query = new URLSearchParams({ q: byId("search").value, limit: 25 });
  if (state.after.length) query.set("after", state.after.at(-1));
  try { showLatches(await get("api/latches?" + query)); } catch { /* The next round asks again. */ }
}

async function refreshOverview() {
  try {
    showOverview(await get("api/overview"));
    state.failures = 0;
  } catch (error) {
    state.failures += 1;
    byId("verdict").textContent = "no answer";
    byId("verdict").className = "pill bad";
    byId("source").textContent = visible(String(error.message || error));
  }
}

async function round(count) {
  if (!document.hidden) {
    await refreshOverview();
    if (count % 2 === 0) await Promise.all([refreshLatches(), refreshDetail()]);
  }
  // A node that does not answer is asked less often.
  setTimeout(round, Math.min(1000 * (1 + state.failures), 10000), count + 1);
}

let typing;
byId("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { state.after = []; refreshLatches(); }, 250);
});
byId("next").addEventListener("click", () => { if (state.next) { state.after.push(state.next); refreshLatches(); } });
byId("previous").addEventListener("click", () => { state.after.pop(); refreshLatches(); });
byId("close").addEventListener("click", () => { state.latch = null; byId("detail").hidden = true; });
byId("kind").addEventListener("change", () => { state.kind = byId("kind").value; refreshOverview(); });
round(0);
