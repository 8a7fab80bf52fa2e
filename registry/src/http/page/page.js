// Keeps the page current by asking: the registry sends nothing by itself. Whatever it answers is shown as text, never as
// markup, since agents choose their words.
"use strict";

const EVERY_MS = 2000;
const MOST_SHOWN = 200;
const AGENTS = `agents?status=healthy&status=degraded&status=expired&limit=${MOST_SHOWN}`;

const tags = new Map();
const at = (id) => document.getElementById(id);

// What a view says, or null when it says the same as before. The tag is sent by hand, so that the answer 304 is seen.
async function ask(view) {
  const headers = tags.has(view) ? { "If-None-Match": tags.get(view) } : {};
  const answer = await fetch(view, { headers, cache: "no-store" });
  if (answer.status === 304) return null;
  if (!answer.ok) throw new Error(`${view} answered ${answer.status}`);
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

function row(cells) {
  const made = document.createElement("tr");
  made.append(...cells);
  return made;
}

function duration(ms) {
  const units = [["d", 86400000], ["h", 3600000], ["min", 60000], ["s", 1000], ["ms", 1]];
  const [unit, size] = units.find(([, size]) => ms >= size) ?? ["ms", 1];
  return `${Math.round((ms / size) * 10) / 10} ${unit}`;
}

function showHealth(health) {
  for (const [status, count] of Object.entries(health.agents)) at(status).textContent = count.toLocaleString("en");
  const facts = [
    ["Status", health.status],
    ["Seal", health.passivity],
    ["Version", health.version],
    ["Up for", duration(health.uptime_ms)],
    ["Revision", health.revision],
    ["Store", health.store_id],
  ];
  at("health").replaceChildren(...facts.flatMap(([name, fact]) => [element("dt", name), element("dd", fact)]));
}

function showPolicies(answer) {
  const rows = Object.entries(answer.policies).map(([type, policy]) => row([
    element("td", type),
    element("td", duration(policy.heartbeat_interval_ms)),
    element("td", duration(policy.degraded_after_ms)),
    element("td", duration(policy.expires_after_ms)),
    element("td", duration(policy.evict_after_ms)),
  ]));
  at("policies").replaceChildren(...rows);
}

function showAgents(list) {
  const rows = list.agents.map((agent) => row([
    element("td", agent.agent_id),
    element("td", agent.agent_type),
    element("td", agent.reason === "reported" ? agent.status : `${agent.status} (${agent.reason})`, agent.status),
    element("td", agent.capabilities.map(({ name, version }) => `${name} ${version}`).join(", ")),
    element("td", agent.endpoint ?? "–"),
    element("td", agent.registered_at),
  ]));
  at("agents").replaceChildren(...rows);
  const more = list.next_cursor === null ? "" : `The first ${MOST_SHOWN}; the view has the rest. `;
  at("shown").textContent = rows.length === 0 ? "None yet." : `${more}Revision ${list.revision}.`;
}

async function look() {
  try {
    const [health, agents, policies] = await Promise.all([ask("health"), ask(AGENTS), ask("policies")]);
    showHealth(health);
    showPolicies(policies);
    if (agents !== null) showAgents(agents);
    at("state").textContent = `As of ${new Date().toLocaleTimeString("en-GB")}.`;
    at("state").className = "";
  } catch (error) {
    // The agents may be other ones by now: what is shown is no longer known to be true.
    tags.clear();
    at("state").textContent = `The registry does not answer: ${error.message}. What is shown is old.`;
    at("state").className = "failed";
  }
  // A page that nobody sees asks nothing.
  if (document.hidden) document.addEventListener("visibilitychange", look, { once: true });
  else setTimeout(look, EVERY_MS);
}

look();
