"""The states of an agent and the legal changes between them; Redis stores the value."""

from enum import StrEnum
from typing import Final


class AgentState(StrEnum):
    """What an agent is doing, whether or not it has a pod right now."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    ERROR = "error"
    TERMINATED = "terminated"


TRANSITIONS: Final[dict[AgentState, frozenset[AgentState]]] = {
    AgentState.IDLE: frozenset({AgentState.RUNNING, AgentState.PAUSED, AgentState.TERMINATED}),
    AgentState.RUNNING: frozenset(
        {AgentState.IDLE, AgentState.PAUSED, AgentState.ERROR, AgentState.TERMINATED}
    ),
    AgentState.PAUSED: frozenset({AgentState.IDLE, AgentState.RUNNING, AgentState.TERMINATED}),
    AgentState.ERROR: frozenset({AgentState.RUNNING, AgentState.PAUSED, AgentState.TERMINATED}),
    AgentState.TERMINATED: frozenset(),
}
"""PROTOCOL.md section 6. A state may always stay as it is; nothing leaves `terminated`."""


class IllegalTransitionError(ValueError):
    """A change of state that the table does not allow."""

    def __init__(self, before: AgentState, after: AgentState) -> None:
        allowed = ", ".join(sorted(TRANSITIONS[before])) or "nothing"
        super().__init__(f"an agent that is {before} cannot become {after}; from here: {allowed}")
        self.before = before
        self.after = after


class AgentStateMachine:
    """One agent's state as its runtime knows it; refuses what the table does not allow."""

    def __init__(self, state: AgentState = AgentState.IDLE) -> None:
        self._state = state

    @property
    def state(self) -> AgentState:
        """The state now."""
        return self._state

    def to(self, after: AgentState) -> bool:
        """Change the state and say whether it differs from before.

        Raises IllegalTransitionError and changes nothing when the table does not allow it.
        """
        if after == self._state:
            return False
        if after not in TRANSITIONS[self._state]:
            raise IllegalTransitionError(self._state, after)
        self._state = after
        return True
