"""Decides when a conversation must be shortened, and how; pure.

At four fifths of the room it is brought down to two fifths: long results of tools are shown in part, then old
rounds of tool calls are left out, then the oldest exchanges are told by a summary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from horos_runtime.context import Context
from horos_runtime.exchanges import Exchange
from horos_runtime.projection import Boundaries, Room, View, preface
from horos_runtime.records import Ceiling, Record
from horos_runtime.shortening import shorten
from horos_runtime.token_estimates import TOKENS_PER_BYTE, message_tokens

TRIGGER: Final = 0.8
TARGET: Final = 0.4
WORTH: Final = 0.05
"""The part of the room that must be won, or it is not worth a model call and a cold cache."""
HARDER: Final = 0.6
"""What a conversation that the model refused as too long is cut down to, as a part of what was sent."""
REGAIN: Final = 1.25
"""How fast a ceiling learnt from a refusal is raised again, with each later compaction."""
MOST_MARKS: Final = 32


@dataclass(frozen=True)
class Compaction:
    """What to do: the new boundaries, and the exchanges that the next summary has to tell of."""

    boundaries: Boundaries
    told: tuple[Exchange, ...]
    before: int
    """Tokens of the conversation until now."""


def room_for(prompt: int, factor: float, fixed: int, ceiling: int | None) -> Room:
    """Say what a request of `prompt` real tokens may take; `factor` of them are one of ours.

    A refusal taught the `ceiling`.
    """
    tokens = int(prompt / factor)
    return Room(tokens if ceiling is None else min(tokens, ceiling), fixed)


def trigger(room: Room) -> int:
    """Say from which size on a conversation is shortened; half its room where the rest takes most."""
    return max(int(room.tokens * TRIGGER) - room.fixed, room.limit // 2)


def target(room: Room) -> int:
    """Say which size it is brought down to; half the trigger where instructions and tools take most."""
    return max(int(room.tokens * TARGET) - room.fixed, trigger(room) // 2)


def summary_bytes(room: Room) -> int:
    """Say how long a summary may be."""
    return int(min(2000, max(48, target(room) * 0.3)) / TOKENS_PER_BYTE)


def plan(view: View, *, urgent: bool = False) -> Compaction | None:
    """Decide; None: nothing has to be done, or can be won. `urgent`: decide on something in any case."""
    if view.tokens <= trigger(view.room) and not urgent:
        return None
    stage = _Stage(view)
    stage.trim(stage.kept)
    stage.drop(min(stage.kept, view.open_turn))
    stage.summarise(stage.kept)
    if stage.tokens > trigger(view.room):
        stage.trim(len(view.exchanges))
    won = view.tokens - stage.tokens
    enough = won >= WORTH * view.room.tokens or (view.tokens > view.room.limit and won > 0)
    if not enough and not urgent:
        return None
    boundaries = stage.boundaries if won > 0 else view.boundaries
    told = [each for each in view.exchanges if view.boundaries.through <= each.start < boundaries.through]
    return Compaction(boundaries, tuple(told), view.tokens)


class _Stage:
    """Moves the boundaries forward, oldest exchange first, and no further than it must."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._exchanges = view.exchanges
        self._target = target(view.room)
        self._starts = [*(each.start for each in view.exchanges), view.end]
        self.boundaries = view.boundaries
        self._told = sum(self._cost(index, view.boundaries) for index in range(len(view.exchanges)))
        rounds = [index for index, each in enumerate(view.exchanges) if each.kind != "question"]
        self.kept = rounds[-1] if rounds else 0
        """What the newest step and its results are shown from, whatever happens."""

    @property
    def tokens(self) -> int:
        """What the conversation would take."""
        if self.boundaries.through > self._view.boundaries.through:
            return self._told + int(summary_bytes(self._view.room) * TOKENS_PER_BYTE) + _PREFACE_TOKENS
        old = self._view.compaction["content"] if self._view.compaction else ""
        return self._told + sum(map(message_tokens, preface(old, self.boundaries)))

    def trim(self, end: int) -> None:
        """Show the long results of exchanges before `end` in part."""
        for index in self._below(self.boundaries.trim, end):
            self._move(index, trim=self._starts[index + 1])

    def drop(self, end: int) -> None:
        """Leave out the rounds before `end`."""
        for index in self._below(self.boundaries.drop, end):
            self._move(index, drop=self._starts[index + 1])

    def summarise(self, end: int) -> None:
        """Tell exchanges before `end` by the summary; not at all if that would take more than they do."""
        boundaries, told = self.boundaries, self._told
        before = self.tokens
        for index in self._below(boundaries.through, end):
            self._move(index, through=self._starts[index + 1])
        if self.tokens >= before:
            self.boundaries, self._told = boundaries, told

    def _below(self, boundary: int, end: int) -> Sequence[int]:
        return [index for index in range(end) if self._starts[index] >= boundary]

    def _move(self, index: int, *, through: int = 0, drop: int = 0, trim: int = 0) -> None:
        if self.tokens <= self._target:
            return
        now = self.boundaries
        through = max(through, now.through)
        drop = max(drop, now.drop, through)
        moved = Boundaries(through, drop, max(trim, now.trim, drop))
        self._told += self._cost(index, moved) - self._cost(index, now)
        self.boundaries = moved

    def _cost(self, index: int, boundaries: Boundaries) -> int:
        shown = self._view.shown(self._exchanges[index], boundaries)
        return shown.tokens if shown else 0


_PREFACE_TOKENS: Final = sum(map(message_tokens, preface("", Boundaries(10**9, 2 * 10**9, 2 * 10**9))))


def compaction_record(
    context: Context, decided: Compaction, summary: str, ceiling: Ceiling | None, room: Room
) -> Record:
    """Build the record that restates everything; the turn and its author are still to be named."""
    boundaries = decided.boundaries
    record: Record = {
        "role": "compaction",
        "content": shorten(summary, summary_bytes(room)),
        "through": boundaries.through,
        "drop": boundaries.drop,
        "trim": boundaries.trim,
        "marks": _marks(context, boundaries.through),
    }
    if ceiling:
        record["ceiling"] = ceiling
    return record


def _marks(context: Context, through: int) -> list[list[int]]:
    """Note how many bytes the records before `through` take, beside what was noted before."""
    marks = context.compaction["marks"] if context.compaction else []
    start, size = marks[-1] if marks else (0, 0)
    if through <= start:
        return marks
    size += sum(context.sizes(start, through))
    marks = [*marks, [through, size]]
    return marks if len(marks) <= MOST_MARKS else [*marks[:-1][1::2], marks[-1]]


def learnt(context: Context, model: str, window: int) -> int | None:
    """Say how much a request to this model may take since it refused a longer one; None: it did not."""
    ceiling = context.compaction.get("ceiling") if context.compaction else None
    if ceiling and (ceiling["model"], ceiling["window"]) == (model, window):
        return ceiling["room"]
    return None
