"""An agent that registers, stays listed, and finds another by what it provides."""

import asyncio
import sys

from mcp.client import Client

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/mcp"
BEATS = int(sys.argv[2]) if len(sys.argv) > 2 else 3


async def beat(registry, **heartbeat):
    result = await registry.call_tool("agent_heartbeat", heartbeat)
    if result.is_error:
        # A problem document that says what to mend; `/problems/unknown-agent` means: send a full heartbeat.
        raise SystemExit(result.content[0].text)
    return result.structured_content


async def main():
    async with Client(URL) as registry:
        # The first heartbeat has `capabilities`: it registers the agent and declares all of it.
        await beat(
            registry,
            agent_id="geo-1",
            endpoint="http://127.0.0.1:9000/mcp",
            capabilities=[{"name": "geo.lookup", "version": "1.4.0", "tags": ["fast"]}],
        )
        answer = await beat(
            registry,
            agent_id="planner-1",
            capabilities=[],
            dependencies=[{"capability": "geo.lookup", "version": ">=1.2, <2"}],
        )
        print("planner-1 can call", [one["endpoint"] for one in answer["wiring"][0]["providers"]])

        # Later ones have not: they renew the lease. The answer says how often, and brings the wiring when it changed.
        for _ in range(BEATS):
            await asyncio.sleep(answer["heartbeat_interval_ms"] / 1000)
            answer = await beat(registry, agent_id="geo-1")
            answer = await beat(registry, agent_id="planner-1", wiring_revision=answer["wiring_revision"])

        # Or ask who provides something, at any time.
        found = await registry.call_tool("get_capability_providers", {"capability": "geo.lookup"})
        print("geo.lookup:", [agent["agent_id"] for agent in found.structured_content["agents"]])


asyncio.run(main())
