"""What the tests of streams share: chunks, a step made of them, and what a watcher has seen of it."""

import itertools
from collections.abc import Iterable
from typing import Any

from horos_api.events import Event
from horos_runtime.stream_assembly import Step, StepAssembly

Seen = tuple[str, str, str]


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One chunk in OpenAI's shape."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def part(**fields: Any) -> dict[str, Any]:
    """One piece of a tool call; `name` and `arguments` go where OpenAI has them."""
    function = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    return {**fields, "function": function}


def assemble(*chunks: object) -> tuple[Step, list[Event]]:
    """Feed chunks; calls without an id get made0, made1, …"""
    ids = (f"made{number}" for number in itertools.count())
    assembly = StepAssembly("t/1", lambda: next(ids))
    events = [event for each in chunks for event in assembly.feed(each)]
    step, closing = assembly.finish()
    return step, events + closing


def calls(step: Step) -> list[tuple[str, str, str]]:
    """Id, name and arguments of each call."""
    return [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in step.tool_calls]


def seen(events: Iterable[Event]) -> list[Seen]:
    """Follow events as a watcher does; returns (kind, id, text) of each message in the order they began.

    Fails on whatever AG-UI forbids: a fragment outside of its message, an empty one, an end missing.
    """
    begun: dict[str, tuple[str, list[str]]] = {}
    open_ids: set[str] = set()
    for event in events:
        kind, _, phase = event["type"].replace("_MESSAGE", "").rpartition("_")
        found = event.get("toolCallId") or event["messageId"]
        if event["type"] in ("REASONING_MESSAGE_START", "REASONING_MESSAGE_END"):
            assert found in open_ids
        elif phase == "START":
            assert found not in begun, f"{found} begins twice"
            name = f" {event['toolCallName']}" if kind == "TOOL_CALL" else ""
            begun[found] = (kind.lower().removeprefix("tool_") + name, [])
            open_ids.add(found)
        elif phase == "END":
            open_ids.remove(found)
        else:
            assert event["delta"], "an empty fragment"
            assert found in open_ids, f"{found} is not open"
            begun[found][1].append(event["delta"])
    assert not open_ids, f"without an end: {open_ids}"
    return [(kind, found, "".join(texts)) for found, (kind, texts) in begun.items()]
