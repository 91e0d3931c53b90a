"""Notices a model that goes in circles: the same call with the same result, again and again in one turn.

Pure: it reads the turn's own records, so that a successor of the process counts on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from horos_runtime.records import Record, ToolCall

TOLD_AT: Final = 3
"""From the third time on the result says that it repeats itself."""
REFUSED_AT: Final = 5
"""From the fifth time on the call is not made."""

_NOTE: Final = "\n[repeated: "
_REFUSED: Final = "error: not called again: "
_REF: Final = re.compile(r'ref "\d+"')
"""How a large result names the place where it is kept, which differs each time."""


@dataclass(frozen=True)
class Streak:
    """How often a call was made lately with one and the same result."""

    count: int = 0
    result: str = ""


def streak_of(records: Sequence[Record], call: ToolCall) -> Streak:
    """Count what the records of a turn hold of this call, by tool and arguments.

    Only what happened since the last news counts: a result that was not seen before in this turn, of whatever
    tool, or a message of a person. So two calls that take turns are noticed, and polling among work is not.
    """
    opened: dict[str, str] = {}
    streaks: dict[str, Streak] = {}
    seen: set[tuple[str, str]] = set()
    for record in records:
        if record["role"] == "user":
            streaks.clear()
        elif record["role"] == "assistant":
            opened = {each["id"]: call_key(each) for each in record.get("tool_calls", [])}
        elif (key := opened.get(record.get("tool_call_id", ""))) and not record["content"].startswith(
            _REFUSED
        ):
            result = _result(record)
            if (key, result) not in seen:
                streaks.clear()
                seen.add((key, result))
            before = streaks.get(key, Streak())
            streaks[key] = Streak(before.count + 1 if before.result == result else 1, result)
    return streaks.get(call_key(call), Streak())


def refusal(streak: Streak, name: str) -> str:
    """Say that a call is not made, or ''."""
    if streak.count < REFUSED_AT - 1:
        return ""
    return (
        f"{_REFUSED}{name} gave the same result for these arguments {streak.count} times in this turn. "
        "Use that result, call it with other arguments, or answer without it."
    )


def noted(streak: Streak, text: str) -> str:
    """Add to a result that it is the same as before, when it is time to say so."""
    if streak.count < TOLD_AT - 1 or streak.result != _REF.sub("", text):
        return text
    times = streak.count + 1
    return (
        f"{text}{_NOTE}this is call {times} with the same arguments and the same result in this turn. "
        "One more will not tell you anything new.]"
    )


def call_key(call: ToolCall) -> str:
    """Name a call by its tool and arguments, however these are written."""
    function = call["function"]
    try:
        arguments = orjson.dumps(
            orjson.loads(function["arguments"] or "{}"), option=orjson.OPT_SORT_KEYS
        ).decode()
    except ValueError:
        arguments = function["arguments"]
    return f"{function['name']} {arguments}"


def _result(record: Record) -> str:
    """The result without what tells one of its repetitions from the other."""
    return _REF.sub("", record["content"].partition(_NOTE)[0])
