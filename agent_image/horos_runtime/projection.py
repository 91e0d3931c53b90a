"""What the model sees: a pure function from a thread's records to chat messages that fit its window.

The last compaction record says what is told by its summary, left out, or shown in part; the messages that the
open turn answers are always there.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from horos_runtime.context import Context
from horos_runtime.exchanges import Exchange, question
from horos_runtime.records import Record
from horos_runtime.shortening import squeeze
from horos_runtime.token_estimates import ChatMessage, estimate_tokens, message_tokens
from horos_runtime.unread import shown_questions

__all__ = ["Boundaries", "ChatMessage", "Room", "View", "estimate_tokens", "message_tokens"]

LEAST_TOKENS: Final = 128
"""What a conversation gets even if instructions and tools leave nothing: the question must not vanish."""
BEGINNING_GONE: Final = "[The beginning of this conversation is not kept.]"


@dataclass(frozen=True)
class Boundaries:
    """How old records are shown, as absolute indexes; see `records.Record`."""

    through: int = 0
    drop: int = 0
    trim: int = 0

    @classmethod
    def of(cls, compaction: Record | None) -> "Boundaries":
        """Read them from a compaction record."""
        if compaction is None:
            return cls()
        return cls(compaction["through"], compaction["drop"], compaction["trim"])


@dataclass(frozen=True)
class Room:
    """What one request may take, in estimated tokens; `fixed` of them are for instructions and tools."""

    tokens: int
    fixed: int = 0

    @property
    def limit(self) -> int:
        """How much the conversation may take at most."""
        return max(LEAST_TOKENS, self.tokens - self.fixed)


class View:
    """A thread at one moment of its open turn `run`; `unsaved` are messages that no record tells of yet."""

    def __init__(self, context: Context, run: str, unsaved: Sequence[Record], room: Room) -> None:
        self.room = room
        self.run = run
        self.compaction = context.compaction
        self.boundaries = Boundaries.of(context.compaction)
        told = [question(record, index) for index, record in enumerate(unsaved, context.end)]
        self.exchanges: list[Exchange] = [*context.exchanges, *told]
        self.end = context.end + len(unsaved)

    @cached_property
    def open_turn(self) -> int:
        """Where among the exchanges those of the open turn begin, which are the last."""
        index = len(self.exchanges)
        while index and self.exchanges[index - 1].run == self.run:
            index -= 1
        return index

    @cached_property
    def questions(self) -> dict[int, Exchange]:
        """What stands for each message that the open turn answers."""
        own = [each for each in self.exchanges[self.open_turn :] if each.kind == "question"]
        return shown_questions(own, self.room.limit)

    def shown(self, exchange: Exchange, boundaries: Boundaries) -> Exchange | None:
        """Say what stands for an exchange; None: it is left out."""
        if exchange.start >= boundaries.trim and exchange.kind != "question":
            return exchange
        if exchange.start in self.questions:
            return self.questions[exchange.start]
        if exchange.start < boundaries.through:
            return None
        if exchange.kind != "round":
            return exchange
        return None if exchange.start < boundaries.drop else exchange.trimmed

    def preface(self) -> list[ChatMessage]:
        """Build what stands at the beginning: the summary, and a word about what is left out."""
        if self.compaction is None:
            return []
        return preface(self.compaction["content"], self.boundaries)

    @cached_property
    def _shown_now(self) -> list[Exchange]:
        # Most of a thread lies behind all boundaries and before the open turn, and is shown as it is.
        as_is = bisect_left(self.exchanges, self.boundaries.trim, key=lambda each: each.start)
        as_is = min(as_is, self.open_turn)
        old = [self.shown(each, self.boundaries) for each in self.exchanges[:as_is]]
        own = [self.shown(each, self.boundaries) for each in self.exchanges[self.open_turn :]]
        return [
            *(each for each in old if each),
            *self.exchanges[as_is : self.open_turn],
            *(each for each in own if each),
        ]

    @cached_property
    def tokens(self) -> int:
        """What the conversation takes as it is shown now, without instructions and tools."""
        return sum(each.tokens for each in self._shown_now) + sum(map(message_tokens, self.preface()))

    def messages(self) -> list[ChatMessage]:
        """Build the conversation's messages; those that do not fit by themselves are shortened."""
        messages = self.preface()
        for exchange in self._shown_now:
            messages += exchange.messages
        if messages and messages[0]["role"] != "user":
            messages.insert(0, {"role": "user", "content": BEGINNING_GONE})
        if self.tokens + message_tokens({"content": BEGINNING_GONE}) <= self.room.limit:
            return messages
        return squeeze(messages, self.room.limit)


def preface(summary: str, boundaries: Boundaries) -> list[ChatMessage]:
    """Build the message that stands for what is not shown; none when everything is."""
    parts = []
    if boundaries.through:
        parts.append(f"[Summary of this conversation before record {boundaries.through}:]\n{summary}")
    if boundaries.drop > boundaries.through:
        parts.append(f"[Rounds of tool calls before record {boundaries.drop} are left out.]")
    if parts:
        parts.append("[The tool history shows the original records.]")
    return [{"role": "user", "content": "\n\n".join(parts)}] if parts else []


def system_messages(instructions: str) -> list[ChatMessage]:
    """Build what stands before the conversation."""
    return [{"role": "system", "content": instructions}] if instructions else []
