"""fastmcp, which makes types of the output schemas. Usage: fastmcp_client.py URL"""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.exceptions import ToolError


async def main():
    async with Client(sys.argv[1]) as client:
        tools = await client.list_tools()
        assert len(tools) == 6, tools
        beat = await client.call_tool(
            "agent_heartbeat",
            {"agent_id": "fastmcp-1", "capabilities": [{"name": "fast.mcp"}], "labels": {"by": "fastmcp"}},
        )
        assert (beat.data.agent_id, beat.data.result, beat.data.epoch) == ("fastmcp-1", "registered", 1), beat.data
        found = await client.call_tool("get_capability_providers", {"capability": "fast.mcp"})
        assert [agent.agent_id for agent in found.data.agents] == ["fastmcp-1"], found.data
        health = await client.call_tool("get_agent_health_status", {"agent_id": "fastmcp-1"})
        assert health.data.status == "healthy", health.data
        figures = await client.call_tool("get_registry_metrics", {})
        assert figures.data.agents.healthy >= 1, figures.data
        text = await client.call_tool("export_prometheus_metrics", {})
        assert "registry_agents" in text.data.text, text.data
        try:
            await client.call_tool("get_agent_health_status", {"agent_id": "fastmcp-nobody"})
        except ToolError as error:
            assert json.loads(str(error))["status"] == 404, error
        else:
            raise AssertionError("a health of nobody was told")
    print("fastmcp: ok")


asyncio.run(main())
