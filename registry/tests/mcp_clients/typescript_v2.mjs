// The TypeScript SDK, second line. Usage: typescript_v2.mjs URL auto|legacy
import assert from "node:assert/strict";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { checks } from "./checks.mjs";

const [url, mode] = process.argv.slice(2);
const client = new Client(
  { name: "check", version: "1" },
  { capabilities: { sampling: {}, roots: {}, elicitation: {} }, versionNegotiation: { mode } },
);
const transport = new StreamableHTTPClientTransport(new URL(url));
await client.connect(transport);
assert.equal(client.getNegotiatedProtocolVersion(), { auto: "2026-07-28", legacy: "2025-11-25" }[mode]);
assert.equal(transport.sessionId, undefined);
await checks(client, `ts2-${mode}`);
await client.close();
console.log(`typescript sdk v2, ${mode}: ok`);
