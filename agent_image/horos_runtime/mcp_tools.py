"""Tools of a server as the model calls them, those of its own and ours for its resources and prompts."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import orjson
from mcp_types import Prompt, Resource, ResourceTemplate
from mcp_types import Tool as ServerTool

from horos_runtime.mcp_calls import Calls
from horos_runtime.mcp_catalogue import GET_PROMPT, LIST_PROMPTS, LIST_RESOURCES, READ_RESOURCE, pages
from horos_runtime.mcp_connection import ServerConnection
from horos_runtime.mcp_content import prompt_text, resource_text
from horos_runtime.tool_arguments import Arguments, RawSchema
from horos_runtime.tool_context import ToolContext
from horos_runtime.tools import Approval, Run, Tool
from mcp import Client

LIST_PAGES: Final = 20
DESCRIPTION_CHARACTERS: Final = 8000
_TEXT: Final = {"type": "string"}


def tools_of(connection: ServerConnection) -> Iterator[Tool]:
    """Make what a server offers at this moment."""
    calls = Calls(connection)
    extras = {
        LIST_RESOURCES: partial(_list_resources, calls),
        READ_RESOURCE: partial(_read_resource, calls),
        LIST_PROMPTS: partial(_list_prompts, calls),
        GET_PROMPT: partial(_get_prompt, calls),
    }
    for name, own in connection.offered.offered.items():
        listed = connection.listing.tools.get(own)
        yield _own(connection, calls, name, listed) if listed else _extra(connection, name, own, extras[own])


def _own(connection: ServerConnection, calls: Calls, name: str, listed: ServerTool) -> Tool:
    hints = listed.annotations
    reads = bool(hints and hints.read_only_hint)
    repeatable = reads or bool(hints and hints.idempotent_hint)

    async def run(arguments: Arguments, context: ToolContext) -> str:
        assert isinstance(arguments, dict)
        return await calls.tool(listed.name, arguments, context, repeatable=repeatable)

    return Tool(
        name=name,
        description=(listed.description or listed.title or "")[:DESCRIPTION_CHARACTERS],
        arguments=RawSchema(listed.input_schema),
        run=run,
        idempotent=repeatable,
        timeout_seconds=connection.server.timeout_seconds,
        parallel=reads,
        origin=f"server {connection.server.name}",
        approval=_approval(connection, listed.name),
    )


def _extra(connection: ServerConnection, name: str, own: str, run: Run) -> Tool:
    described, schema = _EXTRAS[own]
    return Tool(
        name=name,
        description=described.format(server=connection.server.name),
        arguments=RawSchema(schema),
        run=run,
        idempotent=True,
        timeout_seconds=connection.server.timeout_seconds,
        parallel=True,
        origin=f"server {connection.server.name}",
        approval=_approval(connection, own),
    )


def _approval(connection: ServerConnection, own: str) -> Approval | None:
    server = connection.server
    return Approval(server.approval_timeout_seconds) if server.needs_approval(own) else None


def _schema(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_EXTRAS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    LIST_RESOURCES: (
        "List the resources of the server {server}: what can be read there with read_resource.",
        _schema([]),
    ),
    READ_RESOURCE: (
        "Read a resource of the server {server}.",
        _schema(["uri"], uri={**_TEXT, "description": "As list_resources or a result says it."}),
    ),
    LIST_PROMPTS: (
        "List the prompts of the server {server}: prepared instructions, to be had with get_prompt.",
        _schema([]),
    ),
    GET_PROMPT: (
        "Get a prompt of the server {server}, filled in.",
        _schema(
            ["name"],
            name={**_TEXT, "description": "As list_prompts says it."},
            arguments={
                "type": "object",
                "description": "Texts, as list_prompts says them.",
                "additionalProperties": _TEXT,
            },
        ),
    ),
}


async def _list_resources(calls: Calls, _: Arguments, __: ToolContext) -> str:
    async def send(client: Client) -> str:
        listed, complete = await pages(lambda at: client.list_resources(cursor=at), LIST_PAGES)
        shaped, _ = await pages(lambda at: client.list_resource_templates(cursor=at), LIST_PAGES)
        lines = [_resource_line(each) for page in listed for each in page.resources]
        lines += [_template_line(each) for page in shaped for each in page.resource_templates]
        more = [] if complete else ["[there are more]"]
        return "\n".join([*lines, *more]) or "there are no resources"

    return await calls.request(LIST_RESOURCES, send)


async def _read_resource(calls: Calls, arguments: Arguments, _: ToolContext) -> str:
    assert isinstance(arguments, dict)
    uri: str = arguments["uri"]

    async def send(client: Client) -> str:
        return resource_text(await client.read_resource(uri))

    return await calls.request(READ_RESOURCE, send)


async def _list_prompts(calls: Calls, _: Arguments, __: ToolContext) -> str:
    async def send(client: Client) -> str:
        listed, complete = await pages(lambda at: client.list_prompts(cursor=at), LIST_PAGES)
        lines = [_prompt_line(each) for page in listed for each in page.prompts]
        return "\n".join([*lines, *([] if complete else ["[there are more]"])]) or "there are no prompts"

    return await calls.request(LIST_PROMPTS, send)


async def _get_prompt(calls: Calls, arguments: Arguments, _: ToolContext) -> str:
    assert isinstance(arguments, dict)
    given = {
        key: value if isinstance(value, str) else orjson.dumps(value).decode()
        for key, value in arguments.get("arguments", {}).items()
    }

    async def send(client: Client) -> str:
        return prompt_text(await client.get_prompt(arguments["name"], given))

    return await calls.request(GET_PROMPT, send)


def _resource_line(each: Resource) -> str:
    return _line(each.uri, each.name, each.mime_type, each.description)


def _template_line(each: ResourceTemplate) -> str:
    return _line(each.uri_template, each.name, each.mime_type, each.description)


def _prompt_line(each: Prompt) -> str:
    wanted = ", ".join(f"{a.name}{'' if a.required else '?'}" for a in each.arguments or ())
    return _line(f"{each.name}({wanted})", each.title or "", None, each.description)


def _line(what: str, name: str, kind: str | None, about: str | None) -> str:
    facts = ", ".join(fact for fact in (name, kind) if fact)
    return f"{what}{f' ({facts})' if facts else ''}{f': {about}' if about else ''}"
