"""What the manager makes sure of before it does what cannot be undone."""

import time
import uuid
from typing import Any

import pytest

from horos_api.names import key_prefix
from horos_api.resources import OperatingMode
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Identity
from horos_operator.actions import CreateKeys, DeleteKeys, Reap
from horos_operator.cluster import ClusterError, OutdatedError, RefusedError
from horos_operator.credentials import BusCredentials
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.hands import Hands, LookAgainError
from horos_operator.kube.cluster import KubeCluster
from horos_operator.lost_pods import LOST_SECONDS
from horos_operator.observe import Caches
from tests.controller.facts import SETTINGS, agent, pod


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
    manager = Hands(cluster, caches, bus, BusCredentials(cluster, bus, SETTINGS, SETTINGS.redis_url))
    control = Control(bus.at(key_prefix(SETTINGS.install, stale.namespace)))
    await control.create("ada", "later")
    with pytest.raises(LookAgainError, match="the keys of later stay"):
        await manager.carry_out(stale, DeleteKeys("later", "an earlier Agent of this name is gone"))
    assert await control.agents() == {"ada": "later"}
    cluster.there = stale
    await manager.carry_out(stale, DeleteKeys("later", "an earlier Agent of this name is gone"))
    assert await control.agents() == {}


@pytest.mark.parametrize("there", [agent(uid="later", version=9), None])
async def test_no_keys_are_made_for_an_agent_that_only_an_old_list_shows(
    bus: Bus, there: AgentFacts | None
) -> None:
    stale = agent(uid="earlier", namespace=f"lagging-{uuid.uuid4().hex[:8]}")
    caches, cluster = Caches(), OneAgent(there)
    caches.put_agent(stale)
    manager = Hands(cluster, caches, bus, BusCredentials(cluster, bus, SETTINGS, SETTINGS.redis_url))
    with pytest.raises(LookAgainError, match="has gone or was replaced"):
        await manager.carry_out(stale, CreateKeys())
    assert await Control(bus.at(key_prefix(SETTINGS.install, stale.namespace))).agents() == {}
    assert caches.agent((stale.namespace, "ada")) != stale
    cluster.there = stale
    await manager.carry_out(stale, CreateKeys())
    assert await Control(bus.at(key_prefix(SETTINGS.install, stale.namespace))).agents() == {"ada": "earlier"}


class OnePod(KubeCluster):
    """A cluster that answers for one pod only."""

    def __init__(self, there: PodFacts) -> None:
        self.there = there

    async def pod(self, namespace: str, name: str) -> PodFacts | None:
        return self.there


@pytest.mark.parametrize(
    ("changes", "ago", "reaped"),
    [
        ({}, {}, False),
        ({"phase": "Failed"}, {}, True),
        ({}, {"silent_since": LOST_SECONDS}, True),
        ({"deleting": True}, {"leaves_by": LOST_SECONDS}, True),
        ({"deleting": True}, {"leaves_by": 0}, False),
    ],
)
async def test_a_holder_that_the_api_server_still_shows_is_reaped_when_it_is_dead_or_lost(
    bus: Bus, changes: dict[str, Any], ago: dict[str, float], reaped: bool
) -> None:
    of = agent(namespace=f"shown-{uuid.uuid4().hex[:8]}")
    moments = {field: time.time() - seconds for field, seconds in ago.items()}
    there = pod(namespace=of.namespace, **changes, **moments)
    cluster = OnePod(there)
    manager = Hands(cluster, Caches(), bus, BusCredentials(cluster, bus, SETTINGS, SETTINGS.redis_url))
    own = bus.at(key_prefix(SETTINGS.install, of.namespace))
    await Control(own).create("ada", of.uid)
    await MessageService(own, Identity("ada", of.uid, there.uid)).claim(0)
    try:
        await manager.carry_out(of, Reap(there.uid, there.name))
    except LookAgainError as error:
        assert error.seconds > 0, "or it would be asked about without a pause"
    view = await Control(own).view("ada")
    assert view is not None and bool(view.holder) is not reaped


class OneOrder(KubeCluster):
    """A cluster that takes, or refuses, one change of an operating mode."""

    def __init__(self, refusal: ClusterError | None, there: AgentFacts | None = None) -> None:
        self.refusal = refusal
        self.there = there
        self.asked: list[tuple[str, str, str, str]] = []

    async def set_operating_mode(
        self, namespace: str, name: str, uid: str, mode: OperatingMode
    ) -> AgentFacts:
        self.asked.append((namespace, name, uid, mode.value))
        if self.refusal:
            raise self.refusal
        return agent(namespace=namespace)

    async def agent(self, namespace: str, name: str) -> AgentFacts | None:
        return self.there


@pytest.mark.parametrize("refusal", [None, OutdatedError("another uid"), RefusedError("Terminated is final")])
async def test_an_order_is_carried_out_or_given_up_and_then_forgotten(
    bus: Bus, refusal: ClusterError | None, caplog: pytest.LogCaptureFixture
) -> None:
    namespace = f"orders-{uuid.uuid4().hex[:8]}"
    cluster = OneOrder(refusal)
    manager = Hands(cluster, Caches(), bus, BusCredentials(cluster, bus, SETTINGS, SETTINGS.redis_url))
    control = Control(bus.at(key_prefix(SETTINGS.install, namespace)))
    await control.order("ada", "agent-uid", OperatingMode.SUSPENDED)
    for order in await control.orders():
        await manager.obey(namespace, order)
    assert cluster.asked == [(namespace, "ada", "agent-uid", "Suspended")]
    assert await control.orders() == []
    assert refusal is None or refusal.message in caplog.text


@pytest.mark.parametrize(
    "refusal", [ClusterError("no answer in time"), OutdatedError("changed in between, no answer in time")]
)
async def test_an_order_waits_while_the_cluster_does_not_answer_and_while_somebody_else_writes(
    bus: Bus, refusal: ClusterError
) -> None:
    namespace = f"orders-{uuid.uuid4().hex[:8]}"
    cluster = OneOrder(refusal, agent(uid="agent-uid", namespace=namespace))
    manager = Hands(cluster, Caches(), bus, BusCredentials(cluster, bus, SETTINGS, SETTINGS.redis_url))
    control = Control(bus.at(key_prefix(SETTINGS.install, namespace)))
    await control.order("ada", "agent-uid", OperatingMode.SUSPENDED)
    (order,) = await control.orders()
    with pytest.raises(ClusterError, match="no answer in time"):
        await manager.obey(namespace, order)
    assert await control.orders() == [order]
