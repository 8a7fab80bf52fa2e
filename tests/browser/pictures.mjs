// The README's pictures: report.png and page.png, of a run and a registry of the program itself.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { launch, open, picture } from "./browser.mjs";
import { beat, serve } from "./registry.mjs";

const [root, out] = [process.env.ROOT ?? ".", "target/browser/strict-pause"];
const run = spawnSync(process.env.WALLFLOWER ?? "wallflower", ["loadtest", "tests/browser/strict-pause.toml", "--out", out, "--quiet"], { cwd: root, encoding: "utf8" });
// The registry must have failed, not the harness: a picture of an INVALID run would show what a reader rarely sees.
if (run.status !== 1) throw new Error(`the run ended with ${run.status}, and should have failed; let the machine come to rest\n${run.stdout}${run.stderr}`);

const browser = await launch();
const failed = await open(browser, pathToFileURL(join(root, out, "report.html")).href, { width: 1000, height: 1090 });
await picture(failed.page, "report");

const registry = await serve(() => ["--policy", "default=5s,60s,90s,120s", "--policy", "worker=200ms,700ms,60s,90s"]);
const agents = [
  { agent_id: "geo-1", endpoint: "http://10.0.0.3:9000/mcp", capabilities: [{ name: "geo.lookup", version: "1.4.0" }] },
  { agent_id: "geo-2", endpoint: "http://10.0.0.4:9000/mcp", capabilities: [{ name: "geo.lookup", version: "2.0.0" }] },
  { agent_id: "ocr-1", agent_type: "worker", capabilities: [{ name: "ocr.page", version: "0.9.2" }] },
  { agent_id: "planner-1", agent_type: "planner", capabilities: [{ name: "plan.trip", version: "3.1.0" }],
    dependencies: [{ capability: "geo.lookup", version: ">=1.2, <2" }, { capability: "weather.now" }] },
  { agent_id: "clerk-1", agent_type: "planner", dependencies: [{ capability: "ocr.page" }, { capability: "plan.trip", version: "^3" }] },
];
for (const agent of agents) await beat(registry.url, agent);
const shown = await open(browser, `${registry.url}/`, { width: 1000, height: 1010 });
await shown.page.locator("#agents .degraded").waitFor();
await shown.page.locator("#degraded", { hasText: "1" }).waitFor();
await shown.page.locator("#wiring svg").waitFor();
await picture(shown.page, "page");
await browser.close();
await registry.stop();
