"""Agents as bodies: pure functions of what the bus said."""

from typing import Any

from horos_api.agent_state import AgentState
from horos_api.budgets import utc_time
from horos_api.messages import Message
from horos_bus.agent_view import AgentView
from horos_bus.operating import Place
from horos_bus.records import DeadLetter
from horos_gateway.bodies import AgentBody, DeadLetterBody, InboxMessageBody, QueueBody, Residency
from horos_gateway.budget_bodies import usage_body


def residency_of(view: AgentView, place: Place | None) -> Residency:
    """Say whether a process has the agent, or else whether it needs one."""
    if view.holder:
        return Residency.RESIDENT
    if view.state in (AgentState.PAUSED, AgentState.TERMINATED):
        return Residency.HIBERNATED  # the queue may still have it for a moment
    unborn = view.epoch == 0
    return Residency.QUEUED if place or view.in_work or unborn else Residency.HIBERNATED


def agent_fields(view: AgentView, place: Place | None) -> dict[str, Any]:
    """Fill in an AgentBody, or the part of another body that is one."""
    residency = residency_of(view, place)
    return {
        "name": view.name,
        "state": view.state,
        "residency": residency,
        "resident": residency is Residency.RESIDENT,
        "leaving": view.evict and residency is Residency.RESIDENT,
        "queue": _queue(view, place) if residency is Residency.QUEUED else None,
        "idle_since": moment(view.rested) if _rests(view, residency) else None,
        "epoch": view.epoch,
        "turn": view.turn,
        "thread": view.thread,
        "waiting": view.waiting,
        "reason": view.reason,
        "message": view.message,
        "owed": view.owed,
        "dead_letters": view.dead,
        "approvals": view.approvals,
        "cancelling": view.cancelling,
        "usage": usage_body(view.usage),
    }


def agent_body(view: AgentView, place: Place | None) -> AgentBody:
    """Build the body of one agent."""
    return AgentBody(**agent_fields(view, place))


def inbox_body(message: Message) -> InboxMessageBody:
    """Build the body of a message that waits."""
    return InboxMessageBody(
        id=message.mid,
        sender=message.sender,
        thread=message.thread,
        kind=message.kind,
        text=message.body,
    )


def dead_letter_body(letter: DeadLetter) -> DeadLetterBody:
    """Build the body of a message that was given up."""
    message = letter.message
    return DeadLetterBody(
        id=letter.id,
        message_id=message.mid,
        sender=message.sender,
        thread=message.thread,
        kind=message.kind,
        text=message.body,
        reason=letter.reason,
        run_id=letter.turn,
        attempts=letter.attempts,
    )


def _queue(view: AgentView, place: Place | None) -> QueueBody | None:
    if place is None:
        return None
    return QueueBody(position=place.position, length=place.length, since=moment(view.since))


def _rests(view: AgentView, residency: Residency) -> bool:
    return residency is not Residency.QUEUED and not view.turn and not view.waiting


def moment(seconds: float) -> str | None:
    """Write a time in seconds since the epoch (RFC 3339, UTC); None for 0, which is not known."""
    return utc_time(seconds) if seconds else None
