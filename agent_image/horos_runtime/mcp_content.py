"""What servers answer becomes text that a model reads: content blocks, structured values, resources."""

import json
from collections.abc import Iterable
from typing import assert_never

import orjson
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    GetPromptResult,
    ImageContent,
    ReadResourceResult,
    ResourceLink,
    TextContent,
    TextResourceContents,
)


def result_text(result: CallToolResult) -> str:
    """Write down a call's result; a structured value only where no text says the same."""
    text = "\n".join(map(block_text, result.content))
    if result.structured_content is not None and not _says(result.content, result.structured_content):
        value = _text(result.structured_content)
        text = f"{text}\n{value}" if text else value
    return text or "done"


def _says(content: Iterable[ContentBlock], value: object) -> bool:
    """Whether a text says the structured value already, as servers give it for older clients."""
    # What is no object is wrapped: as `result` by the Python SDK, under names of their own by others.
    meant = [value, *(value.values() if isinstance(value, dict) and len(value) == 1 else ())]
    for block in content:
        if isinstance(block, TextContent) and (block.text in meant or _json(block.text) in meant):
            return True
    return False


def _json(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _text(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a number of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def block_text(block: ContentBlock) -> str:
    """Write down one block; what is no text is described."""
    match block:
        case TextContent():
            return block.text
        case ImageContent():
            return f"[image, {block.mime_type}, {_decoded(block.data)} bytes, not shown]"
        case AudioContent():
            return f"[audio, {block.mime_type}, {_decoded(block.data)} bytes, not played]"
        case ResourceLink():
            about = f": {block.description}" if block.description else ""
            kind = f", {block.mime_type}" if block.mime_type else ""
            return f"[resource {block.uri} ({block.name}{kind}){about}]"
        case EmbeddedResource():
            return _contents_text(block.resource)
        case _:
            assert_never(block)


def resource_text(result: ReadResourceResult) -> str:
    """Write down what a resource holds."""
    return "\n".join(map(_contents_text, result.contents)) or "[the resource is empty]"


def prompt_text(result: GetPromptResult) -> str:
    """Write down the messages of a prompt."""
    about = [result.description] if result.description else []
    return "\n".join([*about, *(f"{each.role}: {block_text(each.content)}" for each in result.messages)])


def _contents_text(contents: TextResourceContents | BlobResourceContents) -> str:
    if isinstance(contents, TextResourceContents):
        return f"[resource {contents.uri}]\n{contents.text}"
    kind = contents.mime_type or "of unknown type"
    return f"[resource {contents.uri}, {kind}, {_decoded(contents.blob)} bytes, not shown]"


def _decoded(base64: str) -> int:
    return len(base64) * 3 // 4 - base64[-2:].count("=")
