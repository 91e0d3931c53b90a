"""The journal of an open turn as this runtime knows it: what Redis has, and what goes with the next step."""

from collections.abc import Mapping, Sequence

from horos_api.messages import Message, MessageKind
from horos_bus.group_reading import Unread
from horos_bus.records import Turn
from horos_runtime.approvals import approved_calls, decision_record
from horos_runtime.context import Context
from horos_runtime.group_messages import mention_record
from horos_runtime.records import Record, ToolCall, missing_calls, user_record


class Journal:
    """Follows one turn's records; `context` holds what was committed before it, too."""

    def __init__(self, turn: Turn, context: Context, agent: str) -> None:
        self._turn = turn
        self._agent = agent
        self.context = context
        self._inputs: list[Message] = []
        self._unsaved: list[Record] = []

    def to_read(self, messages: Sequence[Message]) -> list[tuple[Message, list[Message]]]:
        """List the mentions among new inputs that no record tells of, each with all inputs before it."""
        inputs = [*self._inputs, *self._new(messages)]
        told = self._told()
        return [
            (message, inputs[:index])
            for index, message in enumerate(inputs)
            if message.kind == MessageKind.MENTION and message.mid not in told
        ]

    def hear(self, messages: Sequence[Message], unread: Mapping[str, Unread]) -> None:
        """Take in inputs of the turn; `unread` is what those of `to_read` point to, by their mids."""
        told = self._told()
        self._unsaved += [self._record(each, unread) for each in messages if each.mid not in told]
        self._inputs += self._new(messages)

    def _new(self, messages: Sequence[Message]) -> list[Message]:
        known = {message.mid for message in self._inputs}
        return [message for message in messages if message.mid not in known]

    def _told(self) -> set[str]:
        return {record["mid"] for record in (*self.own, *self._unsaved) if "mid" in record}

    def _record(self, message: Message, unread: Mapping[str, Unread]) -> Record:
        run = self._turn.id
        if message.kind == MessageKind.MENTION:
            return mention_record(message, unread[message.mid], run, self._agent)
        return decision_record(message, run) if message.verdict else user_record(message, run)

    @property
    def unsaved(self) -> list[Record]:
        """User records that go with the next step."""
        return self._unsaved

    @property
    def inputs(self) -> list[Message]:
        """All messages that this turn answers."""
        return self._inputs

    @property
    def length(self) -> int:
        """The absolute index of the next record."""
        return self.context.end

    @property
    def next_message_id(self) -> str:
        """The id of the assistant's next message: turn and absolute index of its record."""
        return f"{self._turn.id}/{self.length + len(self._unsaved)}"

    @property
    def rounds(self) -> int:
        """How many steps of this turn asked for tools; what people approved was asked for before it."""
        return sum(1 for record in self.own if record.get("tool_calls") and not record.get("approved"))

    @property
    def approved(self) -> list[ToolCall]:
        """The calls that people have approved, and of which no record tells yet."""
        unsaved = {record["mid"] for record in self._unsaved}
        return approved_calls([message for message in self._inputs if message.mid in unsaved])

    @property
    def own(self) -> list[Record]:
        """The records of this turn that Redis has."""
        return self.context.since(self._turn.base)

    def last_step(self) -> tuple[int, Record] | None:
        """Find the turn's newest assistant record that Redis has, with its absolute index."""
        for distance, record in enumerate(reversed(self.own), 1):
            if record["role"] == "assistant":
                return self.length - distance, record
        return None

    def missing(self) -> list[ToolCall]:
        """List the calls of the last step that have no result."""
        return missing_calls(self.own)

    def saved(self, records: Sequence[Record]) -> None:
        """Note that Redis has these records."""
        self.context.extend(records)
        stored = {record.get("mid") for record in records if record["role"] == "user"}
        self._unsaved = [record for record in self._unsaved if record["mid"] not in stored]
