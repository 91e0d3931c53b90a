"""Why an agent needs a pod, if it does (PROTOCOL.md section 5). Pure."""

from enum import StrEnum

from horos_api.agent_state import AgentState
from horos_api.resources import OperatingMode
from horos_bus.agent_view import AgentView
from horos_operator.pods import Asked


class Cause(StrEnum):
    """What an agent needs a pod for."""

    WORK = "work"
    """It has something to do."""
    BIRTH = "birth"
    """It was never awake, so nobody knows yet whether it can be."""
    RESIDENCE = "residence"
    """Its idleSeconds are 0: it stays as long as nobody else needs the slot."""


def cause_of(wanted: Asked, view: AgentView | None) -> Cause | None:
    """Say why the agent needs a pod; None: it needs none. `view` is of this life of the agent's name."""
    if wanted.barred or wanted.spec.operating_mode is not OperatingMode.RUNNING:
        return None
    if view is None:
        return Cause.BIRTH
    if view.state is AgentState.TERMINATED:
        return None
    if view.in_work:
        return Cause.WORK
    if view.epoch == 0:
        return Cause.BIRTH
    return Cause.RESIDENCE if wanted.idle_seconds == 0 else None
