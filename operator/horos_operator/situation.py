"""What the checks look at."""

from dataclasses import dataclass

from horos_api.agent_state import AgentState
from horos_api.resources import OperatingMode
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.models import Models
from horos_operator.observe import Observation
from horos_operator.pods import Asked, pod_name


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
    failed = [pod for pod in mine if pod.failed and pod.ended]
    ended = max(failed, key=lambda pod: pod.ended.at if pod.ended else 0.0, default=None)
    return Situation(seen, agent, wanted, holder, starting, ended)
