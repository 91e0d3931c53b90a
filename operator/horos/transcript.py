"""Events of an agent in, what a person reads out: a pure step between the stream and the terminal."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from horos.decision_words import decided_words, how_to_decide, short, short_arguments, span, what_is_asked
from horos.usage_words import used_up_words
from horos_api.events import EventType


class PieceKind(StrEnum):
    """What a piece of output is."""

    TEXT = "text"
    """Streamed text of the agent; `text` may be any fragment."""
    END = "end"
    """The agent's message is complete."""
    CALL = "call"
    """A tool was asked for; `key` is the call."""
    RESULT = "result"
    """The tool answered; `key` is the call."""
    NOTE = "note"
    """Something beside the answer."""
    ASK = "ask"
    """Something that a person has to decide; `key` is its id."""
    DECIDED = "decided"
    """It is decided, or no longer asked for; `key` is its id."""
    ERROR = "error"
    """Something that somebody may have to repair."""


@dataclass(frozen=True)
class Piece:
    """One thing to show."""

    kind: PieceKind
    text: str = ""
    key: str = ""


class Transcript:
    """Follows one message of a person until its reply.

    Events before the message was taken into a turn are not shown: they belong to somebody else's. `taken`
    says that this has happened already.
    """

    def __init__(self, message: str, *, taken: bool = False) -> None:
        self.message = message
        self.reply: str | None = None
        """The text of the reply, once it is there."""
        self.refused = ""
        """Why there will be no reply, once that is known."""
        self.run = ""
        """The turn that has the message now, to cancel it."""
        self._taken = taken
        self._told_busy = False
        self._texts: dict[str, str] = {}
        self._thoughts = ""
        self._last = ""
        self._calls: dict[str, _Call] = {}
        self._state: list[Piece] = []
        self._found: list[Piece] = []

    def find(self, snapshot: dict[str, Any]) -> list[Piece]:
        """Take the state that the agent was found in, before any event."""
        self._found = state_pieces(snapshot)
        return self._found

    def feed(self, event: dict[str, Any]) -> list[Piece]:
        """Take the next event and return what it adds to the picture."""
        kind = event.get("type")
        if kind == EventType.STATE_SNAPSHOT:
            return self._new(state_pieces(event.get("snapshot") or {}))
        if kind == EventType.CUSTOM:
            name, value = str(event.get("name")), event.get("value") or {}
            if name in ("approval", "elicitation"):
                return [decision_piece(value, value.get("deadline", 0) - event.get("timestamp", 0))]
            return self._custom(name, value)
        if kind == EventType.RUN_STARTED:
            return self._started(event)
        return self._of_turn(event) if self._taken else []

    def answered(self, text: str) -> list[Piece]:
        """Take the reply; shows its text unless that is what was streamed last."""
        self.reply = text
        if text == self._last:
            return []
        return [Piece(PieceKind.TEXT, text), Piece(PieceKind.END)]

    def _of_turn(self, event: dict[str, Any]) -> list[Piece]:
        kind = str(event.get("type"))
        if kind.startswith("TEXT_MESSAGE_"):
            return self._text(event)
        if kind.startswith("REASONING_"):
            return self._thought(event)
        if kind == EventType.RUN_FINISHED:
            self.run = ""  # what is owed now comes in a later turn
            return []
        if kind == EventType.RUN_ERROR:
            return self._new([Piece(PieceKind.ERROR, _reason(event.get("code"), event.get("message")))])
        return self._tool(event)

    def _new(self, pieces: list[Piece]) -> list[Piece]:
        """Drop what was said last already: a failed turn tells its reason as an event and as a state.

        What the agent was found in may be the end of events that are still to come: it is dropped once.
        """
        if pieces == self._state:
            return []
        self._state = pieces
        if pieces == self._found:
            self._found = []
            return []
        return pieces

    def _started(self, event: dict[str, Any]) -> list[Piece]:
        if self.message in (event.get("metadata") or {}).get("mids", ()):
            self._taken, self.run = True, str(event.get("runId", ""))
        elif self._taken:
            # The thread owes an answer from before: this turn may bring it.
            self.run = str(event.get("runId", ""))
        elif not self._told_busy:
            self._told_busy = True
            return [Piece(PieceKind.NOTE, "the agent is busy with an earlier message; yours is next")]
        return []

    def _custom(self, name: str, value: dict[str, Any]) -> list[Piece]:
        mine = self.message in value.get("mids", ())
        if name == "joined" and mine:
            self._taken, self.run = True, str(value.get("runId", ""))
        elif name == "reply" and value.get("re") == self.message:
            if "error" not in value:
                return self.answered(str(value.get("text", "")))
            self.refused = str(value["error"])
        elif name == "deleted":
            self.refused = "the agent was deleted"
        elif name == "returned" and mine:
            self._taken, self.run = False, ""
        elif name == "discard" and self._taken:
            self._texts.pop(str(value.get("messageId")), None)
        note = self._note(name, value, mine=mine)
        return [Piece(PieceKind.NOTE, note)] if note else []

    def _note(self, name: str, value: dict[str, Any], *, mine: bool) -> str:
        if name == "gap":
            return "some events are gone; the reply will be shown whole"
        if mine:
            return {
                "owes": "the agent waits for others or for a decision; it answers then",
                "returned": "the agent's process died over an earlier message; yours is next",
            }.get(name, "")
        if not self._taken:
            return ""
        return {
            "discard": str(value.get("reason") or ""),
            "retry": f"{value.get('reason')}; next try in {value.get('seconds')} s",
            "fallback": f"the model {value.get('model')} answers instead: {value.get('reason')}",
            "repair": f"the model's answer could not be used and is asked for anew: {value.get('reason')}",
            "resumed": "the agent moved to a new pod and goes on",
            "budget": used_up_words(str(value.get("exhausted"))),
            "order": _order_words(value),
            "compaction": "the older part of the conversation was shortened to fit the model",
            "toolProblem": str(value.get("message") or ""),
            "progress": str(value.get("text") or ""),
        }.get(name, "")

    def _thought(self, event: dict[str, Any]) -> list[Piece]:
        """Thoughts are beside the answer: one line when they are complete."""
        kind = event["type"]
        if kind == EventType.REASONING_MESSAGE_START:
            self._thoughts = ""
        elif kind == EventType.REASONING_MESSAGE_CONTENT:
            self._thoughts += str(event.get("delta", ""))
        elif kind == EventType.REASONING_MESSAGE_END and self._thoughts.strip():
            return [Piece(PieceKind.NOTE, f"thought: {short(self._thoughts)}")]
        return []

    def _text(self, event: dict[str, Any]) -> list[Piece]:
        message = str(event.get("messageId"))
        if event["type"] == EventType.TEXT_MESSAGE_START:
            self._texts[message] = ""
            return []
        if event["type"] == EventType.TEXT_MESSAGE_END:
            self._last = self._texts.pop(message, "")
            return [Piece(PieceKind.END)] if self._last else []
        delta = str(event.get("delta", ""))
        self._texts[message] = self._texts.get(message, "") + delta
        return [Piece(PieceKind.TEXT, delta)]

    def _tool(self, event: dict[str, Any]) -> list[Piece]:
        key = str(event.get("toolCallId"))
        kind = event.get("type")
        if kind == EventType.TOOL_CALL_START:
            self._calls[key] = _Call(str(event.get("toolCallName")))
        elif kind == EventType.TOOL_CALL_ARGS and key in self._calls:
            self._calls[key].arguments += str(event.get("delta", ""))
        elif kind == EventType.TOOL_CALL_END and key in self._calls:
            call = self._calls[key]
            return [Piece(PieceKind.CALL, f"{call.name}({short_arguments(call.arguments)})", key)]
        elif kind == EventType.TOOL_CALL_RESULT:
            # The result of a call from before the message was taken says nothing without its call.
            if self._calls.pop(key, None) is None:
                return []
            return [Piece(PieceKind.RESULT, short(str(event.get("content", ""))) or "done", key)]
        return []


@dataclass
class _Call:
    name: str
    arguments: str = ""


def decision_piece(asked: dict[str, Any], milliseconds: float) -> Piece:
    """Say what a person has to decide within that time, and how; or how it was decided."""
    key = str(asked.get("id"))
    if asked.get("status") == "pending":
        how = how_to_decide(key, str(asked.get("schema", "")))
        left = f"within {span(milliseconds / 1000)}"
        return Piece(PieceKind.ASK, f"? {what_is_asked(asked)}: {how} {left}", key)
    said = decided_words(str(asked.get("status")), str(asked.get("who", "")), str(asked.get("reason", "")))
    return Piece(PieceKind.DECIDED, f"{asked.get('tool')}: {said}", key)


def state_pieces(snapshot: dict[str, Any]) -> list[Piece]:
    """Say what a state means for whoever waits; nothing for an agent that is at work or ready for it."""
    state = snapshot.get("state")
    if state == "error":
        return [Piece(PieceKind.ERROR, _reason(snapshot.get("reason"), snapshot.get("message")))]
    if state == "paused":
        return [Piece(PieceKind.NOTE, "the agent is suspended; it answers after `horos resume`")]
    return []


def _reason(reason: object, message: object) -> str:
    return ": ".join(str(part) for part in (reason, message) if part) or "the agent is in error"


def _order_words(value: dict[str, Any]) -> str:
    what = f"{str(value.get('kind')).replace('_', ' ')} {value.get('name')}"
    return f"asks the operator: {what}" if value.get("status") == "asked" else ""
