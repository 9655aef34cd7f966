"""An agent's work with the official SDK's client from PyPI. Says what it saw, a line of JSON each; goes on, where it is held, when it
reads a line."""

import asyncio
import json
import sys

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult

url, authorization, mode = sys.argv[1:]


def say(what, **value):
    print(json.dumps({"what": what, **value}), flush=True)


async def refused(what, call):
    try:
        say(what, passed=str(await call))
    except MCPError as error:
        say(what, code=error.code, message=error.message, data=error.data)


async def sure(_context, _asked):
    return ElicitResult(action="accept", content={"sure": True})


def text(result):
    return " ".join(part.text for part in result.content)


async def main():
    async with httpx2.AsyncClient(headers={"authorization": authorization}, timeout=60) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode, elicitation_callback=sure) as client:
            say("tools", version=client.protocol_version, names=[tool.name for tool in (await client.list_tools()).tools])
            say("sum", text=text(await client.call_tool("add", {"a": 1, "b": 2})))
            await refused("held", client.call_tool("add", {"a": 5000, "b": 1}))
            await asyncio.to_thread(sys.stdin.readline)
            say("approved", text=text(await client.call_tool("add", {"a": 5000, "b": 1})))
            await refused("denied", client.call_tool("wipe", {}))
            say("card", **(await client.call_tool("card", {"of": "ana"})).structured_content)
            seen = []

            async def progress(done, _total, _message):
                seen.append(done)

            await client.call_tool("steps", {"count": 3}, progress_callback=progress)
            say("progress", steps=seen)
            say("elicited", text=text(await client.call_tool("send", {"to": "ben"})))
            say("deployed", text=text(await client.call_tool("deploy", {"region": "eu"})))
            await refused("elsewhere", client.call_tool("deploy", {"region": "us"}))
            say("read", text=(await client.read_resource("file:///srv/a.txt")).contents[0].text)
            await refused("unread", client.read_resource("file:///srv/key.pem"))
            say("prompt", text=(await client.get_prompt("greet", {"name": "ana"})).messages[0].content.text)
    say("end")


asyncio.run(main())
