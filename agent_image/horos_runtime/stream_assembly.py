"""Assembles the chunks of one streamed completion into a step and into the events that watchers see.

Pure, and tolerant: servers leave out ids and indexes, repeat names, split or forget the usage.
"""

import secrets
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from horos_api.events import (
    Event,
    text_delta,
    text_end,
    text_start,
    tool_call_args,
    tool_call_end,
    tool_call_start,
)
from horos_runtime.records import Record, TokenUsage, ToolCall

_ID_LETTERS: Final = string.ascii_letters + string.digits


def storable(text: str) -> str:
    """Replace halves of surrogate pairs, which some servers send when a token ends inside a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class CutStreamError(Exception):
    """The stream ended without saying that it was complete."""


def new_call_id() -> str:
    """Make an id for a call that came without one; nine letters and digits are what all servers accept."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(9))


@dataclass(frozen=True)
class Step:
    """What the model answered in one round."""

    text: str
    tool_calls: tuple[ToolCall, ...]
    usage: TokenUsage | None

    def record(self, run: str, by: str) -> Record:
        """Build the record of the context."""
        record: Record = {"role": "assistant", "content": self.text, "run": run, "by": by}
        if self.tool_calls:
            record["tool_calls"] = list(self.tool_calls)
        if self.usage:
            record["usage"] = self.usage
        return record


@dataclass
class _Call:
    index: int | None
    id: str
    given_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    announced: bool = False


class StepAssembly:
    """One completion while it comes; `message_id` is the id of its text in events."""

    def __init__(self, message_id: str, new_id: Callable[[], str] = new_call_id) -> None:
        self._message_id = message_id
        self._new_id = new_id
        self._text: list[str] = []
        self._calls: list[_Call] = []
        self._usage: TokenUsage | None = None
        self._complete = False

    @property
    def shown(self) -> bool:
        """Whether watchers have seen anything of it."""
        return bool(self._text) or any(call.announced for call in self._calls)

    def feed(self, chunk: object) -> list[Event]:
        """Take one chunk as decoded JSON; parts of an unknown shape are ignored."""
        if not isinstance(chunk, dict):
            return []
        choices = chunk.get("choices") or []
        self._take_usage(chunk.get("usage"), closing=not choices)
        events: list[Event] = []
        for choice in choices if isinstance(choices, list) else []:
            if not isinstance(choice, dict) or choice.get("index", 0) != 0:
                continue
            delta = choice.get("delta")
            if isinstance(delta, dict):
                events += self._take_text(delta.get("content") or delta.get("refusal"))
                for part in delta.get("tool_calls") or []:
                    events += self._take_call(part)
            self._complete = self._complete or bool(choice.get("finish_reason"))
        return events

    def finish(self) -> tuple[Step, list[Event]]:
        """Return the step and its closing events; raises CutStreamError when the end is missing."""
        if not self._complete:
            raise CutStreamError("the model's stream ended before the answer was complete")
        named = [call for call in self._calls if call.name]
        calls = tuple(_tool_call(call) for call in named)
        events = [text_end(self._message_id)] if self._text else []
        events += [tool_call_end(call.id) for call in named]
        return Step("".join(self._text), calls, self._usage), events

    def _take_usage(self, usage: object, *, closing: bool) -> None:
        if not isinstance(usage, dict):
            return
        # Behind the last choice some servers send the usage instead of a finish_reason.
        self._complete = self._complete or closing
        prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(prompt, int) and isinstance(completion, int):
            self._usage = {"prompt": prompt, "completion": completion}

    def _take_text(self, text: object) -> Iterator[Event]:
        if not isinstance(text, str) or not text:
            return
        text = storable(text)
        if not self._text:
            yield text_start(self._message_id)
        self._text.append(text)
        yield text_delta(self._message_id, text)

    def _take_call(self, part: Any) -> Iterator[Event]:
        if not isinstance(part, dict):
            return
        function = part.get("function")
        function = function if isinstance(function, dict) else {}
        call = self._call_of(part, function)
        name, arguments = function.get("name"), function.get("arguments")
        if isinstance(name, str) and name and not call.name:
            call.name = storable(name)
        if call.name and not call.announced:
            call.announced = True
            yield tool_call_start(call.id, call.name, self._message_id)
            arguments = "".join(call.arguments) + (arguments if isinstance(arguments, str) else "")
            call.arguments.clear()
        if isinstance(arguments, str) and arguments:
            arguments = storable(arguments)
            call.arguments.append(arguments)
            if call.announced:
                yield tool_call_args(call.id, arguments)

    def _call_of(self, part: dict[str, Any], function: dict[str, Any]) -> _Call:
        index = part.get("index") if isinstance(part.get("index"), int) else None
        given = part["id"] if isinstance(part.get("id"), str) else ""
        for call in reversed(self._calls):
            same_id = not given or not call.given_id or given == call.given_id
            if index is not None and call.index == index and same_id:
                return call
            if index is None and (given == call.given_id if given else not function.get("name")):
                return call
        taken = {call.id for call in self._calls}
        call = _Call(index, given if given and given not in taken else self._new_id(), given)
        self._calls.append(call)
        return call


def _tool_call(call: _Call) -> ToolCall:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": "".join(call.arguments)},
    }
