"""A pass and its slot: what it makes with one, tells without, and does when a quota refuses."""

import dataclasses
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from horos_api.names import FINALIZER, key_prefix
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Identity
from horos_operator.cluster import NoRoomError
from horos_operator.credentials import BusCredentials
from horos_operator.facts import AgentFacts, PodFacts, pod_facts
from horos_operator.hands import Hands
from horos_operator.observe import Caches
from horos_operator.reconcile import Reconciler
from horos_operator.slots import Slots
from tests.controller.facts import FACTORY, SETTINGS, agent, agent_pool, pod, spec
from tests.controller.test_telling import Writes

FULL = "ResourceQuota x has no room for another pod"


class Pods(Writes):
    """A cluster that makes pods, unless a quota has no room."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self.made: list[str] = []
        self.deleted: list[str] = []
        self.there: AgentFacts | None = None

    async def agent(self, namespace: str, name: str) -> AgentFacts | None:
        return self.there

    async def create_pod(self, body: Mapping[str, Any]) -> PodFacts:
        if self.full:
            raise NoRoomError("exceeded quota: x, used: pods=7", FULL)
        self.made.append(body["metadata"]["name"])
        server = {"uid": f"uid-{len(self.made)}", "resourceVersion": "9", "creationTimestamp": None}
        return pod_facts({**body, "metadata": {**body["metadata"], **server}})

    async def delete_pod(self, pod: PodFacts, *, force: bool = False) -> None:
        self.deleted.append(pod.name)


class Passes:
    """One agent `ada` and the passes over it."""

    def __init__(self, bus: Bus) -> None:
        self.namespace = f"queue-{uuid.uuid4().hex[:8]}"
        self.key = (self.namespace, "ada")
        self.now = time.time()
        self.touched: list[str] = []
        self.caches, self.cluster = Caches(), Pods()
        self.slots = Slots(lambda: self.now, self.touched.append, lambda: self.now)
        self.bus = bus.at(key_prefix(SETTINGS.install, self.namespace))
        self.control = Control(self.bus)
        self.credentials = BusCredentials(self.cluster, bus, SETTINGS, SETTINGS.redis_url)
        manager = Hands(self.cluster, self.caches, bus, self.credentials)
        self._reconciler = Reconciler(manager, FACTORY, lambda: self.now, slots=self.slots)
        self.cluster.there = agent(namespace=self.namespace, finalizers=(FINALIZER,))
        self.caches.put_agent(self.cluster.there)

    def pool(self, **fields: Any) -> None:
        self.caches.put_pool(dataclasses.replace(agent_pool(**fields), namespace=self.namespace))

    async def look(self) -> float | None:
        return await self._reconciler.look(self.key)

    def told(self, kind: str) -> tuple[str, str, str]:
        conditions = self.cluster.agents_told[-1]["conditions"]
        (found,) = [each for each in conditions if each["type"] == kind]
        return found["status"], found["reason"], found["message"]


@pytest.fixture
async def passes(bus: Bus) -> AsyncIterator[Passes]:
    made = Passes(bus)
    await made.credentials.prepare(made.namespace)
    yield made
    await made.control.delete("ada", "agent-uid")


async def test_in_a_pool_a_pass_wishes_for_a_slot_and_uses_the_one_it_is_granted(passes: Passes) -> None:
    passes.pool()
    await passes.look()
    assert passes.cluster.made == []
    assert list(passes.slots.wishes(passes.namespace)) == ["ada"]
    assert passes.touched == [passes.namespace]
    assert passes.told("Scheduled")[:2] == ("False", "Queued")
    assert passes.told("Ready")[:2] == ("False", "Queued")
    passes.slots.grant(passes.key)
    await passes.look()
    assert passes.cluster.made == ["ada-1"]
    assert passes.slots.granted(passes.namespace) == set()
    assert passes.slots.wishes(passes.namespace) == {}
    await passes.look()
    assert passes.cluster.made == ["ada-1"]


async def test_a_quota_without_room_is_told_as_queued_and_asked_again_soon(passes: Passes) -> None:
    passes.cluster.full = True
    assert await passes.look() == pytest.approx(0.2)
    assert passes.told("Scheduled") == ("False", "Queued", FULL)
    # Meanwhile nobody asks the API server.
    passes.cluster.full = False
    assert await passes.look() == pytest.approx(0.2)
    assert passes.cluster.made == []
    passes.now += 0.2
    await passes.look()
    assert passes.cluster.made == ["ada-1"]


async def test_in_a_pool_a_refused_slot_is_given_back_and_the_place_is_kept(passes: Passes) -> None:
    passes.pool()
    passes.cluster.full = True
    await passes.look()
    passes.slots.grant(passes.key)
    await passes.look()
    assert passes.slots.granted(passes.namespace) == set()
    assert not passes.slots.held_back(agent(namespace=passes.namespace))
    assert passes.slots.room_in(passes.namespace) == pytest.approx(0.2)
    assert passes.slots.queued(passes.key) == FULL


async def test_an_activation_of_a_short_turn_is_one_status(passes: Passes) -> None:
    await passes.look()
    runtime = MessageService(passes.bus, Identity("ada", "agent-uid", "uid-1"))
    await runtime.claim(0)
    await passes.look()
    assert passes.told("Ready")[:2] == ("True", "Resident")
    await runtime.retire()
    passes.caches.put_pod(
        pod("ada-1", namespace=passes.namespace, uid="uid-1", version=10, phase="Succeeded", running=False)
    )
    passes.now += 10
    await passes.look()
    passes.now += 10
    await passes.look()
    assert passes.told("Ready")[:2] == ("True", "Hibernated")
    assert "podName" not in passes.cluster.agents_told[-1]
    passes.caches.drop_pod(pod("ada-1", namespace=passes.namespace, uid="uid-1"))
    written, made, deleted = (
        len(passes.cluster.agents_told),
        len(passes.cluster.made),
        len(passes.cluster.deleted),
    )
    # From here on: woken, claimed, retired within two seconds.
    passes.now += 60
    await passes.control.ctl("ada", "wake")
    await passes.look()
    again = MessageService(passes.bus, Identity("ada", "agent-uid", f"uid-{made + 1}"))
    await again.claim(1)
    passes.now += 1
    await passes.look()
    await again.retire()
    gone = pod(
        "ada-2",
        namespace=passes.namespace,
        uid=f"uid-{made + 1}",
        version=10,
        phase="Succeeded",
        running=False,
    )
    passes.caches.put_pod(gone)
    passes.now += 0.5
    await passes.look()
    passes.caches.drop_pod(gone)
    passes.now += 10
    await passes.look()
    assert len(passes.cluster.made) - made == 1
    assert len(passes.cluster.deleted) - deleted == 1
    assert len(passes.cluster.agents_told) - written <= 1


async def test_a_pod_that_gives_its_slot_up_leaves_its_trouble_in_the_status(passes: Passes) -> None:
    passes.pool()
    key = {"name": "llm", "key": "k"}
    of = agent(spec(model={"apiKeySecretRef": key}), namespace=passes.namespace, version=3, generation=2)
    passes.caches.put_agent(of)
    await passes.look()
    passes.slots.grant(passes.key)
    await passes.look()
    (made,) = passes.caches.pods(passes.key)
    stuck = dataclasses.replace(
        made,
        version=10,
        waiting_reason="CreateContainerConfigError",
        waiting_message='secret "llm" not found',
    )
    passes.caches.put_pod(stuck)
    await passes.look()
    assert passes.told("Ready")[:2] == ("False", "SecretMissing")
    passes.slots.give_up(passes.key)
    await passes.look()
    assert passes.cluster.deleted == ["ada-1"]
    passes.caches.drop_pod(stuck)
    await passes.look()
    passes.now += 5
    await passes.look()
    assert passes.told("Scheduled")[:2] == ("False", "Queued")
    assert passes.told("Ready") == (
        "False",
        "SecretMissing",
        'Secret "llm" does not exist; create it with key "k"',
    )
    assert passes.slots.held_back(of)
