// The registry's own page at `/`, beside agents that come, go silent and leave.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fits, launch, open, picture } from "./browser.mjs";
import { beat, below, serve } from "./registry.mjs";

let browser, registry;
before(async () => {
  browser = await launch();
  registry = await serve(() => ["--policy", "default=500ms,60s,90s,120s", "--policy", "fast=200ms,1500ms,3s,60s"]);
  const geo = { agent_id: "geo-1", endpoint: "http://10.0.0.3:9000/mcp", capabilities: [{ name: "geo.lookup", version: "1.4.0", tags: ["fast"] }], labels: { zone: "eu" } };
  await beat(registry.url, geo);
  await beat(registry.url, { agent_id: "planner-1", agent_type: "planner", dependencies: [{ capability: "geo.lookup", version: "^1.2" }, { capability: "weather.now" }] });
});
after(async () => { await browser.close(); await registry.stop(); });

const rows = (page) => page.locator("#agents tr");
const row = (page, id) => rows(page).filter({ has: page.getByRole("link", { name: id, exact: true }) });

test("it follows a change within two seconds, and breaks no rule of its own", async () => {
  const { page, context, faults, requests } = await open(browser, `${registry.url}/`);
  await row(page, "geo-1").waitFor();
  await beat(registry.url, { agent_id: "late-1" });
  await row(page, "late-1").waitFor({ timeout: 2000 });
  await fetch(`${registry.url}/agents/late-1`, { method: "DELETE" });
  await row(page, "late-1").waitFor({ state: "detached", timeout: 2000 });
  await page.locator("#events li", { hasText: "deregistered" }).waitFor({ timeout: 4000 });
  assert.deepEqual(faults, []);
  assert.ok(requests.every((asked) => asked.startsWith(registry.url) || asked.startsWith("data:")), requests.join());
  assert.ok(requests.some((asked) => asked.includes("since=") && asked.includes("wait_ms=")), "it asks for what changed, and waits");
  await context.close();
});

test("an agent degrades and expires before one's eyes, and its lease runs down", async () => {
  const { page, context } = await open(browser, `${registry.url}/#agent=fast-1`);
  await beat(registry.url, { agent_id: "fast-1", agent_type: "fast" });
  await page.locator("#lease .healthy").first().waitFor({ timeout: 5000 });
  await row(page, "fast-1").locator(".degraded").waitFor({ timeout: 5000 });
  await row(page, "fast-1").locator(".expired").waitFor({ timeout: 5000 });
  await page.locator("#lease p.expired", { hasText: "gone in" }).waitFor({ timeout: 5000 });
  const kinds = await page.locator("#agent-events strong").allTextContents();
  assert.deepEqual(kinds, ["expired", "degraded", "registered"]);
  await picture(page, "page-agent");
  await context.close();
});

test("search and filters keep what matches", async () => {
  const { page, context } = await open(browser, `${registry.url}/`);
  await row(page, "geo-1").waitFor();
  await page.getByLabel("Search").fill("zone=eu lookup");
  assert.deepEqual(await rows(page).locator("a").allTextContents(), ["geo-1"]);
  await page.getByLabel("Search").fill("");
  await page.locator("#type").selectOption("planner");
  assert.deepEqual(await rows(page).locator("a").allTextContents(), ["planner-1"]);
  await page.locator("#status").selectOption("degraded");
  assert.equal(await rows(page).count(), 0);
  await context.close();
});

test("the wiring shows who depends on whom, and what nobody meets", async () => {
  const { page, context } = await open(browser, `${registry.url}/`);
  const wiring = page.locator("#wiring svg");
  await wiring.waitFor();
  assert.match(await wiring.getAttribute("aria-label"), /Unmet: weather\.now/);
  assert.equal(await wiring.locator("path.wire:not(.unmet)").count(), 2, "planner-1 to geo.lookup, geo.lookup to geo-1");
  await beat(registry.url, { agent_id: "weather-1", capabilities: [{ name: "weather.now" }] });
  await page.locator("#wiring svg[aria-label*='Every need is met']").waitFor({ timeout: 4000 });
  await context.close();
});

for (const [look, settings] of Object.entries({ light: {}, dark: { dark: true }, phone: { width: 390, height: 844 } })) {
  test(`it fits ${look}`, async () => {
    const { page, context, faults } = await open(browser, `${registry.url}/`, settings);
    await row(page, "geo-1").waitFor();
    await page.locator("#wiring svg").waitFor();
    await fits(page);
    assert.deepEqual(faults, []);
    await picture(page, `page-${look}`, { fullPage: true });
    await context.close();
  });
}

test("it works below a path", async () => {
  const proxy = await below(registry.url, "/tools/registry/");
  const { page, context, faults, requests } = await open(browser, proxy.url);
  await row(page, "geo-1").waitFor();
  assert.deepEqual(faults, []);
  assert.ok(requests.every((asked) => asked.startsWith(proxy.url) || asked.startsWith("data:")), requests.join());
  await context.close();
  await proxy.stop();
});

test("what an agent says is text", async () => {
  await beat(registry.url, { agent_id: "evil-1", endpoint: "http://10.0.0.9/%22%3E", labels: { x: "<img src=x onerror=alert(1)>" },
    capabilities: [{ name: "a", description: "<script>alert(1)</script>" }] });
  const { page, context, faults } = await open(browser, `${registry.url}/#agent=evil-1`);
  await page.locator("#facts", { hasText: "<img src=x onerror=alert(1)>" }).waitFor();
  assert.equal(await page.locator("main img, main script").count(), 0);
  assert.deepEqual(faults, []);
  await context.close();
});

test("ten thousand agents stay smooth", async () => {
  const capabilities = [{ name: "x", version: "1.0.0", tags: [] }];
  const all = Array.from({ length: 10000 }, (_, number) => ({ agent_id: `many-${String(number).padStart(5, "0")}`, agent_type: number % 2 ? "odd" : "even",
    status: "healthy", reason: "reported", epoch: 1, revision: 1, endpoint: null, capabilities, dependencies: [], labels: {}, metadata: {}, registered_at: "2026-01-02T03:04:05Z" }));
  // The list is made up; all else is the registry's.
  const { page, context } = await open(browser, `${registry.url}/`, { before: (page) => page.route(/agents\?/, async (route) => {
    if (route.request().url().includes("since=")) await new Promise((done) => setTimeout(done, 1000));
    const since = { store_id: "s", since: 1, revision: 1, changed: [], removed: [] };
    await route.fulfill({ json: route.request().url().includes("since=") ? since : { store_id: "s", revision: 1, next_cursor: null, agents: all } }).catch(() => {});
  }) });
  await page.getByText("1 to 100 of 10,000").waitFor();
  assert.equal(await rows(page).count(), 100, "only what is looked at is drawn");
  await page.getByRole("button", { name: "Later" }).click();
  await row(page, "many-00100").waitFor();
  await page.getByLabel("Search").fill("many-09999");
  await row(page, "many-09999").waitFor();
  assert.equal(await rows(page).count(), 1);
  await context.close();
});

test("with tokens on it asks for one, and keeps it for the tab only", async () => {
  let secret;
  const closed = await serve((folder) => {
    const file = join(folder, "tokens.toml");
    const made = spawnSync(process.env.WALLFLOWER ?? "wallflower", ["token", "new", "--name", "page", "--scope", "read"], { encoding: "utf8" });
    writeFileSync(file, made.stderr);
    secret = made.stdout.trim();
    return ["--tokens", file];
  });
  const { page, context } = await open(browser, `${closed.url}/`);
  await page.locator("#login").waitFor();
  assert.ok(await page.locator("#views").isHidden());
  await picture(page, "page-token");
  await page.locator("#token").fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByText("This token is not known here.").waitFor();
  await page.locator("#token").fill(secret);
  await page.keyboard.press("Enter");
  await page.getByText("None yet.").first().waitFor();
  assert.ok(await page.locator("#login").isHidden());
  assert.deepEqual(await page.evaluate(() => [localStorage.length, document.cookie, sessionStorage.length]), [0, "", 1]);
  assert.ok(!page.url().includes(secret));
  await context.close();
  await closed.stop();
});
