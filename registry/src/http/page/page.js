// Keeps the page current by asking, as agents do: tags, deltas, long-polls. The registry sends nothing by itself.
// Whatever it answers is shown as text, never as markup, since agents choose their words.
"use strict";

const EVERY_MS = 2000;
const WAIT_MS = 20000;
const MOST_KEPT = 100000;
const ROWS = 100;
const MOST_NEEDS = 40;
const IN_A_COLUMN = 14;
const STATUSES = "status=healthy&status=degraded&status=expired";
const KEY = "wallflower-token";

const tags = new Map();
const kept = { agents: new Map(), revision: null, store: null, partial: false };
const at = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let first = 0, events = [], after = null, waiting = null;

class Refused extends Error {}

async function call(view, headers = {}) {
  const token = sessionStorage.getItem(KEY);
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(view, { headers, cache: "no-store" });
  if (answer.status === 401) throw new Refused(token ? "This token is not known here." : "");
  if (answer.status === 403) throw new Refused("This token may not read.");
  if (answer.status === 429 || answer.status === 503) await pause(1000 * Math.min(30, Number(answer.headers.get("Retry-After")) || 1));
  return answer;
}

// What a view says, or null when it says the same as before. The tag is sent by hand, so that the answer 304 is seen.
async function ask(view) {
  const answer = await call(view, tags.has(view) ? { "If-None-Match": tags.get(view) } : {});
  if (answer.status === 304) return null;
  if (!answer.ok) throw Object.assign(new Error(`${view} answered ${answer.status}`), { status: answer.status });
  const value = await answer.json();
  const tag = answer.headers.get("ETag");
  if (tag !== null) tags.set(view, tag);
  return value;
}

function element(name, text, style) {
  const made = document.createElement(name);
  made.textContent = text;
  if (style) made.className = style;
  return made;
}

function holding(name, ...parts) {
  const made = document.createElement(name);
  made.append(...parts);
  return made;
}

function link(id) {
  const made = element("a", id);
  made.href = `#agent=${encodeURIComponent(id)}`;
  return made;
}

function duration(ms) {
  const units = [["d", 86400000], ["h", 3600000], ["min", 60000], ["s", 1000], ["ms", 1]];
  const [unit, size] = units.find(([, size]) => ms >= size) ?? ["ms", 1];
  return `${Math.round((ms / size) * 10) / 10} ${unit}`;
}

const count = (number) => number.toLocaleString("en");
const facts = (pairs) => pairs.flatMap(([name, fact]) => [element("dt", name), element("dd", fact)]);
const state = (agent) => (agent.reason === "reported" ? agent.status : `${agent.status} (${agent.reason.replaceAll("_", " ")})`);

// All agents, page by page of one revision; later only what changed.
async function readAll() {
  const agents = new Map();
  let cursor = "", list;
  do {
    list = await (await ok(await call(`agents?${STATUSES}&limit=2000${cursor}`))).json();
    list.agents.forEach((agent) => agents.set(agent.agent_id, agent));
    cursor = `&cursor=${encodeURIComponent(list.next_cursor)}`;
  } while (list.next_cursor !== null && agents.size < MOST_KEPT);
  Object.assign(kept, { agents, revision: list.revision, store: list.store_id, partial: list.next_cursor !== null });
}

async function ok(answer) {
  if (!answer.ok) throw Object.assign(new Error(`the registry answered ${answer.status}`), { status: answer.status });
  return answer;
}

async function readChanges() {
  const delta = await (await ok(await call(`agents?${STATUSES}&since=${kept.revision}&store_id=${kept.store}&wait_ms=${WAIT_MS}`))).json();
  delta.removed.forEach((id) => kept.agents.delete(id));
  delta.changed.forEach((agent) => { if (kept.agents.has(agent.agent_id) || kept.agents.size < MOST_KEPT) kept.agents.set(agent.agent_id, agent); });
  const news = delta.revision !== kept.revision;
  kept.revision = delta.revision;
  return news;
}

function words(agent) {
  return [agent.agent_id, agent.agent_type, agent.endpoint ?? "", ...agent.capabilities.flatMap(({ name, tags }) => [name, ...tags]),
    ...Object.entries(agent.labels).map(([key, value]) => `${key}=${value}`)].join("\n").toLowerCase();
}

function showAgents() {
  const sought = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [status, type] = [at("status").value, at("type").value];
  const passes = (agent) => (!status || agent.status === status) && (!type || agent.agent_type === type) &&
    (sought.length === 0 || sought.every((word) => words(agent).includes(word)));
  const found = [...kept.agents.values()].filter(passes).sort((a, b) => (a.agent_id < b.agent_id ? -1 : 1));
  first = Math.max(0, Math.min(first, Math.floor((found.length - 1) / ROWS) * ROWS));
  const rows = found.slice(first, first + ROWS).map((agent) => holding("tr",
    holding("td", link(agent.agent_id)), element("td", agent.agent_type), element("td", state(agent), agent.status),
    element("td", agent.capabilities.map(({ name, version }) => `${name} ${version}`).join(", ")),
    element("td", agent.endpoint ?? "–"), element("td", agent.registered_at.replace("T", " "))));
  at("agents").replaceChildren(...rows);
  const all = kept.agents.size;
  const range = rows.length === 0 ? "none" : `${count(first + 1)} to ${count(first + rows.length)}`;
  at("shown").textContent = all === 0 ? "None yet." :
    `${range} of ${count(found.length)}${found.length < all ? ` that match, ${count(all)} in all` : ""}${kept.partial ? "; the view has more" : ""}.`;
  at("earlier").disabled = first === 0;
  at("later").disabled = first + ROWS >= found.length;
}

function showTypes() {
  const chosen = at("type").value;
  const types = [...new Set([...kept.agents.values()].map((agent) => agent.agent_type))].sort().slice(0, 200);
  const options = ["", ...types].map((type) => { const made = element("option", type || "any"); made.value = type; return made; });
  at("type").replaceChildren(...options);
  at("type").value = types.includes(chosen) ? chosen : "";
}

function showCapabilities() {
  const offers = new Map();
  for (const agent of kept.agents.values()) {
    if (agent.status === "expired") continue;
    for (const { name, version } of agent.capabilities) {
      if (!offers.has(name)) offers.set(name, { versions: new Set(), providers: new Set() });
      offers.get(name).versions.add(version);
      offers.get(name).providers.add(agent.agent_id);
    }
  }
  const names = [...offers.keys()].sort();
  at("capabilities").replaceChildren(...names.slice(0, ROWS).map((name) => {
    const { versions, providers } = offers.get(name);
    const cell = holding("td", `${count(providers.size)}: `);
    [...providers].slice(0, 5).forEach((id, index) => cell.append(index ? ", " : "", link(id)));
    if (providers.size > 5) cell.append(", …");
    return holding("tr", element("td", name), element("td", [...versions].slice(0, 5).join(", ")), cell);
  }));
  at("more-capabilities").textContent = names.length > ROWS ? `The first ${ROWS} of ${count(names.length)}.` : "";
}

// Each need that somebody has, with those who have it. The registry itself says who meets it.
async function showWiring() {
  const needs = new Map();
  for (const agent of kept.agents.values()) {
    if (agent.status === "expired") continue;
    for (const need of agent.dependencies) {
      const query = new URLSearchParams({ capability: need.capability, version: need.version, limit: IN_A_COLUMN });
      need.tags.forEach((tag) => query.append("tag", tag));
      const key = query.toString();
      if (!needs.has(key)) needs.set(key, { key, name: [need.capability, need.version, ...need.tags].filter((word) => word !== "*").join(" "), askers: [], providers: [] });
      needs.get(key).askers.push(agent.agent_id);
    }
  }
  const all = [...needs.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const some = all.slice(0, MOST_NEEDS);
  for (const need of some) {
    const view = `agents?${need.key}`, news = await ask(view);
    if (news !== null) answers.set(view, news.agents.map((agent) => agent.agent_id));
    need.providers = answers.get(view) ?? [];
    // Nobody is wired to itself.
    need.unmet = need.askers.some((asker) => need.providers.every((id) => id === asker));
  }
  for (const view of [...answers.keys()]) if (!some.some((need) => view === `agents?${need.key}`)) { answers.delete(view); tags.delete(view); }
  some.sort((a, b) => Number(b.unmet) - Number(a.unmet));
  drawWiring(some.slice(0, IN_A_COLUMN));
  const unmet = some.filter((need) => need.unmet).length;
  at("wiring-says").textContent = all.length === 0 ? "Nobody depends on anybody." :
    `${count(all.length)} needs, ${unmet === 0 ? "all met" : `${count(unmet)} unmet`}${all.length > MOST_NEEDS ? ` of the first ${MOST_NEEDS}` : ""}. ` +
    `Left those who depend, right those who provide${some.length > IN_A_COLUMN ? `; ${IN_A_COLUMN} needs are drawn, the unmet first` : ""}.`;
}
const answers = new Map();

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  if (text !== undefined) made.textContent = text;
  return made;
}

const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function drawWiring(needs) {
  if (needs.length === 0) return at("wiring").replaceChildren();
  const column = (lists) => {
    const ids = [...new Set(lists.flat())].sort();
    return ids.length > IN_A_COLUMN ? [...ids.slice(0, IN_A_COLUMN - 1), `and ${count(ids.length - IN_A_COLUMN + 1)} more`] : ids;
  };
  const left = column(needs.map((need) => need.askers)), right = column(needs.map((need) => need.providers));
  const height = 30 * Math.max(left.length, needs.length, right.length);
  const row = (list, index) => height * ((index + 0.5) / list.length);
  const place = (list, id) => { const found = list.indexOf(id); return row(list, found < 0 ? list.length - 1 : found); };
  const unmet = needs.filter((need) => need.unmet).map((need) => need.name);
  const picture = svg("svg", { viewBox: `0 0 900 ${height}`, role: "img", "aria-label": unmet.length ? `Wiring. Unmet: ${unmet.join(", ")}` : "Wiring. Every need is met." });
  const wires = new Set(), nodes = [];
  needs.forEach((need, index) => {
    const y = row(needs, index);
    const lines = [...need.askers.map((id) => [200, place(left, id), 330, y]), ...need.providers.map((id) => [570, y, 700, place(right, id)])];
    lines.forEach(([x1, y1, x2, y2]) => {
      const path = `M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`;
      if (!wires.has(path)) picture.append(svg("path", { d: path, class: need.unmet ? "wire unmet" : "wire" }));
      wires.add(path);
    });
    nodes.push(svg("rect", { x: 330, y: y - 11, width: 240, height: 22, rx: 4, class: need.unmet ? "need unmet" : "need" }),
      svg("text", { x: 450, y: y + 4, "text-anchor": "middle", class: need.unmet ? "unmet" : "" }, short(`${need.name}${need.unmet ? ": unmet" : ""}`, 36)));
  });
  const ends = (list, x, anchor) => list.forEach((id, index) => nodes.push(svg("text", { x, y: row(list, index) + 4, "text-anchor": anchor }, short(id, 28))));
  ends(left, 195, "end");
  ends(right, 705, "start");
  picture.append(...nodes);
  at("wiring").replaceChildren(picture);
}

const told = (event) => holding("li", element("time", event.at), " ", element("strong", event.kind, event.to ?? "expired"), " ",
  link(event.agent_id), event.from && event.to && event.from !== event.to ? ` ${event.from} → ${event.to}` : "", event.reason ? ` (${event.reason})` : "");

// Events are numbered upwards: where the last ones are is found by asking for one behind ever larger numbers.
async function showEvents() {
  const read = async (from, limit) => (await (await ok(await call(`events?after=${from}&limit=${limit}`))).json()).events;
  if (after === null) {
    let low = 0, step = 1024;
    while ((await read(low + step, 1)).length > 0) { low += step; step *= 2; }
    for (; step > 64; step /= 2) if ((await read(low + step, 1)).length > 0) low += step;
    after = Math.max(0, low - 64);
  }
  const news = await read(after, 1000);
  if (news.length === 0 && events.length > 0) return;
  after = news.length > 0 ? news[news.length - 1].number : after;
  events = [...events, ...news].slice(-30);
  at("events").replaceChildren(...(events.length ? events.map(told).reverse() : [element("li", "None yet.")]));
}

const chosen = () => { try { return location.hash.startsWith("#agent=") ? decodeURIComponent(location.hash.slice(7)) : null; } catch { return null; } };

async function showAgent() {
  const id = chosen();
  at("agent").hidden = id === null;
  if (id === null) return;
  const path = encodeURIComponent(id);
  const [one, health] = await Promise.all([call(`agents/${path}`), call(`agents/${path}/health`)]);
  if (id !== chosen()) return;
  at("agent-title").textContent = id;
  if (!one.ok || !health.ok) {
    at("lease").replaceChildren(element("p", "There is no such agent: it was never registered, or it is gone.", "expired"));
    at("facts").replaceChildren();
  } else {
    const [agent, lease] = [await one.json(), await health.json()];
    showLease(lease);
    at("facts").replaceChildren(...facts([
      ["Type", agent.agent_type], ["Endpoint", agent.endpoint ?? "none"], ["Epoch", agent.epoch], ["Registered", agent.registered_at],
      ["Capabilities", agent.capabilities.map(({ name, version }) => `${name} ${version}`).join(", ") || "none"],
      ["Depends on", agent.dependencies.map(({ capability, version }) => `${capability} ${version}`).join(", ") || "nobody"],
      ["Labels", Object.entries(agent.labels).map(([key, value]) => `${key}=${value}`).join(", ") || "none"],
    ]));
  }
  const past = await (await ok(await call(`events?agent_id=${path}&limit=1000`))).json();
  at("agent-events").replaceChildren(...past.events.slice(-30).reverse().map(told));
}

// The lease as a bar from the last heartbeat to the eviction: a third for each status, since their lengths differ widely.
function showLease(lease) {
  const { degraded_after_ms, expires_after_ms, evict_after_ms } = lease.policy;
  const ends = [0, degraded_after_ms, expires_after_ms, evict_after_ms];
  const x = (ms) => 300 * ends.slice(1).reduce((passed, end, index) => passed + Math.min(1, Math.max(0, (ms - ends[index]) / (end - ends[index]))), 0);
  const picture = svg("svg", { viewBox: "0 0 900 44", role: "img", "aria-label": `Silent for ${duration(lease.silence_ms)}` });
  picture.append(svg("rect", { x: 0, y: 4, width: 900, height: 18, class: "lease" }), svg("rect", { x: 0, y: 4, width: x(lease.silence_ms), height: 18, class: `spent ${lease.status}` }));
  [["degraded", degraded_after_ms], ["expired", expires_after_ms], ["gone", evict_after_ms]].forEach(([name, ms]) => picture.append(
    svg("path", { d: `M${x(ms)} 0V26`, class: "wire" }), svg("text", { x: Math.min(x(ms), 896), y: 40, "text-anchor": name === "gone" ? "end" : "middle" }, `${name} ${duration(ms)}`)));
  const left = [["degraded", lease.degraded_in_ms], ["expired", lease.expires_in_ms], ["gone", lease.evicted_in_ms]].find(([, ms]) => ms > 0);
  at("lease").replaceChildren(element("p", `${state(lease)}, silent for ${duration(lease.silence_ms)}${left ? `; ${left[0]} in ${duration(left[1])}` : ""}`, lease.status), picture);
}

function showHealth(health) {
  for (const [status, number] of Object.entries(health.agents)) at(status).textContent = count(number);
  at("health").replaceChildren(...facts([["Status", health.status], ["Seal", health.passivity], ["Version", health.version],
    ["Up for", duration(health.uptime_ms)], ["Revision", health.revision], ["Store", health.store_id]]));
}

function showPolicies(answer) {
  at("policies").replaceChildren(...Object.entries(answer.policies).map(([type, policy]) => holding("tr", element("td", type),
    ...["heartbeat_interval_ms", "degraded_after_ms", "expires_after_ms", "evict_after_ms"].map((name) => element("td", duration(policy[name]))))));
}

function said(text, style = "") {
  at("state").textContent = text;
  at("state").className = style;
}

// A page that nobody sees asks nothing.
const seen = () => new Promise((done) => (document.hidden ? document.addEventListener("visibilitychange", done, { once: true }) : done()));

// Runs a task again and again. What fails is said and tried again; without a right token nothing is asked until there is one.
async function forever(task, every) {
  for (;;) {
    await seen();
    try {
      await task();
      if (!waiting && every > 0) said(`As of ${new Date().toLocaleTimeString("en-GB")}.`);
    } catch (error) {
      if (error instanceof Refused) await token(error.message);
      else said(`The registry does not answer: ${error.message}. What is shown is old.`, "failed");
      // The agents may be other ones by now: nothing that was known before is built on.
      tags.clear();
      kept.revision = null;
      await pause(EVERY_MS);
    }
    await pause(every);
  }
}

function token(why) {
  waiting ??= new Promise((done) => {
    at("login").hidden = false;
    at("views").hidden = true;
    at("refused").textContent = why;
    said("A token is needed.");
    at("login").addEventListener("submit", (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, at("token").value.trim());
      at("token").value = "";
      at("login").hidden = true;
      at("views").hidden = false;
      waiting = null;
      done();
    }, { once: true });
  });
  return waiting;
}

async function followAgents() {
  const news = kept.revision === null ? await readAll().then(() => true) : await readChanges().catch(async (error) => {
    if (error.status !== 410) throw error;
    await readAll();
    return true;
  });
  if (!news) return;
  showTypes();
  showAgents();
  showCapabilities();
  await Promise.all([showWiring(), showEvents()]);
}

async function look() {
  const [health, policies] = await Promise.all([ask("health"), ask("policies")]);
  if (health !== null) showHealth(health);
  if (policies !== null) showPolicies(policies);
}

const filtered = () => { first = 0; showAgents(); };
["search", "status", "type"].forEach((id) => at(id).addEventListener("input", filtered));
at("earlier").addEventListener("click", () => { first -= ROWS; showAgents(); });
at("later").addEventListener("click", () => { first += ROWS; showAgents(); });
addEventListener("hashchange", () => showAgent().then(() => { if (chosen() !== null) at("agent-title").focus(); }).catch(() => {}));
forever(look, EVERY_MS);
forever(followAgents, 300);
forever(showAgent, 1000);
