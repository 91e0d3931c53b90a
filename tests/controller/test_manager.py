"""What the manager makes sure of before it does what cannot be undone."""

import uuid

import pytest

from horos_api.names import key_prefix
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_operator.actions import DeleteKeys
from horos_operator.agent_manager import AgentManager, LookAgainError
from horos_operator.credentials import BusCredentials
from horos_operator.facts import AgentFacts
from horos_operator.kube.cluster import KubeCluster
from horos_operator.observe import Caches
from tests.controller.facts import SETTINGS, agent


class OneAgent(KubeCluster):
    """A cluster that answers for one Agent only; everything else fails for want of a connection."""

    def __init__(self, there: AgentFacts | None) -> None:
        self.there = there

    async def agent(self, namespace: str, name: str) -> AgentFacts | None:
        return self.there


@pytest.mark.parametrize("there", [agent(uid="later", version=9), None])
async def test_keys_of_a_later_life_survive_a_cache_that_lags_behind(
    bus: Bus, there: AgentFacts | None
) -> None:
    stale = agent(uid="earlier", namespace=f"lagging-{uuid.uuid4().hex[:8]}")
    caches, cluster = Caches(), OneAgent(there)
    caches.put_agent(stale)
    manager = AgentManager(cluster, caches, bus, BusCredentials(cluster, bus, SETTINGS, SETTINGS.redis_url))
    control = Control(bus.at(key_prefix(SETTINGS.install, stale.namespace)))
    await control.create("ada", "later")
    with pytest.raises(LookAgainError, match="the keys of later stay"):
        await manager.carry_out(stale, DeleteKeys("later", "an earlier Agent of this name is gone"))
    assert await control.agents() == {"ada": "later"}
    cluster.there = stale
    await manager.carry_out(stale, DeleteKeys("later", "an earlier Agent of this name is gone"))
    assert await control.agents() == {}
