"""A server's question as people see it, and the values of an answer, checked against what was asked for."""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from horos_runtime.tool_context import ToolContext

Value: TypeAlias = str | int | float | bool | list[str] | None


@dataclass(frozen=True)
class Question:
    """What a server asks in the middle of a call: values as `schema` says, or that somebody opens `url`."""

    id: str
    server: str
    tool: str
    message: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    seconds: float = math.inf
    """How long there is to decide."""


@dataclass(frozen=True)
class Verdict:
    """What a person decided, with the values given."""

    approved: bool
    content: Mapping[str, Any] = field(default_factory=dict)


Elicit: TypeAlias = Callable[[Question, ToolContext], Awaitable[Verdict | None]]
"""Asks a person and waits for `question.seconds`; None when nobody decided. Cancelled with the call."""


def values_for(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Value]:
    """Fill in the schema's defaults and read texts as what the schema wants; raises ValueError.

    `horos approve --set` knows texts only.
    """
    properties: Mapping[str, Any] = schema.get("properties") or {}
    values: dict[str, Value] = {}
    for name, about in properties.items():
        if name in given:
            values[name] = _read(name, about, given[name])
        elif isinstance(about, Mapping) and "default" in about:
            values[name] = about["default"]
    if unknown := [name for name in given if name not in properties]:
        raise ValueError(f"{unknown[0]}: not asked for; asked for are {', '.join(properties) or 'no values'}")
    if missing := [name for name in schema.get("required") or () if name not in values]:
        raise ValueError(f"{missing[0]}: it is missing and has no default")
    return values


def _read(name: str, about: object, given: object) -> Value:
    kind = about.get("type") if isinstance(about, Mapping) else None
    read = _from_text(kind, given) if isinstance(given, str) else given
    fits = {
        "string": isinstance(read, str),
        "integer": isinstance(read, int) and not isinstance(read, bool),
        "number": isinstance(read, int | float) and not isinstance(read, bool),
        "boolean": isinstance(read, bool),
        "array": isinstance(read, list) and all(isinstance(each, str) for each in read),
    }
    if not fits.get(str(kind), True):
        raise ValueError(f"{name}: expected {kind}, not {given!r}")
    value: Value = read  # type: ignore[assignment]  # checked above
    return value


def _from_text(kind: object, text: str) -> object:
    if kind == "boolean":
        return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)
    if kind == "array":
        return [part.strip() for part in text.split(",")] if text.strip() else []
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
    except ValueError:
        return text
    return text
