"""What one pass over an agent knows: what the caches have, joined with what the bus says of it."""

from dataclasses import dataclass, field

from horos_api.server_report import ServersReport
from horos_bus.agent_view import AgentView
from horos_operator.agent_pools import AgentPoolFacts
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.family import Family
from horos_operator.models import Configs
from horos_operator.tool_servers import ToolServers


@dataclass(frozen=True, slots=True)
class BusSeen:
    """What the bus says. `problem` is empty when it could be asked.

    `prepared`: the namespace has credentials; `shared`: they are not its own, since Redis lets the
    operator make no users; `configured`: digest of what this operator projected, as far as it remembers;
    `report`: what the agent's runtime said last of its tool servers.
    """

    problem: str = ""
    prepared: bool = False
    shared: bool = False
    configured: str = ""
    view: AgentView | None = None
    report: ServersReport | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything a plan and a status are made from. `now` is in seconds since the epoch.

    `configs` and `servers` are the ModelConfigs and ToolServers of the agent's namespace by name. `refused`
    is the API server's message when it did not accept the pod of this generation.

    `pool` is the AgentPool, None where there is no limit. `slot`: the agent may be given a pod now; else
    `queued` is what it waits for, for a person. `give_up`: its pod does not get started, and others wait for
    the slot; `gave_up`: reason and message of what was missing when that has happened, else None. `family` is
    where it stands among the Agents of its namespace.
    """

    agent: AgentFacts | None
    pods: tuple[PodFacts, ...]
    bus: BusSeen
    now: float
    refused: str = ""
    configs: Configs = field(default_factory=dict)
    servers: ToolServers = field(default_factory=dict)
    pool: AgentPoolFacts | None = None
    slot: bool = True
    queued: str = ""
    give_up: bool = False
    gave_up: tuple[str, str] | None = None
    family: Family = field(default_factory=Family)

    @property
    def life(self) -> AgentView | None:
        """What the bus knows of this very Agent, and not of an earlier one of its name."""
        view = self.bus.view
        return view if view is not None and self.agent is not None and view.uid == self.agent.uid else None
