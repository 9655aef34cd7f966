"""A server of the official SDK from PyPI, on a port of its own, which it says in its first line.

`send` asks its client whether it should: until revision 2025-11-25 by a request of its own, since 2026-07-28 by a result that is
answered by asking again. `deploy` has its region repeated in a field of the request, which servers of that revision insist on.
"""

import socket
from typing import Annotated

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel, Field

server = MCPServer("desk", log_level="CRITICAL")


class Sure(BaseModel):
    sure: bool


async def sure() -> Elicit[Sure]:
    return Elicit("Send it?", Sure)


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def wipe() -> str:
    """Wipes the desk."""
    return "wiped"


@server.tool()
def card(of: str) -> dict[str, str]:
    """A customer's card."""
    return {"of": of, "number": "4111 1111 1111 1111"}


@server.tool()
async def steps(ctx: Context, count: int) -> str:
    """Takes some steps and tells of each."""
    for step in range(count):
        await ctx.report_progress(step + 1, count)
    return "done"


@server.tool()
async def send(to: str, answer: Annotated[Sure, Resolve(sure)]) -> str:
    """Sends a letter, once its client is sure."""
    return f"sent to {to}" if answer.sure else "not sent"


@server.tool()
def deploy(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Deploys somewhere."""
    return f"deployed to {region}"


@server.resource("file:///srv/{name}")
def read(name: str) -> str:
    """A file."""
    return f"the text of {name}"


@server.prompt()
def greet(name: str) -> str:
    """A greeting."""
    return f"Greet {name}."


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
app = server.streamable_http_app(host="0.0.0.0")
uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])
