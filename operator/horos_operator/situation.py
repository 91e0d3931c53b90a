"""What the checks look at, and what they answer."""

from dataclasses import dataclass

from horos_api.agent_state import AgentState
from horos_api.conditions import ConditionStatus, Reason
from horos_api.resources import OperatingMode
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.models import Models
from horos_operator.observe import Observation
from horos_operator.pods import pod_name


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a condition with its reason, for programs, and its message, for a person."""

    status: ConditionStatus
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What the checks look at: the observation, and which pod plays which part in it.

    `holder` has claimed, `starting` is on its way there, `ended` is the last one that failed. `models` is
    None when the spec cannot be read.
    """

    seen: Observation
    agent: AgentFacts
    models: Models | None
    holder: PodFacts | None
    starting: PodFacts | None
    ended: PodFacts | None

    @property
    def suspended(self) -> bool:
        """Whether the spec asks for no pod."""
        spec = self.agent.spec
        return spec is not None and spec.operating_mode is OperatingMode.SUSPENDED

    @property
    def terminated(self) -> bool:
        """Whether the agent is over, or shall be."""
        spec, view = self.agent.spec, self.seen.bus.view
        asked = spec is not None and spec.operating_mode is OperatingMode.TERMINATED
        return asked or (view is not None and view.state is AgentState.TERMINATED)


def situation(seen: Observation, agent: AgentFacts, models: Models | None) -> Situation:
    """Find out which pod plays which part. `models` are those the spec asks for; None: it is unreadable."""
    mine = [pod for pod in seen.pods if pod.owner_uid == agent.uid]
    live = [pod for pod in mine if not pod.dead]
    view = seen.bus.view
    token, epoch = (view.holder, view.epoch) if view else ("", 0)
    holder = next((pod for pod in live if pod.uid == token), None)
    next_name = pod_name(agent.name, epoch + 1)
    starting = next((pod for pod in live if pod is not holder and pod.name == next_name), None)
    failed = [pod for pod in mine if pod.failed and pod.ended]
    ended = max(failed, key=lambda pod: pod.ended.at if pod.ended else 0.0, default=None)
    return Situation(seen, agent, models, holder, starting, ended)


def yes(reason: Reason, message: str) -> Verdict:
    """The condition is True."""
    return Verdict(ConditionStatus.TRUE, reason, message)


def no(reason: Reason, message: str) -> Verdict:
    """The condition is False."""
    return Verdict(ConditionStatus.FALSE, reason, message)
