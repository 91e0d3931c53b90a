"""The open turn as it lies in Redis: each step is appended before the next begins, the commit closes it.

Whatever interrupts it, the journal in Redis is a legal history, from which the next incarnation goes on.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from horos_api.messages import Message
from horos_bus.group_reading import Unread
from horos_bus.message_service import NOTHING_OFFLOADED
from horos_bus.records import Appended, Effect, Next, Turn, Usage
from horos_runtime.desk import Answer, Desk
from horos_runtime.journal import Journal
from horos_runtime.records import Record, ToolCall, dump, load, tool_record
from horos_runtime.retention import keep_from
from horos_runtime.wakes import CutTurnError

log: Final = logging.getLogger(__name__)


class TurnLog:
    """The only writer of an open turn's records; `journal` follows what Redis has."""

    def __init__(self, desk: Desk, turn: Turn, journal: Journal) -> None:
        self._desk = desk
        self.turn = turn
        self.journal = journal

    @classmethod
    async def open(cls, desk: Desk, turn: Turn) -> "TurnLog":
        """Load the records of the turn's thread, and what its mentions point to; raises BusError."""
        context = await desk.patience(lambda: desk.contexts.load(turn.thread, turn.base, turn.journal))
        opened = cls(desk, turn, Journal(turn, context, desk.agent))
        await opened._hear(turn.inputs)
        return opened

    async def _hear(self, messages: Sequence[Message]) -> None:
        unread: dict[str, Unread] = {}
        for mention, before in self.journal.to_read(messages):
            unread[mention.mid] = await self._read(mention, before)
        self.journal.hear(messages, unread)

    async def _read(self, mention: Message, before: Sequence[Message]) -> Unread:
        return await self._desk.patience(lambda: self._desk.groups.unread(mention, before))

    async def append(
        self,
        entries: Sequence[Record],
        effects: Sequence[Effect] = (),
        offloaded: Mapping[str, bytes] = NOTHING_OFFLOADED,
    ) -> None:
        """Store a step with what its bus tools do; raises CutTurnError when a person cancelled the turn.

        `offloaded` are the results of which records show only a part, by the records' absolute indexes.
        """
        used = self._desk.meter.pending
        appended = await self._desk.patience(lambda: self._append(entries, effects, offloaded, used))
        self._desk.meter.written(used)
        self.journal.saved([load(entry) for entry in appended.stored])
        await self._hear(appended.joined)
        self._desk.pulse.beat()
        if appended.cancel:
            raise CutTurnError

    async def _append(
        self,
        entries: Sequence[Record],
        effects: Sequence[Effect],
        offloaded: Mapping[str, bytes],
        used: Usage,
    ) -> Appended:
        return await self._desk.messages.append(
            self.turn.id,
            self.journal.length,
            [dump(entry) for entry in entries],
            effects,
            usage=used,
            day=self._desk.meter.today,
            offloaded=offloaded,
        )

    async def commit(self, answer: Answer) -> Next:
        """Close the turn: context, answers and acknowledgements in one step; returns what comes next."""
        journal, used = self.journal, self._desk.meter.pending
        kept = keep_from(journal.context)
        following = await self._desk.patience(
            lambda: self._desk.messages.commit(
                self.turn.id,
                journal.length,
                [dump(entry) for entry in answer.records],
                answer.ending,
                used,
                day=self._desk.meter.today,
                keep_from=kept or None,
            )
        )
        self._desk.meter.written(used)
        journal.saved(answer.records)
        # Not of the turn that closed: Redis keeps all of it.
        journal.context.forget_before(min(kept, self.turn.base))
        log.info("turn finished", extra={"about": {"turn": self.turn.id, "thread": self.turn.thread}})
        return following

    def spoken(self, text: str) -> Record:
        """Build an assistant's record of ours."""
        return {"role": "assistant", "content": text, "run": self.turn.id, "by": self._desk.token}

    def approved_step(self, calls: Sequence[ToolCall]) -> Record:
        """Build the step with the calls that people have approved."""
        return {**self.spoken(""), "tool_calls": list(calls), "approved": True}

    def result(self, call: ToolCall, text: str) -> Record:
        """Build the one result of a call."""
        return tool_record(call["id"], text, self.turn.id, self._desk.token)
