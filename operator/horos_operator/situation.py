"""What the checks look at."""

from dataclasses import dataclass

from horos_api.agent_state import AgentState
from horos_api.resources import OperatingMode
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.models import Models
from horos_operator.needs import Cause, cause_of
from horos_operator.observation import Observation
from horos_operator.pods import Asked, asked, pod_name, pod_number


@dataclass(frozen=True, slots=True)
class Situation:
    """What the checks look at: the observation, and which pod plays which part in it.

    `holder` has claimed, `starting` is on its way there, `ended` is the last one that failed. `wanted` is
    None when the spec cannot be read.
    """

    seen: Observation
    agent: AgentFacts
    wanted: Asked | None
    holder: PodFacts | None
    starting: PodFacts | None
    ended: PodFacts | None

    @property
    def cause(self) -> Cause | None:
        """Why the agent needs a pod; None: it needs none."""
        if self.wanted is None:
            return None
        view = self.seen.bus.view
        return cause_of(self.wanted, view if view and view.uid == self.agent.uid else None)

    @property
    def was_claimed(self) -> bool:
        """Whether the agent was awake before."""
        view = self.seen.bus.view
        return view is not None and view.uid == self.agent.uid and view.epoch > 0

    @property
    def outdated(self) -> bool:
        """Whether the pod that holds the agent is not what the spec asks for."""
        if self.wanted is None or self.holder is None:
            return False
        return self.holder.asked != asked(self.wanted) or bool(self.wanted.secrets - self.holder.secrets)

    @property
    def models(self) -> Models | None:
        """The models that the agent asks."""
        return self.wanted.models if self.wanted else None

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


def situation(seen: Observation, agent: AgentFacts, wanted: Asked | None) -> Situation:
    """Find out which pod plays which part. `wanted` is what the spec asks for; None: it is unreadable."""
    mine = [pod for pod in seen.pods if pod.owner_uid == agent.uid]
    live = [pod for pod in mine if not pod.dead]
    view = seen.bus.view
    token, epoch = (view.holder, view.epoch) if view else ("", 0)
    holder = next((pod for pod in live if pod.uid == token), None)
    next_name = pod_name(agent.name, epoch + 1)
    starting = next((pod for pod in live if pod is not holder and pod.name == next_name), None)
    # One that is older than the last claim failed before a life that was healthy.
    failed = [pod for pod in mine if pod.failed and pod.ended and pod_number(pod.name) >= epoch]
    ended = max(failed, key=lambda pod: pod.ended.at if pod.ended else 0.0, default=None)
    return Situation(seen, agent, wanted, holder, starting, ended)
