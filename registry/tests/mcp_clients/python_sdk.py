"""The Python SDK, by the newest revision and by the one with `initialize`. Usage: python_sdk.py URL auto|legacy"""

import asyncio
import json
import sys
import urllib.request

import jsonschema
import mcp_types
from mcp.client import Client
from mcp.shared.exceptions import MCPError

URL, MODE = sys.argv[1:]
REVISION = {"auto": "2026-07-28", "legacy": "2025-11-25"}[MODE]
TOOLS = [
    "agent_heartbeat",
    "list_available_agents",
    "get_capability_providers",
    "get_agent_health_status",
    "get_registry_metrics",
    "export_prometheus_metrics",
]
unasked = []


async def bait(*arguments):
    """Takes whatever the registry might send unasked."""
    unasked.append(arguments)


async def sampling(context, params):
    unasked.append(params)
    return mcp_types.ErrorData(code=-32603, message="nobody may ask for this")


async def progress(*arguments):
    unasked.append(arguments)


def over_http(path):
    with urllib.request.urlopen(URL.removesuffix("/mcp") + path, timeout=30) as answer:
        return json.load(answer)


async def main():
    client = Client(
        URL,
        mode=MODE,
        message_handler=bait,
        logging_callback=bait,
        sampling_callback=sampling,
        elicitation_callback=sampling,
        list_roots_callback=sampling,
    )
    async with client:
        assert client.protocol_version == REVISION, client.protocol_version
        assert client.server_info.name == "wallflower", client.server_info
        capabilities = client.server_capabilities.model_dump(exclude_none=True)
        assert capabilities == {"tools": {}}, capabilities

        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == TOOLS, tools
        schemas = {}
        for tool in tools:
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)
            jsonschema.Draft202012Validator.check_schema(tool.output_schema)
            schemas[tool.name] = tool.output_schema
            assert tool.annotations.read_only_hint == (tool.name != "agent_heartbeat"), tool
            assert tool.annotations.idempotent_hint and tool.annotations.open_world_hint is False, tool

        async def call(name, **arguments):
            result = await client.call_tool(name, arguments, progress_callback=progress)
            assert not result.is_error, result
            jsonschema.validate(result.structured_content, schemas[name])
            assert json.loads(result.content[0].text) == result.structured_content
            return result.structured_content

        async def refused(name, kind, pointers, **arguments):
            result = await client.call_tool(name, arguments)
            assert result.is_error and result.structured_content is None, result
            problem = json.loads(result.content[0].text)
            assert problem["type"] == f"/problems/{kind}", problem
            assert [error["pointer"] for error in problem.get("errors", [])] == pointers, problem

        provider, asker, name = f"py-{MODE}-provider", f"py-{MODE}-asker", f"py.{MODE}"
        first = await call(
            "agent_heartbeat",
            agent_id=provider,
            endpoint="http://127.0.0.1:9/mcp",
            capabilities=[{"name": name, "version": "1.4.0", "tags": ["fast"], "description": "d"}],
            labels={"zone": "a"},
            metadata={"opaque": [1, {"deep": None}]},
            incarnation=1,
            sequence=1,
        )
        assert first["result"] == "registered", first
        wired = await call(
            "agent_heartbeat",
            agent_id=asker,
            capabilities=[],
            dependencies=[{"capability": name, "version": "^1"}],
        )
        assert [one["agent_id"] for one in wired["wiring"][0]["providers"]] == [provider], wired
        renewed = await call("agent_heartbeat", agent_id=asker, wiring_revision=wired["wiring_revision"])
        assert renewed["result"] == "renewed" and "wiring" not in renewed, renewed

        found = await call("get_capability_providers", capability=name)
        assert [agent["agent_id"] for agent in found["agents"]] == [provider], found
        assert found == over_http(f"/agents?capability={name}"), found
        listed = await call("list_available_agents", label=["zone=a"], status=["healthy"])
        assert listed == over_http("/agents?label=zone%3Da&status=healthy"), listed
        health = await call("get_agent_health_status", agent_id=provider)
        assert health["status"] == "healthy" and health["policy"]["expires_after_ms"] > 0, health
        figures = await call("get_registry_metrics")
        assert figures["counts"]["heartbeats"]["registered"] >= 2, figures
        text = (await call("export_prometheus_metrics"))["text"]
        assert "\nregistry_agents{" in text, text

        await refused("agent_heartbeat", "invalid-heartbeat", ["/agent_id", "/incarnation"], incarnation=-1)
        await refused("agent_heartbeat", "unknown-agent", [], agent_id="py-nobody")
        await refused("get_agent_health_status", "not-found", [], agent_id="py-nobody")
        await refused("list_available_agents", "invalid-query", ["/nonsense"], nonsense="1")
        await refused("get_capability_providers", "invalid-query", ["/capability"])
        try:
            await client.call_tool("no_such_tool", {})
        except MCPError as error:
            assert error.error.code == -32602, error
        else:
            raise AssertionError("an unknown tool was called")
    assert unasked == [], unasked
    print(f"python sdk, {MODE}: ok")


asyncio.run(main())
