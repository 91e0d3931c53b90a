"""What people are asked: whether a tool may be called, and what a tool server wants to know in a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import orjson

from horos_api.messages import Verdict

Kind: TypeAlias = Literal["call", "elicitation"]
Outcome: TypeAlias = Literal["DECIDED", "ALREADY", "NONE", "NOAGENT"]


@dataclass(frozen=True, slots=True)
class CallToApprove:
    """What a person sees of an `approve` effect, and how long there is to decide."""

    tool: str
    arguments: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Elicitation:
    """What a tool server asks a person for: values that fit `schema`, a JSON Schema as text."""

    id: str
    tool: str
    server: str
    message: str
    schema: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person decides, or has decided and the agent has not acted on yet. Times in ms since 1970.

    Of a `call` there are `arguments` (JSON text); it stays open until the turn that acts on the decision is
    committed. Of an `elicitation` there are `server`, `message` and `schema`, and when it is approved
    `content`, the values as JSON text; it ends with its turn. `status` is expired, with `who` empty, when
    nobody decided about a call before the deadline, withdrawn when the call no longer waits for its answer.
    """

    id: str
    kind: Kind
    thread: str
    turn: str
    tool: str
    status: Literal["pending", "approved", "denied", "expired", "withdrawn"]
    asked: int
    deadline: int
    arguments: str = ""
    server: str = ""
    message: str = ""
    schema: str = ""
    who: str = ""
    reason: str = ""
    content: str = ""
    decided: int = 0

    @property
    def agent(self) -> str:
        """The agent that waits: every id begins with its name."""
        return self.id.partition("/")[0]

    @property
    def verdict(self) -> Verdict | None:
        """How it was decided; None when it is not."""
        if self.status in ("pending", "withdrawn"):
            return None
        return Verdict.APPROVE if self.status == "approved" else Verdict.DENY


@dataclass(frozen=True, slots=True)
class Decided:
    """The answer to a decision.

    DECIDED: it is stored. ALREADY: somebody (or the deadline) was first, `approval` says who and how; a
    repeat of the same decision gets that, too. NONE: nothing of this id is open, nor was within the last
    hour. NOAGENT: the agent is gone or terminated.
    """

    outcome: Outcome
    approval: Approval | None = None


def approval(approval_id: str, kind: Kind, stored: bytes) -> Approval:
    """Decode what the scripts store."""
    values = orjson.loads(stored)
    values.pop("call", None)
    for name in ("asked", "deadline", "decided"):
        values[name] = int(values.get(name, 0))
    return Approval(id=approval_id, kind=kind, **values)


def decided(approval_id: str, answer: Sequence[Any]) -> Decided:
    """Decode what `decide` returns."""
    match answer:
        case [b"DECIDED", kind, stored]:
            return Decided("DECIDED", approval(approval_id, _kind(kind), stored))
        case [b"ALREADY", kind, stored]:
            return Decided("ALREADY", approval(approval_id, _kind(kind), stored))
        case [b"NOAGENT"]:
            return Decided("NOAGENT")
    return Decided("NONE")


def _kind(word: bytes) -> Kind:
    return "elicitation" if word == b"elicitation" else "call"
