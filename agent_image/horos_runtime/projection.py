"""What the model sees: a pure function from records to chat messages that fit its window.

The unit that is dropped is the exchange (a question with all that followed), so that a tool call and its
results never part.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import orjson

from horos_api.messages import MessageKind
from horos_runtime.records import Record, ToolCall

ChatMessage: TypeAlias = dict[str, Any]

NO_RESULT: Final = "error: this call was given up; its outcome is unknown"
OVERHEAD_TOKENS: Final = 8
"""What role and separators of one message cost, generously."""


def estimate_tokens(text: str) -> int:
    """Guess tokens from UTF-8 bytes: a quarter, and a third more to be safe."""
    return math.ceil(len(text.encode()) / 4 * 1.3)


def project(records: Sequence[Record], instructions: str, room: int) -> list[ChatMessage]:
    """Build the messages of one model call within `room` tokens; the newest exchange always stays."""
    system: list[ChatMessage] = [{"role": "system", "content": instructions}] if instructions else []
    room -= sum(map(message_tokens, system))
    exchanges = list(_exchanges(_legal(records)))
    costs = [sum(map(message_tokens, exchange)) for exchange in exchanges]
    first = 0
    while first < len(exchanges) - 1 and sum(costs[first:]) > room:
        first += 1
    kept = exchanges[first:]
    if kept and costs[-1] > room:
        kept = [_shorten(kept[-1], room)]
    return system + [message for exchange in kept for message in exchange]


def message_tokens(message: ChatMessage) -> int:
    """Guess what one chat message costs."""
    calls = message.get("tool_calls")
    text = message["content"] + (orjson.dumps(calls).decode() if calls else "")
    return estimate_tokens(text) + OVERHEAD_TOKENS


def _legal(records: Sequence[Record]) -> Iterator[ChatMessage]:
    """Give every call exactly one result right behind its step, whatever the records hold."""
    open_calls: list[str] = []
    for record in records:
        if record["role"] == "tool":
            call_id = record.get("tool_call_id", "")
            if call_id in open_calls:
                open_calls.remove(call_id)
                yield {"role": "tool", "tool_call_id": call_id, "content": record["content"]}
            continue
        yield from (_given_up(call_id) for call_id in open_calls)
        open_calls = [call["id"] for call in record.get("tool_calls", [])]
        yield _user(record) if record["role"] == "user" else _assistant(record)
    yield from (_given_up(call_id) for call_id in open_calls)


def _given_up(call_id: str) -> ChatMessage:
    return {"role": "tool", "tool_call_id": call_id, "content": NO_RESULT}


def _user(record: Record) -> ChatMessage:
    heading = _heading(record)
    return {"role": "user", "content": f"{heading}\n{record['content']}" if heading else record["content"]}


def _heading(record: Record) -> str:
    """What stands above the message of an agent, so that the model knows who wants what."""
    sender, re = record.get("from", ""), record.get("re", "")
    if not sender:
        return ""
    match record.get("kind"):
        case MessageKind.REQUEST:
            return f"[request {record['mid']} from agent {sender}]"
        case MessageKind.REPLY if record.get("error"):
            return f"[no answer from agent {sender} to your request {re}]"
        case MessageKind.REPLY:
            return f"[answer of agent {sender} to your request {re}]"
    return f"[message from agent {sender}]"


def _assistant(record: Record) -> ChatMessage:
    message: ChatMessage = {"role": "assistant", "content": record["content"]}
    if calls := record.get("tool_calls"):
        message["tool_calls"] = [_with_json_arguments(call) for call in calls]
    return message


def _with_json_arguments(call: ToolCall) -> ToolCall:
    """Servers that fill a template with the arguments fail on text that is no JSON object."""
    function = call["function"]
    try:
        if isinstance(orjson.loads(function["arguments"]), dict):
            return call
    except ValueError:
        pass
    return {"id": call["id"], "type": "function", "function": {"name": function["name"], "arguments": "{}"}}


def _exchanges(messages: Iterable[ChatMessage]) -> Iterator[list[ChatMessage]]:
    """Cut before each user message that follows an answer."""
    exchange: list[ChatMessage] = []
    for message in messages:
        if message["role"] == "user" and exchange and exchange[-1]["role"] != "user":
            yield exchange
            exchange = []
        exchange.append(message)
    if exchange:
        yield exchange


def _shorten(exchange: list[ChatMessage], room: int) -> list[ChatMessage]:
    """Drop the oldest rounds of an exchange that alone is too large; questions and the last round stay."""
    rounds: list[list[ChatMessage]] = []
    for message in exchange:
        if message["role"] == "tool":
            rounds[-1].append(message)
        else:
            rounds.append([message])
    excess = sum(map(message_tokens, exchange)) - room
    kept: list[list[ChatMessage]] = []
    for index, part in enumerate(rounds):
        if excess > 0 and part[0]["role"] == "assistant" and index < len(rounds) - 1:
            excess -= sum(map(message_tokens, part))
        else:
            kept.append(part)
    return [message for part in kept for message in part]
