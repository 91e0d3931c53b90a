"""Calls that wait for a person: what is asked, what the model reads meanwhile, and what a decision becomes.

Pure. The turn does not wait: the call gets a result at once, and the decision is a later message.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import orjson

from horos_api.messages import Message, SendOutcome, Verdict
from horos_bus.approvals import CallToApprove
from horos_bus.records import Effect
from horos_runtime.records import Record, ToolCall, dump
from horos_runtime.repetition import call_key
from horos_runtime.shortening import shorten
from horos_runtime.tools import Approval

ARGUMENTS_BYTES: Final = 400
"""How much of a call's arguments the message about its decision repeats."""
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


def approval_effect(call: ToolCall, approval: Approval, approval_id: str, result: Record) -> Effect:
    """Build what asks a person about a call; `result` is the call's one result, still without its text."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    waits: Record = {**result, "content": _waits(name, approval_id), "approval": approval_id}
    refused: Record = {
        **result,
        "content": f"error: {name} was not called: too many calls wait for approval already; end your turn "
        "and wait for the decisions",
    }
    return Effect(
        kind="approve",
        body=orjson.dumps(call).decode(),
        approve=CallToApprove(name, arguments, approval.seconds),
        results={SendOutcome.OK: dump(waits), SendOutcome.LIMIT: dump(refused)},
    )


def _waits(name: str, approval_id: str) -> str:
    return (
        f"{name} has not run yet: a person is asked whether it may (approval {approval_id}). The decision "
        "comes as a later message, and if it is approved this call is made then: do not make it again. Go on "
        "with what does not need its result, or end your turn and say what you wait for."
    )


def still_waits(name: str, approval_id: str) -> str:
    """Tell the model that this very call waits for a person already."""
    return (
        f"error: not asked again: the same call of {name} waits for a person already (approval "
        f"{approval_id}). The decision comes as a later message; end your turn if you need it."
    )


def waiting_for(records: Iterable[Record], call: ToolCall) -> str:
    """Find the approval that a call with this tool and these arguments waits for already; '' if none."""
    opened: dict[str, str] = {}
    waiting: dict[str, str] = {}
    for record in records:
        if record["role"] == "assistant":
            opened = {each["id"]: call_key(each) for each in record.get("tool_calls", [])}
        elif record["role"] == "tool" and "approval" in record:
            waiting[record["approval"]] = opened.get(record["tool_call_id"], "")
        elif mid := record.get("mid"):
            # The decision, or the notice that it could not be acted on.
            waiting.pop(mid.removesuffix("!dead").removesuffix("!decision"), None)
    return next((found for found, key in waiting.items() if key == call_key(call)), "")


def decision_record(message: Message, run: str) -> Record:
    """Turn a decision into what the model reads."""
    call = _stored_call(message)
    arguments = shorten(call["function"]["arguments"], ARGUMENTS_BYTES)
    says = f", who says: {message.reason}" if message.reason else ""
    if message.verdict == Verdict.APPROVE:
        told = f"Approved by {message.who}{says}\nThe call is made now, and its result follows: "
    elif message.who:
        told = (
            f"Denied by {message.who}{says}\nThe call was not made; do not make it again unless they ask for "
            "it: "
        )
    else:
        told = "Denied, since nobody decided in time.\nThe call was not made: "
    return {
        "role": "user",
        "content": f"{told}{call['function']['name']} {arguments}",
        "mid": message.mid,
        "from": message.who,
        "run": run,
        "kind": message.kind,
        "re": message.re,
        "verdict": message.verdict or Verdict.DENY,
    }


def approved_calls(messages: Sequence[Message]) -> list[ToolCall]:
    """List the calls that these messages approve; each has the id of its approval."""
    return [
        {**_stored_call(message), "id": message.re}
        for message in messages
        if message.verdict == Verdict.APPROVE
    ]


def short_id(approval_id: str) -> str:
    """Name an approved call to a model: nine letters and digits are what all servers accept."""
    number = int.from_bytes(hashlib.sha256(approval_id.encode()).digest()[:8])
    letters = []
    for _ in range(9):
        number, letter = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return "".join(letters)


def _stored_call(message: Message) -> ToolCall:
    call: ToolCall = orjson.loads(message.body)
    return call
