// The TypeScript SDK, first line. Usage: typescript_v1.mjs URL
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { checks } from "./checks.mjs";

const client = new Client({ name: "check", version: "1" }, { capabilities: { sampling: {}, roots: {}, elicitation: {} } });
const transport = new StreamableHTTPClientTransport(new URL(process.argv[2]));
await client.connect(transport);
if (transport.sessionId !== undefined) throw new Error(`a session: ${transport.sessionId}`);
await checks(client, "ts1");
await client.close();
console.log("typescript sdk v1: ok");
