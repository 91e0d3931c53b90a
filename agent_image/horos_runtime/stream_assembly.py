"""Assembles the chunks of one streamed completion into a step and into the events that watchers see.

Pure, and tolerant: servers leave out ids and indexes, repeat names, split or forget the usage.
"""

import secrets
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import orjson

from horos_api import events as show
from horos_api.events import Event
from horos_runtime.chunk_shapes import CallPiece, read_chunk
from horos_runtime.heard_text import Heard, ThoughtsApart, WholeCharacters, storable
from horos_runtime.records import Record, TokenUsage, ToolCall
from horos_runtime.shortening import shorten
from horos_runtime.token_estimates import estimate_tokens

_ID_LETTERS: Final = string.ascii_letters + string.digits
_BROKEN: Final = frozenset({"error", "abort", "cancelled", "insufficient_system_resource"})
"""What OpenRouter, vLLM and DeepSeek give as `finish_reason` when the server, not the model, ended it."""
CUT_OFF: Final = "(cut off: the model reached the most tokens it may write, spec.model.maxOutputTokens)"
REASONING_BYTES: Final = 16 * 1024
"""How much of the thoughts of a step its record keeps, in bytes of UTF-8."""
WITHHELD: Final = "(withheld: the content filter of the model's server ended this answer)"
_NOTES: Final = {"length": CUT_OFF, "content_filter": WITHHELD}


class CutStreamError(Exception):
    """The stream ended without saying that it was complete."""


def new_call_id() -> str:
    """Make an id for a call that came without one; nine letters and digits are what all servers accept."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(9))


@dataclass(frozen=True)
class Step:
    """What the model answered in one round.

    `usage` is the server's, or an estimate that says so. `model` is the name of the model that answered when
    that is not the agent's own; `cut` says that it reached its limit of output. `reasoning` are its thoughts.
    """

    text: str
    tool_calls: tuple[ToolCall, ...]
    usage: TokenUsage | None
    model: str = ""
    cut: bool = False
    reasoning: str = ""

    def record(self, run: str, by: str) -> Record:
        """Build the record of the context."""
        record: Record = {"role": "assistant", "content": self.text, "run": run, "by": by}
        if self.tool_calls:
            record["tool_calls"] = list(self.tool_calls)
        if self.usage:
            record["usage"] = self.usage
        if self.model:
            record["model"] = self.model
        if self.reasoning:
            record["reasoning"] = shorten(self.reasoning, REASONING_BYTES)
        return record


def is_json(text: str) -> bool:
    """Whether the arguments of a call are whole, so that nothing can follow."""
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


@dataclass
class _Call:
    index: int | None
    id: str
    given_id: str
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    characters: WholeCharacters = field(default_factory=WholeCharacters)
    announced: bool = False

    def continued_by(self, piece: CallPiece) -> bool:
        """Whether a piece at the same place belongs to this call; some servers give each call index 0."""
        if piece.id and self.given_id:
            return piece.id == self.given_id
        if piece.name and self.name:
            whole = bool(piece.arguments) and is_json("".join(self.arguments))
            return piece.name == self.name and not whole
        return True


class StepAssembly:
    """One completion while it comes; `message_id` is the id of its text in events.

    Thoughts get ids of their own that begin with it (`<message_id>/r1`).
    """

    def __init__(self, message_id: str, new_id: Callable[[], str] = new_call_id) -> None:
        self._message_id = message_id
        self._new_id = new_id
        self._apart = ThoughtsApart()
        self._characters = {"text": WholeCharacters(), "reasoning": WholeCharacters()}
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._thinking = ""
        self._thought_blocks = 0
        self._calls: list[_Call] = []
        self._finish = ""
        self._closed = False
        self.begun = False
        """Whether the server has sent anything."""
        self.usage: TokenUsage | None = None
        """What the server said last."""

    @property
    def shown(self) -> bool:
        """Whether watchers have seen anything of it."""
        return bool(self._text or self._thoughts) or any(call.announced for call in self._calls)

    @property
    def complete(self) -> bool:
        """Whether the server has said that nothing more comes."""
        return bool(self._finish) or self._closed

    def completion_tokens(self) -> int:
        """Estimate what the model has written so far, thoughts included."""
        calls = [text for call in self._calls for text in (call.name, *call.arguments)]
        return estimate_tokens("".join((*self._text, *self._thoughts, *calls)))

    def feed(self, chunk: object) -> list[Event]:
        """Take one chunk as decoded JSON; parts of an unknown shape are ignored."""
        self.begun = True
        said = read_chunk(chunk)
        if said.usage:
            self.usage = said.usage
            # Behind the last choice some servers send the usage instead of a finish_reason.
            self._closed = self._closed or (said.closing and said.usage["completion"] > 0)
        thoughts: list[Heard] = [("reasoning", said.reasoning)] if said.reasoning else []
        text = self._apart.feed(self._characters["text"].feed(said.text)) if said.text else ()
        events = [*self._heard(thoughts), *self._heard(text)]
        for piece in said.calls:
            events += self._take_call(piece)
        self._finish = said.finish or self._finish
        return events

    def finish(self) -> tuple[Step, list[Event]]:
        """Return the step and its closing events; raises CutStreamError when the end is missing."""
        named = [call for call in self._calls if call.name]
        if self._finish in _BROKEN:
            raise CutStreamError(f"the model's server broke off the answer (finish_reason {self._finish})")
        if not self.complete:
            raise CutStreamError("the model's stream ended before the answer was complete")
        events = list(self._heard(self._last_heard()))
        if self._finish in ("tool_calls", "function_call") and not named and not self._text:
            raise CutStreamError("the model announced tool calls and sent none")
        events += self._end_thoughts()
        if (note := _NOTES.get(self._finish)) and not named:
            events += self._heard([("text", f"\n\n{note}" if self._text else note)])
        if self._text:
            events.append(show.text_end(self._message_id))
        for call in named:
            events += _end_call(call)
        calls = tuple(_tool_call(call) for call in named)
        step = Step("".join(self._text), calls, self.usage)
        return replace(step, cut=self._finish == "length", reasoning="".join(self._thoughts).strip()), events

    def _last_heard(self) -> Iterator[Heard]:
        if half := self._characters["text"].rest():
            yield from self._apart.feed(half)
        yield from self._apart.rest()
        if half := self._characters["reasoning"].rest():
            yield "reasoning", half

    def _heard(self, fragments: Iterable[Heard]) -> Iterator[Event]:
        for kind, fragment in fragments:
            if kind == "reasoning":
                yield from self._take_thoughts(self._characters["reasoning"].feed(fragment))
            else:
                yield from self._end_thoughts()
                if not self._text:
                    yield show.text_start(self._message_id)
                self._text.append(fragment)
                yield show.text_delta(self._message_id, fragment)

    def _take_thoughts(self, thoughts: str) -> Iterator[Event]:
        if not thoughts:
            return
        if not self._thinking:
            self._thought_blocks += 1
            self._thinking = f"{self._message_id}/r{self._thought_blocks}"
            yield from show.reasoning_start(self._thinking)
        self._thoughts.append(thoughts)
        yield show.reasoning_delta(self._thinking, thoughts)

    def _end_thoughts(self) -> Iterator[Event]:
        if self._thinking:
            yield from show.reasoning_end(self._thinking)
            self._thinking = ""

    def _take_call(self, piece: CallPiece) -> Iterator[Event]:
        call = self._call_of(piece)
        if not call.name:
            call.name = storable(piece.name)
        arguments = call.characters.feed(piece.arguments)
        if arguments:
            call.arguments.append(arguments)
        if call.announced and arguments:
            yield show.tool_call_args(call.id, arguments)
        elif call.name and not call.announced:
            call.announced = True
            yield from self._end_thoughts()
            yield show.tool_call_start(call.id, call.name, self._message_id)
            if call.arguments:
                yield show.tool_call_args(call.id, "".join(call.arguments))

    def _call_of(self, piece: CallPiece) -> _Call:
        for call in self._at_place_of(piece):
            if call.continued_by(piece):
                call.given_id = call.given_id or piece.id
                return call
        taken = {call.id for call in self._calls}
        call = _Call(
            piece.index, piece.id if piece.id and piece.id not in taken else self._new_id(), piece.id
        )
        self._calls.append(call)
        return call

    def _at_place_of(self, piece: CallPiece) -> list[_Call]:
        newest_first = self._calls[::-1]
        if piece.index is not None:
            return [call for call in newest_first if call.index == piece.index]
        if piece.id:
            return [call for call in newest_first if call.given_id == piece.id]
        return newest_first[:1]


def _end_call(call: _Call) -> Iterator[Event]:
    rest = call.characters.rest()
    if not call.arguments and not rest:
        rest = "{}"  # A call without arguments: servers send nothing, an empty string or an empty object.
    if rest:
        call.arguments.append(rest)
        yield show.tool_call_args(call.id, rest)
    yield show.tool_call_end(call.id)


def _tool_call(call: _Call) -> ToolCall:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": "".join(call.arguments)},
    }
