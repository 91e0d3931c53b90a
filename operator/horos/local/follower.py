"""One agent of a society as a person follows it: its events in, lines of the conversation out. Pure."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from horos.decision_words import decided_words, how_to_decide, short, short_arguments, what_is_asked
from horos.usage_words import used_up_words
from horos_api.conditions import Reason
from horos_api.events import EventType
from horos_api.names import DEFAULT_THREAD, group_of_thread

WAITS: Final = "waits for others"


class LineKind(StrEnum):
    """What a line of the conversation is."""

    SAID = "said"
    """What an agent said; whoever waits for it gets this text."""
    TOLD = "told"
    """What an agent told or asked another one, or a group."""
    TOOL = "tool"
    """A tool that was used, with its result."""
    NOTE = "note"
    """Something beside the conversation."""
    ASK = "ask"
    """Something that a person has to decide."""
    ERROR = "error"
    """Something that somebody may have to repair."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that an agent did; `to` is whom it was said to, `where` the thread if it is not `main`."""

    kind: LineKind
    agent: str
    text: str
    to: str = ""
    where: str = ""


@dataclass
class _Call:
    name: str
    thread: str
    arguments: str = ""


@dataclass
class Follower:
    """Follows one agent from its first event, or from any later one.

    `doing` says in a few words what it does now, `speaking` is the text that it has begun to say, `tokens`
    what its models have read and written for it, `turns` how many turns it has finished.
    """

    agent: str
    doing: str = "new"
    speaking: str = ""
    tokens: int = 0
    turns: int = 0
    where: str = ""
    _calls: dict[str, _Call] = field(default_factory=dict)
    _message: str = ""
    _trouble: str = ""
    _owes: bool = False

    @property
    def is_busy(self) -> bool:
        """Whether it is in a turn, or on its way to one."""
        return self.doing not in ("new", "idle", "hibernated", "suspended", "ended", WAITS)

    def _resting(self) -> str:
        return WAITS if self._owes else "idle"

    def feed(self, event: dict[str, Any]) -> list[Line]:
        """Take the next event and return what it adds to the conversation."""
        kind = str(event.get("type"))
        if kind == EventType.RUN_STARTED:
            self.where = _place(str(event.get("threadId", DEFAULT_THREAD)))
            self.doing, self.speaking, self._owes = "thinks", "", False
        elif kind == EventType.RUN_FINISHED:
            self.doing, self.speaking = self._resting(), ""
        elif kind.startswith("TEXT_MESSAGE_"):
            return self._text(kind, event)
        elif kind.startswith("TOOL_CALL_"):
            return self._tool(kind, event)
        elif kind == EventType.STATE_SNAPSHOT:
            return self._state(event.get("snapshot") or {})
        elif kind == EventType.RUN_ERROR:
            return self._wrong(str(event.get("code") or ""), str(event.get("message") or ""))
        elif kind == EventType.CUSTOM:
            return self._custom(str(event.get("name")), event.get("value") or {})
        return []

    def _text(self, kind: str, event: dict[str, Any]) -> list[Line]:
        if kind == EventType.TEXT_MESSAGE_START:
            self._message, self.speaking, self.doing = str(event.get("messageId")), "", "speaks"
        elif kind == EventType.TEXT_MESSAGE_CONTENT:
            self.speaking += str(event.get("delta", ""))
        else:
            said, self.speaking, self.doing = self.speaking, "", "thinks"
            return [self._line(LineKind.SAID, said)] if said.strip() else []
        return []

    def _tool(self, kind: str, event: dict[str, Any]) -> list[Line]:
        key = str(event.get("toolCallId"))
        if kind == EventType.TOOL_CALL_START:
            self._calls[key] = _Call(str(event.get("toolCallName")), self.where)
        elif kind == EventType.TOOL_CALL_ARGS and key in self._calls:
            self._calls[key].arguments += str(event.get("delta", ""))
        elif kind == EventType.TOOL_CALL_END and key in self._calls:
            self.doing = f"uses {self._calls[key].name}"
        elif kind == EventType.TOOL_CALL_RESULT:
            call = self._calls.pop(key, None)
            self.doing = "thinks"
            return self._used(call, str(event.get("content", ""))) if call else []
        return []

    def _used(self, call: _Call, result: str) -> list[Line]:
        """Say what a tool did; what was said to others is shown as that, when it went out."""
        arguments = _arguments(call.arguments)
        to, text = _addressed(call.name, arguments)
        if to and not result.startswith("error"):
            return [self._line(LineKind.TOLD, text, to)]
        used = f"{call.name}({short_arguments(call.arguments)}) → {short(result) or 'done'}"
        return [self._line(LineKind.TOOL, used)]

    def _state(self, snapshot: dict[str, Any]) -> list[Line]:
        state = str(snapshot.get("state"))
        if state == "error":
            return self._wrong(str(snapshot.get("reason") or ""), str(snapshot.get("message") or ""))
        self._trouble = ""
        self.doing = {
            "idle": self._resting(),
            "running": "thinks",
            "paused": "suspended",
            "terminated": "ended",
        }.get(state, state)
        if state == "terminated":
            done = snapshot.get("reason") == Reason.TASK_DONE
            return [self._line(LineKind.NOTE, "has done its task" if done else "has ended")]
        return []

    def _wrong(self, reason: str, message: str) -> list[Line]:
        """Tell an error once: a failed turn tells it as an event and as a state."""
        trouble = ": ".join(part for part in (reason, message) if part) or "it is in error"
        told, self._trouble, self.doing = self._trouble, trouble, "in error"
        return [] if trouble == told else [self._line(LineKind.ERROR, trouble)]

    def _custom(self, name: str, value: dict[str, Any]) -> list[Line]:
        if name == "usage":
            self.turns = int(value.get("turns", 0))
            self.tokens = int(value.get("promptTokens", 0)) + int(value.get("completionTokens", 0))
        elif name in ("wake", "resident", "hibernated"):
            rest = WAITS if self._owes else "hibernated"
            self.doing = {"wake": "wakes up", "resident": self._resting(), "hibernated": rest}[name]
        elif name == "owes":
            self._owes, self.doing = True, WAITS
        elif name == "discard" and value.get("messageId") == self._message:
            self.speaking = ""
        elif name in ("approval", "elicitation"):
            return [self._decision(value)]
        words = _words(name, value)
        return [self._line(LineKind.NOTE, words)] if words else []

    def _decision(self, value: dict[str, Any]) -> Line:
        if value.get("status") == "pending":
            how = how_to_decide(str(value.get("id")), str(value.get("schema", "")))
            return self._line(LineKind.ASK, f"{what_is_asked(value)}: {how}")
        who, reason = str(value.get("who", "")), str(value.get("reason", ""))
        return self._line(
            LineKind.NOTE, f"{value.get('tool')}: {decided_words(str(value.get('status')), who, reason)}"
        )

    def _line(self, kind: LineKind, text: str, to: str = "") -> Line:
        return Line(kind, self.agent, text.strip(), to, self.where)


def _words(name: str, value: dict[str, Any]) -> str:
    """Say what is worth a line beside the conversation; '' for all else."""
    reason = str(value.get("reason") or "")
    if name == "reply":
        return f"did not answer: {value['error']}" if value.get("error") else ""
    return {
        "retry": f"{reason}; next try in {value.get('seconds')} s",
        "fallback": f"the model {value.get('model')} answers instead: {reason}",
        "repair": f"the model's answer could not be used and is asked for anew: {reason}",
        "budget": used_up_words(str(value.get("exhausted"))),
        "dead": f"gave up a message: {reason}",
        "toolProblem": str(value.get("message") or ""),
        "discard": reason,
        "resumed": "goes on in a new process",
        "deleted": "is gone",
    }.get(name, "")


def _arguments(raw: str) -> dict[str, Any]:
    try:
        found = json.loads(raw or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _addressed(tool: str, arguments: dict[str, Any]) -> tuple[str, str]:
    """Whom a built-in tool speaks to, and what it says; ('', '') for every other tool."""
    text = str(arguments.get("text", ""))
    match tool:
        case "send" | "ask":
            return str(arguments.get("to", "")), text
        case "reply":
            return "whoever asked", text
        case "broadcast":
            return f"@{arguments.get('group', '')}", text
        case "create_agent":
            task = str(arguments.get("task") or "")
            return str(arguments.get("name", "")), f"(new) {task or arguments.get('instructions', '')}"
    return "", ""


def _place(thread: str) -> str:
    """Name the conversation, unless it is the usual one."""
    if thread == DEFAULT_THREAD:
        return ""
    group = group_of_thread(thread)
    return f"@{group}" if group else thread
