// A registry of one's own, and agents that call it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

export async function serve(more = () => []) {
  const folder = mkdtempSync(join(tmpdir(), "wallflower-browser-"));
  const child = spawn(process.env.WALLFLOWER ?? "wallflower",
    ["serve", "--listen", "127.0.0.1:0", "--database", `sqlite://${folder}/registry.db`, ...more(folder)], { stdio: ["ignore", "pipe", "ignore"] });
  const url = await new Promise((done, failed) => {
    let said = "";
    child.once("exit", (code) => failed(new Error(`wallflower serve ended with ${code}: ${said}`)));
    child.stdout.on("data", (text) => { said += text; const found = said.match(/listening on (http:\S+)/); if (found) done(found[1]); });
  });
  const stop = () => new Promise((done) => { child.removeAllListeners("exit"); child.once("exit", () => { rmSync(folder, { recursive: true }); done(); }); child.kill(); });
  return { url, stop };
}

export async function beat(url, agent, token) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${url}/heartbeat`, { method: "POST", headers, body: JSON.stringify({ capabilities: [], ...agent }) });
  if (!answer.ok) throw new Error(`${agent.agent_id}: ${answer.status} ${await answer.text()}`);
}

// What stands before a registry that others reach below a path.
export async function below(url, prefix) {
  const server = createServer((asked, answer) => {
    if (!asked.url.startsWith(prefix)) { answer.writeHead(404).end(); return; }
    const { hostname, port } = new URL(url);
    const passed = request({ hostname, port, method: asked.method, path: asked.url.slice(prefix.length - 1), headers: { ...asked.headers, host: `${hostname}:${port}` } },
      (told) => { answer.writeHead(told.statusCode, told.headers); told.pipe(answer); });
    passed.on("error", () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}${prefix}`, stop: () => { server.closeAllConnections(); return new Promise((done) => server.close(done)); } };
}
