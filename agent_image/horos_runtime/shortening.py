"""Texts cut in their middle, so that beginning, end and what is missing can be seen; pure."""

from collections.abc import Sequence
from typing import Final

import orjson

from horos_runtime.records import ToolCall
from horos_runtime.token_estimates import OVERHEAD_TOKENS, TOKENS_PER_BYTE, ChatMessage, message_tokens

TRIMMED_BYTES: Final = 1000
"""What is left of an old result of a tool, and of the arguments of an old call."""
_ARGUMENT_BYTES: Final = 200
_NOTICE_BYTES: Final = 64
_HEAD: Final = 2 / 3


def shorten(text: str, most: int) -> str:
    """Cut a text to `most` bytes of UTF-8: its head and its tail, and between them how much is missing."""
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    kept = most - _NOTICE_BYTES
    if kept < _NOTICE_BYTES:
        return encoded[:most].decode(errors="ignore")
    head = encoded[: int(kept * _HEAD)].decode(errors="ignore")
    tail = encoded[len(encoded) - (kept - int(kept * _HEAD)) :].decode(errors="ignore")
    return f"{head}\n[… {len(encoded) - kept} of {len(encoded)} bytes are not shown …]\n{tail}"


def trimmed(message: ChatMessage) -> ChatMessage:
    """Show a tool's result, or the arguments of calls, in part when they are long."""
    if message["role"] == "tool":
        return {**message, "content": shorten(message["content"], TRIMMED_BYTES)}
    if calls := message.get("tool_calls"):
        return {**message, "tool_calls": [_with_short_arguments(call) for call in calls]}
    return message


def squeeze(messages: Sequence[ChatMessage], room: int) -> list[ChatMessage]:
    """Shorten the longest messages until all fit into `room` tokens; nothing is left out."""
    costs = [message_tokens(message) for message in messages]
    if sum(costs) <= room:
        return list(messages)
    most = _water_level(costs, room)
    return [
        message if cost <= most else _within(message, most)
        for message, cost in zip(messages, costs, strict=True)
    ]


def _water_level(costs: Sequence[int], room: int) -> int:
    """Find the highest bound for a message with which all together fit."""
    left, shorter = room, sorted(costs)
    for index, cost in enumerate(shorter):
        level = left // (len(shorter) - index)
        if cost > level:
            return max(0, level)
        left -= cost
    return shorter[-1]


def _within(message: ChatMessage, tokens: int) -> ChatMessage:
    if "tool_calls" in message:
        rest = message_tokens({**message, "content": ""})
        if rest > tokens:
            calls = [_with_arguments(call, "{}") for call in message["tool_calls"]]
            message = {**message, "tool_calls": calls}
            rest = message_tokens({**message, "content": ""})
    else:
        rest = OVERHEAD_TOKENS
    return {**message, "content": shorten(message["content"], max(0, int((tokens - rest) / TOKENS_PER_BYTE)))}


def _with_short_arguments(call: ToolCall) -> ToolCall:
    text = call["function"]["arguments"]
    if len(text.encode()) <= TRIMMED_BYTES:
        return call
    arguments = orjson.loads(text)
    for name, value in arguments.items():
        if isinstance(value, str):
            arguments[name] = shorten(value, _ARGUMENT_BYTES)
    short = orjson.dumps(arguments)
    if len(short) > TRIMMED_BYTES:
        short = orjson.dumps({"not shown": f"{len(text.encode())} bytes"})
    return _with_arguments(call, short.decode())


def _with_arguments(call: ToolCall, arguments: str) -> ToolCall:
    return {**call, "function": {**call["function"], "arguments": arguments}}
