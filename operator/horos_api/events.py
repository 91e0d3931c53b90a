"""What watchers see: AG-UI events as plain JSON objects, built by pure functions.

The scripts write the events that must not be lost (RUN_*, STATE_SNAPSHOT, TOOL_CALL_RESULT and CUSTOM
`usage` and `reply`); the runtime emits the streamed ones built here. Names and shapes: AG-UI 1.0.
"""

from enum import StrEnum
from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]


class EventType(StrEnum):
    """The AG-UI event types that horos uses; `event_table` says what each means."""

    RUN_STARTED = "RUN_STARTED"
    RUN_FINISHED = "RUN_FINISHED"
    RUN_ERROR = "RUN_ERROR"
    TEXT_MESSAGE_START = "TEXT_MESSAGE_START"
    TEXT_MESSAGE_CONTENT = "TEXT_MESSAGE_CONTENT"
    TEXT_MESSAGE_END = "TEXT_MESSAGE_END"
    REASONING_START = "REASONING_START"
    REASONING_MESSAGE_START = "REASONING_MESSAGE_START"
    REASONING_MESSAGE_CONTENT = "REASONING_MESSAGE_CONTENT"
    REASONING_MESSAGE_END = "REASONING_MESSAGE_END"
    REASONING_END = "REASONING_END"
    TOOL_CALL_START = "TOOL_CALL_START"
    TOOL_CALL_ARGS = "TOOL_CALL_ARGS"
    TOOL_CALL_END = "TOOL_CALL_END"
    TOOL_CALL_RESULT = "TOOL_CALL_RESULT"
    STATE_SNAPSHOT = "STATE_SNAPSHOT"
    CUSTOM = "CUSTOM"


def text_start(message_id: str) -> Event:
    """The assistant begins a message."""
    return {"type": EventType.TEXT_MESSAGE_START, "messageId": message_id, "role": "assistant"}


def text_delta(message_id: str, delta: str) -> Event:
    """A fragment of the message's text; never empty."""
    return {"type": EventType.TEXT_MESSAGE_CONTENT, "messageId": message_id, "delta": delta}


def text_end(message_id: str) -> Event:
    """The message is complete."""
    return {"type": EventType.TEXT_MESSAGE_END, "messageId": message_id}


def reasoning_start(message_id: str) -> list[Event]:
    """The model begins to think aloud; the thoughts are one message of their own."""
    return [
        {"type": EventType.REASONING_START, "messageId": message_id},
        {"type": EventType.REASONING_MESSAGE_START, "messageId": message_id, "role": "reasoning"},
    ]


def reasoning_delta(message_id: str, delta: str) -> Event:
    """A fragment of the thoughts; never empty."""
    return {"type": EventType.REASONING_MESSAGE_CONTENT, "messageId": message_id, "delta": delta}


def reasoning_end(message_id: str) -> list[Event]:
    """The thoughts are complete."""
    return [
        {"type": EventType.REASONING_MESSAGE_END, "messageId": message_id},
        {"type": EventType.REASONING_END, "messageId": message_id},
    ]


def tool_call_start(call_id: str, name: str, message_id: str) -> Event:
    """The model begins to ask for a tool."""
    return {
        "type": EventType.TOOL_CALL_START,
        "toolCallId": call_id,
        "toolCallName": name,
        "parentMessageId": message_id,
    }


def tool_call_args(call_id: str, delta: str) -> Event:
    """A fragment of the call's JSON arguments."""
    return {"type": EventType.TOOL_CALL_ARGS, "toolCallId": call_id, "delta": delta}


def tool_call_end(call_id: str) -> Event:
    """The call's arguments are complete."""
    return {"type": EventType.TOOL_CALL_END, "toolCallId": call_id}


def custom(name: str, value: object) -> Event:
    """Something AG-UI has no name for; each name stands in `event_table`."""
    return {"type": EventType.CUSTOM, "name": name, "value": value}


def discard(message_id: str, reason: str = "") -> Event:
    """Watchers must throw away what they showed of this message, its thoughts (`<message_id>/…`) too.

    A `reason` is for people, where no event beside it (retry, fallback, repair, resumed) says why.
    """
    return custom("discard", {"messageId": message_id} | ({"reason": reason} if reason else {}))


def retry(reason: str, seconds: float) -> Event:
    """The model did not answer; the runtime tries again after so many seconds."""
    return custom("retry", {"reason": reason, "seconds": round(seconds, 3)})


def fallback(model: str, reason: str) -> Event:
    """From here on this model answers, because the one before did not."""
    return custom("fallback", {"model": model, "reason": reason})


def repair(reason: str) -> Event:
    """The model's answer could not be used; it is told so and asked once more."""
    return custom("repair", {"reason": reason})


def placed(event_id: str, event: Event) -> Event:
    """Give an event its place in the agent's stream and its time, both taken from its id there."""
    milliseconds = int(event_id.partition("-")[0])
    metadata = {**event.get("metadata", {}), "sequence": event_id}
    return {**event, "timestamp": milliseconds, "metadata": metadata}
