"""What a plan may ask for: one frozen dataclass per change, each with the sentence that says why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from horos_bus.operating import DayLimits
from horos_operator.facts import AgentFacts, PodFacts


@dataclass(frozen=True, slots=True)
class PrepareNamespace:
    """Make the Secret `horos-bus` and its Redis user, so that pods can start; `again`: they were lost."""

    again: bool = False
    why: str = "the namespace has no credentials for the bus yet"


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Tie the removal of keys to the Agent's deletion, before there are keys."""

    why: str = "its keys must go when it goes"


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Let the Agent go."""

    why: str = "its keys are gone"


@dataclass(frozen=True, slots=True)
class SetOwner:
    """Have the Agent end with its parent, and carry the name of its root as a label."""

    parent: AgentFacts
    root: str
    why: str = "it must go when its parent goes"


@dataclass(frozen=True, slots=True)
class DeleteAgent:
    """Delete the Agent itself, and so its pods, its keys and its children."""

    why: str


@dataclass(frozen=True, slots=True)
class CreateKeys:
    """Make the agent known on the bus, as a child of `parent` in the family of `root` ('' = of nobody)."""

    parent: str = ""
    root: str = ""
    why: str = "the bus does not know it yet"


@dataclass(frozen=True, slots=True)
class DeleteKeys:
    """Remove everything the bus holds of the agent with this uid."""

    uid: str
    why: str


@dataclass(frozen=True, slots=True)
class Configure:
    """Project the spec to the bus; `limits` hold for the agent and all its descendants."""

    config: bytes
    request_seconds: int
    lifetime: Literal["", "Task"] = ""
    limits: DayLimits = field(default_factory=DayLimits)
    why: str = "its configuration differs"


@dataclass(frozen=True, slots=True)
class Steer:
    """Tell the agent to pause, to go on, to give up its pod after the turn, or to end for good."""

    op: Literal["pause", "resume", "evict", "terminate"]
    why: str


@dataclass(frozen=True, slots=True)
class Reap:
    """Clear a holder whose pod is gone; the pod's name lets the API server be asked once more first."""

    token: str
    pod: str
    why: str = "the pod that held it is gone"


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Give the agent a pod."""

    body: Mapping[str, Any]
    why: str

    @property
    def name(self) -> str:
        """Name of the pod."""
        return str(self.body["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Remove one pod, and no other of the same name; `force`: without waiting for its node to say so."""

    pod: PodFacts
    why: str
    force: bool = False


Action: TypeAlias = (
    PrepareNamespace
    | AddFinalizer
    | RemoveFinalizer
    | SetOwner
    | DeleteAgent
    | CreateKeys
    | DeleteKeys
    | Configure
    | Steer
    | Reap
    | CreatePod
    | DeletePod
)
