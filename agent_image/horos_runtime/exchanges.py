"""Records as the model reads them, in units that are never torn apart: a step with all its results.

Pure. Every call has exactly one result right behind its step, whatever the records hold.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import orjson

from horos_api.messages import MessageKind
from horos_runtime.approvals import short_id
from horos_runtime.records import Record, ToolCall
from horos_runtime.shortening import trimmed
from horos_runtime.token_estimates import ChatMessage, message_tokens

NO_RESULT: Final = "error: this call was given up; its outcome is unknown"


@dataclass(frozen=True)
class Exchange:
    """What is shown or left out as a whole: a question, an answer, or a round of tool calls.

    `start` is the absolute index of its first record, `run` the turn that it belongs to, `sender` what
    a question came from if not from people (`agent ada`, `group review`); `decision` says that a question is
    none, but what a person decided.
    """

    start: int
    kind: Literal["question", "answer", "round"]
    run: str
    messages: tuple[ChatMessage, ...]
    sender: str = ""
    decision: bool = False

    @cached_property
    def tokens(self) -> int:
        """What it costs as it is."""
        return sum(map(message_tokens, self.messages))

    @cached_property
    def trimmed(self) -> "Exchange":
        """The same with long results and arguments shown in part."""
        if self.kind != "round":
            return self
        short = tuple(map(trimmed, self.messages))
        return self if short == self.messages else Exchange(self.start, self.kind, self.run, short)


def question(record: Record, start: int) -> Exchange:
    """Show a message to the agent, or what it has not read of a group."""
    above = heading(record)
    content = f"{above}\n{record['content']}" if above else record["content"]
    message = {"role": "user", "content": content}
    decision = "verdict" in record
    return Exchange(start, "question", record.get("run", ""), (message,), _sender(record), decision)


def _sender(record: Record) -> str:
    if group := record.get("group"):
        return f"group {group}"
    sender = "" if "verdict" in record else record.get("from")
    return f"agent {sender}" if sender else ""


class ExchangeList:
    """The exchanges of a growing list of records; adding a record never changes but the last of them."""

    def __init__(self) -> None:
        self.items: list[Exchange] = []
        self._step: Record | None = None
        self._results: list[Record] = []
        self._open: list[str] = []

    def extend(self, records: Iterable[Record], start: int) -> None:
        """Add records, the first of them at the absolute index `start`."""
        for index, record in enumerate(records, start):
            match record["role"]:
                case "tool":
                    self._add_result(record)
                case "user":
                    self._step = None
                    self.items.append(question(record, index))
                case "assistant":
                    self._add_step(record, index)

    def drop_before(self, index: int) -> None:
        """Forget what begins before an absolute index."""
        self.items = [exchange for exchange in self.items if exchange.start >= index]

    def _add_step(self, record: Record, index: int) -> None:
        self._step, self._results = record, []
        self._open = [call["id"] for call in record.get("tool_calls", [])]
        self.items.append(_exchange(record, [], index))

    def _add_result(self, record: Record) -> None:
        call_id = record.get("tool_call_id", "")
        if self._step is None or call_id not in self._open or not self.items:
            return
        self._open.remove(call_id)
        self._results.append(record)
        self.items[-1] = _exchange(self._step, self._results, self.items[-1].start)


def _exchange(step: Record, results: Sequence[Record], start: int) -> Exchange:
    said: ChatMessage = {"role": "assistant", "content": step["content"]}
    calls = step.get("tool_calls")
    if not calls:
        return Exchange(start, "answer", step.get("run", ""), (said,))
    # The ids of approvals are longer than what servers accept.
    shown = {call["id"]: short_id(call["id"]) if step.get("approved") else call["id"] for call in calls}
    said["tool_calls"] = [_with_json_arguments({**call, "id": shown[call["id"]]}) for call in calls]
    missing = [call["id"] for call in calls]
    for result in results:
        missing.remove(result["tool_call_id"])
    told = [_result(shown[result["tool_call_id"]], result["content"]) for result in results]
    told += [_result(shown[call_id], NO_RESULT) for call_id in missing]
    return Exchange(start, "round", step.get("run", ""), (said, *told))


def _result(call_id: str, content: str) -> ChatMessage:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def heading(record: Record) -> str:
    """Say what stands above the message of an agent, so that the model knows who wants what."""
    sender, re = record.get("from", ""), record.get("re", "")
    if group := record.get("group"):
        return (
            f"[group {group} has called you: unread messages, the oldest first. What you say at the end of "
            "this turn is posted to the group, and wakes nobody.]"
        )
    if "verdict" in record:
        return f"[decision about your call, approval {re}]"
    return _heading_of_agent(record, sender, re) if sender else ""


def _heading_of_agent(record: Record, sender: str, re: str) -> str:
    match record.get("kind"):
        case MessageKind.REQUEST:
            return f"[request {record['mid']} from agent {sender}]"
        case MessageKind.REPLY if record.get("error"):
            return f"[no answer from agent {sender} to your request {re}]"
        case MessageKind.REPLY:
            return f"[answer of agent {sender} to your request {re}]"
    return f"[message from agent {sender}]"


def _with_json_arguments(call: ToolCall) -> ToolCall:
    """Servers that fill a template with the arguments fail on text that is no JSON object."""
    function = call["function"]
    try:
        if isinstance(orjson.loads(function["arguments"]), dict):
            return call
    except ValueError:
        pass
    return {"id": call["id"], "type": "function", "function": {"name": function["name"], "arguments": "{}"}}
