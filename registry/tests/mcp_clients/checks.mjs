// What both TypeScript SDKs must find, whichever revision they speak.
import assert from "node:assert/strict";

export async function checks(client, prefix) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), [
    "agent_heartbeat",
    "list_available_agents",
    "get_capability_providers",
    "get_agent_health_status",
    "get_registry_metrics",
    "export_prometheus_metrics",
  ]);
  assert.deepEqual(client.getServerCapabilities(), { tools: {} });
  assert.equal(client.getServerVersion().name, "wallflower");

  // The SDKs check what is structured against the output schemas, and throw.
  const call = async (name, args) => {
    const result = await client.callTool({ name, arguments: args });
    assert.ok(!result.isError, JSON.stringify(result));
    assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
    return result.structuredContent;
  };
  const agent_id = `${prefix}-1`;
  const beat = await call("agent_heartbeat", {
    agent_id,
    endpoint: "http://127.0.0.1:9/mcp",
    capabilities: [{ name: `${prefix}.find`, version: "2.0.1", tags: ["a", "b"] }],
    dependencies: [{ capability: "nobody.has.it" }],
  });
  assert.equal(beat.result, "registered");
  assert.equal(beat.wiring[0].total, 0);
  assert.equal((await call("agent_heartbeat", { agent_id, status: "degraded" })).result, "updated");
  const found = await call("get_capability_providers", { capability: `${prefix}.find` });
  assert.deepEqual(found.agents.map((agent) => [agent.agent_id, agent.status]), [[agent_id, "degraded"]]);
  const listed = await call("list_available_agents", { status: ["degraded"], limit: 10 });
  assert.ok(listed.agents.some((agent) => agent.agent_id === agent_id));
  assert.equal((await call("get_agent_health_status", { agent_id })).reason, "reported");
  assert.ok((await call("get_registry_metrics", {})).uptime_ms > 0);
  assert.match((await call("export_prometheus_metrics", {})).text, /registry_agents/);

  const refused = await client.callTool({ name: "agent_heartbeat", arguments: { agent_id: "no spaces" } });
  assert.equal(refused.isError, true);
  assert.equal(JSON.parse(refused.content[0].text).errors[0].pointer, "/agent_id");
  await assert.rejects(client.callTool({ name: "no_such_tool", arguments: {} }), /Unknown tool/);
}
