"""Events as lines for a person: time, type and the few words that matter."""

import json
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import Any

from horos.decision_words import decided_words, what_is_asked
from horos.residency_words import WAITS_FOR
from horos_api.events import EventType

_SHOWN = 100
_FIELDS: dict[str, tuple[str, ...]] = {
    EventType.RUN_STARTED: ("threadId", "runId"),
    EventType.RUN_FINISHED: ("threadId", "runId"),
    EventType.RUN_ERROR: ("code", "message"),
    EventType.TEXT_MESSAGE_START: ("messageId",),
    EventType.TEXT_MESSAGE_CONTENT: ("delta",),
    EventType.TEXT_MESSAGE_END: ("messageId",),
    EventType.REASONING_START: ("messageId",),
    EventType.REASONING_MESSAGE_START: ("messageId",),
    EventType.REASONING_MESSAGE_CONTENT: ("delta",),
    EventType.REASONING_MESSAGE_END: ("messageId",),
    EventType.REASONING_END: ("messageId",),
    EventType.TOOL_CALL_START: ("toolCallName", "toolCallId"),
    EventType.TOOL_CALL_ARGS: ("delta",),
    EventType.TOOL_CALL_END: ("toolCallId",),
    EventType.TOOL_CALL_RESULT: ("toolCallId", "content"),
    EventType.STATE_SNAPSHOT: ("snapshot",),
    EventType.CUSTOM: ("name", "value"),
}

_FRAGMENTS = {
    EventType.TEXT_MESSAGE_START,
    EventType.TEXT_MESSAGE_CONTENT,
    EventType.TEXT_MESSAGE_END,
    EventType.REASONING_MESSAGE_START,
    EventType.REASONING_MESSAGE_CONTENT,
    EventType.REASONING_MESSAGE_END,
    EventType.REASONING_END,
    EventType.TOOL_CALL_ARGS,
    EventType.TOOL_CALL_END,
}


def event_line(event_id: str, event: dict[str, Any], zone: tzinfo | None = None) -> str:
    """Tell one event in one line; `zone` is the person's time zone (None: the machine's)."""
    kind = str(event.get("type", "?"))
    fields = _FIELDS.get(kind, ())
    if kind == EventType.CUSTOM and (told := _custom_words(event)):
        return f"{_time(event_id, zone)}  {kind:<20}  {_short(told)}"
    words = " ".join(_word(field, event[field]) for field in fields if event.get(field) not in (None, ""))
    return f"{_time(event_id, zone)}  {kind:<20}  {_short(words)}".rstrip()


def _custom_words(event: dict[str, Any]) -> str:
    """Say what people decide, who has the agent, what is wrong with tools, in the words of other commands."""
    name, value = str(event.get("name")), event.get("value") or {}
    if name in ("approval", "elicitation"):
        status, who, reason = (str(value.get(part, "")) for part in ("status", "who", "reason"))
        if status == "pending":
            return f"{name} {value.get('id')} {what_is_asked(value)}"
        return f"{name} {value.get('id')} {value.get('tool')}: {decided_words(status, who, reason)}"
    if name == "wake":
        why = str(value.get("reason"))
        return f"{name} it needs a process: {WAITS_FOR.get(why, why)}"
    if name in ("resident", "hibernated"):
        has = "has the agent" if name == "resident" else "gave the agent back"
        return f"{name} process {value.get('epoch')} {has}"
    if name == "toolProblem":
        return f"{name} {value.get('message', '')}"
    return _family_words(name, value)


def _family_words(name: str, value: dict[str, Any]) -> str:
    if name == "order":
        said = f": {value['message']}" if value.get("message") else ""
        return f"{name} {value.get('kind')} {value.get('name')} is {value.get('status')}{said}"
    if name == "child":
        return f"{name} {value.get('name')} has {value.get('status')} ({value.get('reason')})"
    return ""


def worth_telling(
    events: Iterable[tuple[str, dict[str, Any]]], count: int
) -> list[tuple[str, dict[str, Any]]]:
    """Pick the last events that say what happened: fragments of text and arguments do not."""
    return [(at, event) for at, event in events if event.get("type") not in _FRAGMENTS][-count:]


def _time(event_id: str, zone: tzinfo | None) -> str:
    milliseconds = event_id.partition("-")[0]
    if not milliseconds.isdigit():
        return "-" * 12
    moment = datetime.fromtimestamp(int(milliseconds) / 1000, tz=zone).astimezone(zone)
    return moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def _word(field: str, value: object) -> str:
    # Of a fragment the spaces matter, too.
    if isinstance(value, str) and field != "delta":
        return value
    if isinstance(value, dict):
        return " ".join(f"{name}={_word(name, part)}" for name, part in value.items())
    return json.dumps(value, ensure_ascii=False)


def _short(text: str) -> str:
    line = " ".join(text.split("\n"))
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
