"""What scripts answer, turned into records. Redis speaks bytes; names and bodies become text here."""

from collections.abc import Sequence
from typing import Any

from horos_api.agent_state import AgentState
from horos_api.messages import Message, MessageKind
from horos_bus.connection import BusError
from horos_bus.records import (
    AgentView,
    FencedError,
    GoneError,
    Idle,
    Leave,
    LostError,
    Next,
    StaleError,
    TotalUsage,
    Turn,
)


def text(value: bytes) -> str:
    """Decode UTF-8; a foreign program's broken bytes must not stop the reader."""
    return value.decode("utf-8", errors="replace")


def fields(flat: Sequence[bytes]) -> dict[str, str]:
    """Decode a flat list of names and values."""
    return {text(flat[i]): text(flat[i + 1]) for i in range(0, len(flat), 2)}


def checked(answer: Sequence[Any], agent: str) -> Sequence[Any]:
    """Return a script's answer, or raise what it says: FENCED, LOST, GONE, STALE."""
    match answer[0]:
        case b"FENCED":
            holder = text(answer[1]) or "nobody"
            raise FencedError(f"agent {agent} is held by {holder}, no longer by this process")
        case b"LOST":
            raise LostError(f"the turn of agent {agent} is not the one that this process remembers")
        case b"GONE":
            raise GoneError(f"agent {agent} has no such life on the bus: it was deleted or never created")
        case b"STALE":
            raise StaleError(
                f"agent {agent} was claimed meanwhile (epoch {answer[1]}); this process is too late"
            )
    return answer


def message(entry: Sequence[Any]) -> Message:
    """Decode one inbox entry."""
    values = fields(entry[1])
    return Message(
        id=text(entry[0]),
        mid=values["mid"],
        sender=values["from"],
        sender_uid=values["fuid"],
        thread=values["thread"],
        kind=MessageKind(values["kind"]),
        re=values["re"],
        body=values["body"],
    )


def next_of(answer: Sequence[Any], agent: str) -> Next:
    """Decode what `next` and `commit` return."""
    match checked(answer, agent):
        case [b"EMPTY", version]:
            return Idle(version)
        case [b"LEAVE", b"paused"]:
            return Leave("paused")
        case [b"LEAVE", b"evict"]:
            return Leave("evict")
        case [b"TURN", turn, thread, base, attempt, version, inputs, journal]:
            return Turn(
                id=text(turn),
                thread=text(thread),
                base=base,
                attempt=attempt,
                version=version,
                inputs=tuple(message(entry) for entry in inputs),
                journal=tuple(journal),
            )
    raise BusError(f"a script answered {answer!r}; are the scripts of another version in use?")


def view(name: str, answer: Sequence[Any]) -> AgentView | None:
    """Decode one entry of `view`; None = no such agent."""
    state = fields(answer[0])
    if "uid" not in state:
        return None
    return AgentView(
        name=name,
        uid=state["uid"],
        state=AgentState(state["state"]),
        holder=state["holder"],
        epoch=int(state["epoch"]),
        turn=state["turn"],
        thread=state["thread"],
        version=int(state["version"]),
        reason=state["reason"],
        message=state["message"],
        waiting=answer[1],
        evict=state["evict"] == "1",
        in_work=answer[2] == 1,
        usage=TotalUsage(
            turns=int(state.get("turns", 0)),
            prompt_tokens=int(state.get("prompt_tokens", 0)),
            completion_tokens=int(state.get("completion_tokens", 0)),
        ),
    )
