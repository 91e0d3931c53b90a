"""The journal of an open turn as this runtime knows it: what Redis has, and what goes with the next step."""

from collections.abc import Sequence

from horos_api.messages import Message
from horos_bus.records import Appended, Turn
from horos_runtime.approvals import approved_calls, decision_record
from horos_runtime.context import Context
from horos_runtime.records import Record, ToolCall, load, missing_calls, user_record


class Journal:
    """Follows one turn's records; `context` holds what was committed before it, too."""

    def __init__(self, turn: Turn, context: Context) -> None:
        self._turn = turn
        self.context = context
        self._inputs = list(turn.inputs)
        noted = {record.get("mid") for record in self.own}
        self._unsaved = [_told(message, turn.id) for message in turn.inputs if message.mid not in noted]

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

    def appended(self, appended: Appended) -> None:
        """Take in what Redis stored, and the messages that joined the turn."""
        self.saved([load(entry) for entry in appended.stored])
        known = {record.get("mid") for record in self._unsaved}
        for message in appended.joined:
            if message.mid not in known:
                self._unsaved.append(_told(message, self._turn.id))
        inputs = {message.mid for message in self._inputs}
        self._inputs += [message for message in appended.joined if message.mid not in inputs]

    def saved(self, records: Sequence[Record]) -> None:
        """Note that Redis has these records."""
        self.context.extend(records)
        stored = {record.get("mid") for record in records if record["role"] == "user"}
        self._unsaved = [record for record in self._unsaved if record["mid"] not in stored]


def _told(message: Message, run: str) -> Record:
    return decision_record(message, run) if message.verdict else user_record(message, run)
