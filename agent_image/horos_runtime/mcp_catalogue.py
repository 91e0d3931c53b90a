"""What a server offers, as the model may call it: listed page by page, filtered, named."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import orjson
from mcp_types import ListToolsResult, ServerCapabilities
from mcp_types import Tool as ServerTool

from horos_api.tool_servers import ResolvedServer
from horos_runtime.mcp_names import offered_name
from mcp import Client

PAGES: Final = 200
"""How many pages of a list are read; a server that never ends its list must not hold us."""
TOOLS: Final = 2000
"""How many tools of one server are read."""
SCHEMA_BYTES: Final = 64 * 1024
"""How long the description of a tool's arguments may be: all of it goes to the model, in each round."""


@dataclass(frozen=True)
class Listing:
    """The tools of a server by their own names, as it listed them; it vouches for them for `ttl` seconds."""

    tools: dict[str, ServerTool] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    ttl: float | None = None


class _Page(Protocol):
    @property
    def next_cursor(self) -> str | None: ...


PageT = TypeVar("PageT", bound=_Page)


async def pages(fetch: Callable[[str | None], Awaitable[PageT]], most: int) -> tuple[list[PageT], bool]:
    """Read a list page by page, at most so many; says whether that was all of it."""
    read: list[PageT] = []
    cursor: str | None = None
    seen: set[str] = set()
    while len(read) < most:
        page = await fetch(cursor)
        read.append(page)
        cursor = page.next_cursor
        if not cursor:
            return read, True
        if cursor in seen:  # it sends us round in a circle
            return read, False
        seen.add(cursor)
    return read, False


async def listing(client: Client) -> Listing:
    """Ask a server for its tools; raises MCPError."""
    if client.server_capabilities.tools is None:
        return Listing()
    listed = 0

    async def fetch(cursor: str | None) -> ListToolsResult:
        nonlocal listed
        page = await client.list_tools(cursor=cursor)
        listed += len(page.tools)
        return page if listed <= TOOLS else page.model_copy(update={"next_cursor": None})

    read, complete = await pages(fetch, PAGES)
    tools: dict[str, ServerTool] = {}
    problems: list[str] = []
    for each in (tool for page in read for tool in page.tools):
        if each.name in tools:
            problems.append(f"it lists the tool {each.name!r} twice; the first is offered")
        elif len(tools) >= TOOLS:
            complete = False
            break
        else:
            tools[each.name] = each
    if not complete:
        problems.append(f"its list of tools does not end; the first {len(tools)} are offered")
    ttl = min(page.ttl_ms for page in read) / 1000
    return Listing(tools, tuple(problems), ttl or None)


@dataclass(frozen=True)
class Named:
    """What of a server is offered: its own names by those that the model sees, and what is not, and why."""

    offered: dict[str, str]
    hidden: int = 0
    problems: tuple[str, ...] = ()


def named(server: ResolvedServer, listed: Listing, extras: tuple[str, ...]) -> Named:
    """Choose and name what the model may call; `extras` are our own tools for resources and prompts."""
    offered: dict[str, str] = {}
    problems: list[str] = []
    hidden = 0
    for own in (*listed.tools, *(extra for extra in extras if extra not in listed.tools)):
        name = offered_name(server.name, own)
        if not server.allows(own):
            hidden += own in listed.tools
        elif problem := _unfit(listed.tools.get(own)):
            hidden += 1
            problems.append(f"tool {own!r} is not offered: {problem}")
        elif name in offered:
            hidden += 1
            problems.append(f"tool {own!r} is not offered: {offered[name]!r} is already called {name}")
        else:
            offered[name] = own
    return Named(offered, hidden, (*listed.problems, *problems))


def _unfit(tool: ServerTool | None) -> str:
    """Say why a tool cannot be offered: one that model servers refuse would cost the agent all its turns."""
    if tool is None:
        return ""
    schema = tool.input_schema
    if not isinstance(schema.get("properties", {}), dict):
        return "the properties of its arguments are not described as an object"
    try:
        size = len(orjson.dumps(schema))
    except TypeError as error:
        return f"the description of its arguments cannot be passed on: {error}"
    if size > SCHEMA_BYTES:
        return f"the description of its arguments has {size} bytes; expected at most {SCHEMA_BYTES}"
    return ""


LIST_RESOURCES: Final = "list_resources"
READ_RESOURCE: Final = "read_resource"
LIST_PROMPTS: Final = "list_prompts"
GET_PROMPT: Final = "get_prompt"


def extras_of(capabilities: ServerCapabilities) -> tuple[str, ...]:
    """List the tools of ours that fit what a server can do."""
    return tuple(_extras(capabilities))


def _extras(capabilities: ServerCapabilities) -> Iterator[str]:
    if capabilities.resources is not None:
        yield from (LIST_RESOURCES, READ_RESOURCE)
    if capabilities.prompts is not None:
        yield from (LIST_PROMPTS, GET_PROMPT)
