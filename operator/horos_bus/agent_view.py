"""What the operator and people see of one agent on the bus."""

from dataclasses import dataclass, field

from horos_api.agent_state import AgentState
from horos_bus.records import TotalUsage


@dataclass(frozen=True, slots=True)
class AgentView:
    """What the bus knows of one agent, seen at one moment.

    `holder` is the token of the process that has it ('' = hibernated), `waiting` counts the messages in its
    inbox, those of the open turn included; `in_work` says that it needs a process. `owed` counts the requests
    taken and not answered, `waits` its own ones, `dead` the dead letters, `approvals` what people still have
    to decide; `attempt` the incarnations that had the open turn; `cancelling`: a person ended it and its
    process has not obeyed yet.

    Times are seconds since 1970, 0.0 = unknown or never: `claimed` of the last claim, `rested` since when it
    has nothing to do (as long as it is not `in_work`), `since` of its coming into work, `ended` of its
    end, when it was terminated or, a Task, had done what it was asked (reason TaskDone).

    `parent` is the agent whose child it is, `root` the top of their tree ('' = it has no parent).
    """

    name: str
    uid: str
    state: AgentState
    holder: str
    epoch: int
    turn: str
    thread: str
    version: int
    reason: str
    message: str
    waiting: int
    evict: bool
    in_work: bool
    owed: int = 0
    waits: int = 0
    dead: int = 0
    approvals: int = 0
    attempt: int = 0
    cancelling: bool = False
    usage: TotalUsage = field(default_factory=TotalUsage)
    claimed: float = 0.0
    rested: float = 0.0
    since: float = 0.0
    parent: str = ""
    root: str = ""
    ended: float = 0.0

    @property
    def was_claimed(self) -> bool:
        """Whether any process ever held this life of the agent."""
        return self.epoch > 0
