"""The duty that gives out slots, with a real Redis and caches that the test fills."""

import dataclasses
import time
import uuid
from typing import Any

import pytest

from horos_api.messages import NewMessage
from horos_api.names import key_prefix
from horos_bus import sender
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Identity
from horos_operator.agent_pools import AgentPoolFacts
from horos_operator.credentials import BusCredentials
from horos_operator.facts import PodFacts
from horos_operator.hands import Hands
from horos_operator.needs import Cause
from horos_operator.observe import Caches
from horos_operator.pools import RETELL_LIMIT_SECONDS, RETELL_SECONDS, PoolKeeper
from horos_operator.queue import KeyQueue
from horos_operator.slots import Outcome, Slots
from horos_operator.wakes import Wakes
from tests.controller.facts import SETTINGS, agent, agent_pool, pod, quota, spec
from tests.controller.test_telling import Writes


class Keeper:
    """A keeper of one namespace's pool; time passes as the test says."""

    def __init__(self, bus: Bus) -> None:
        self.namespace = f"pooled-{uuid.uuid4().hex[:8]}"
        self.caches, self.wakes = Caches(), Wakes()
        self.now = self.moment = 0.0
        self.queue = KeyQueue(time.monotonic)
        self.slots = Slots(time.time, self.wakes.touch, lambda: self.moment)
        cluster = Writes()
        manager = Hands(cluster, self.caches, bus, BusCredentials(cluster, bus, SETTINGS, ""))
        self.keeper = PoolKeeper(manager, self.slots, self.queue, self.wakes, clock=lambda: self.now)
        self.bus = bus.at(key_prefix(SETTINGS.install, self.namespace))
        self.control = Control(self.bus)

    def pool(self, **fields: Any) -> AgentPoolFacts:
        made = dataclasses.replace(agent_pool(**fields), namespace=self.namespace)
        self.caches.put_pool(made)
        return made

    async def agent(self, name: str, **fields: Any) -> None:
        uid = f"uid-of-{name}"
        self.caches.put_agent(agent(spec(**fields), namespace=self.namespace, name=name, uid=uid))
        await self.control.create(name, uid)

    async def work(self, name: str, **fields: Any) -> None:
        """An agent with a message."""
        await self.agent(name, **fields)
        await sender.send(self.bus, NewMessage(mid=uuid.uuid4().hex, to=name, body="hello"))

    def pod(self, name: str, **changes: Any) -> PodFacts:
        usual = {"namespace": self.namespace, "agent": name, "owner_uid": f"uid-of-{name}"}
        made = pod(f"{name}-1", **{**usual, **changes})
        self.caches.put_pod(made)
        return made

    async def resident(self, name: str, **fields: Any) -> PodFacts:
        """An agent whose pod has claimed it and has nothing to do."""
        await self.agent(name, **fields)
        made = self.pod(name)
        await MessageService(self.bus, Identity(name, f"uid-of-{name}", made.uid)).claim(0)
        return made

    async def decide(self) -> list[str]:
        """Let a second pass and decide; returns who was handed to the workers at once."""
        self.now += 1.0
        await self.keeper.look()
        found = []
        while len(self.queue):
            key = await self.queue.get()
            self.queue.done(key)
            found.append(key[1])
        return found


@pytest.fixture
def keeper(bus: Bus) -> Keeper:
    return Keeper(bus)


async def test_without_a_pool_whoever_comes_into_work_is_looked_at_once(keeper: Keeper) -> None:
    await keeper.work("ada")
    await keeper.agent("idle")
    await keeper.resident("bob")
    assert await keeper.decide() == ["ada"]
    assert await keeper.decide() == []
    # Its pod came and went, and it has work again.
    await keeper.control.terminate("ada", "uid-of-ada")
    assert await keeper.decide() == []
    await keeper.work("eve")
    assert await keeper.decide() == ["eve"]
    pool = keeper.pool(maxRunning=0)
    assert await keeper.decide() == []
    assert await keeper.control.limit() == 0
    assert await keeper.control.queue() == ["eve"]
    keeper.caches.drop_pool(pool)
    assert await keeper.decide() == ["eve"]
    assert await keeper.control.limit() is None
    assert await keeper.control.queue() == []


async def test_the_free_slots_are_granted_and_the_others_are_told_their_places(keeper: Keeper) -> None:
    keeper.pool(maxRunning=1)
    for name in ("first", "second", "third"):
        await keeper.work(name)
    assert await keeper.decide() == ["first"]
    assert keeper.slots.granted(keeper.namespace) == {"first"}
    assert await keeper.control.queue() == ["second", "third"]
    assert await keeper.control.limit() == 1
    assert keeper.slots.queued((keeper.namespace, "second")) == (
        "all slots of AgentPool default are taken (maxRunning: 1)"
    )
    # As long as the grant is in the air, or its pod lives, nobody else gets one.
    assert await keeper.decide() == []
    mine = keeper.pod("first")
    keeper.slots.made((keeper.namespace, "first"))
    assert await keeper.decide() == []
    keeper.caches.put_pod(dataclasses.replace(mine, phase="Succeeded", running=False, version=2))
    await keeper.control.terminate("first", "uid-of-first")
    assert await keeper.decide() == ["second"]
    assert await keeper.control.queue() == ["third"]


async def test_priority_comes_first_and_births_last(keeper: Keeper) -> None:
    keeper.pool(maxRunning=1)
    await keeper.agent("birth", priority=9)
    await keeper.work("low")
    await keeper.work("high", priority=5)
    born = keeper.caches.agent((keeper.namespace, "birth"))
    assert born is not None
    keeper.slots.settle(born, Outcome(slot=False, cause=Cause.BIRTH, live=False, claimed=False, again=None))
    assert await keeper.decide() == ["high"]
    assert await keeper.control.queue() == ["low", "birth"]
    standing = keeper.keeper.standing(keeper.namespace)
    assert standing is not None
    assert (standing.running, standing.queued, standing.unborn) == (0, 1, 1)


async def test_an_idle_resident_is_asked_to_leave_for_one_that_waits(keeper: Keeper) -> None:
    keeper.pool(maxRunning=1)
    await keeper.resident("idle")
    assert await keeper.decide() == []
    view = await keeper.control.view("idle")
    assert view is not None and not view.evict
    await keeper.work("ada")
    assert await keeper.decide() == []
    view = await keeper.control.view("idle")
    assert view is not None and view.evict


async def test_a_resident_with_work_is_never_asked_and_the_policy_never_asks_nobody(keeper: Keeper) -> None:
    keeper.pool(maxRunning=2, evict="Never")
    await keeper.resident("idle")
    await keeper.resident("busy")
    await sender.send(keeper.bus, NewMessage(mid="m1", to="busy", body="x"))
    await keeper.work("ada")
    await keeper.decide()
    assert not any(each.evict for each in (await keeper.control.views(["idle", "busy"])).values())
    keeper.pool(maxRunning=2, version=2)
    await keeper.decide()
    assert {name for name, each in (await keeper.control.views(["idle", "busy"])).items() if each.evict} == {
        "idle"
    }


async def test_pods_of_others_in_the_quota_take_slots_and_are_told(keeper: Keeper) -> None:
    pool = keeper.pool(maxRunning=2)
    keeper.caches.put_quota(
        dataclasses.replace(quota(used=2), namespace=keeper.namespace, owner_uid=pool.uid)
    )
    await keeper.work("ada")
    assert await keeper.decide() == []
    assert "no agents" in keeper.slots.queued((keeper.namespace, "ada"))


async def test_while_a_quota_refuses_all_keep_their_places_and_an_event_of_room_is_heard_at_once(
    keeper: Keeper,
) -> None:
    keeper.pool(maxRunning=2)
    await keeper.work("ada")
    await keeper.work("bob")
    assert await keeper.decide() == ["ada", "bob"]
    keeper.slots.no_room((keeper.namespace, "ada"), "ResourceQuota x has no room for another pod")
    keeper.slots.no_room((keeper.namespace, "bob"), "ResourceQuota x has no room for another pod")
    for _ in range(6):
        keeper.slots.no_room((keeper.namespace, "ada"), "full")
    assert await keeper.decide() == []
    assert await keeper.control.queue() == ["ada", "bob"]
    keeper.wakes.free(keeper.namespace)
    assert await keeper.decide() == ["ada", "bob"]


async def test_an_idle_resident_leaves_where_a_quota_tighter_than_ours_refuses_pods(keeper: Keeper) -> None:
    keeper.pool(maxRunning=5)
    await keeper.resident("idle")
    await keeper.work("ada")
    ada = (keeper.namespace, "ada")
    why = "ResourceQuota theirs has no room for another pod"
    for _ in range(2):
        assert await keeper.decide() == ["ada"]
        keeper.moment += keeper.slots.no_room(ada, why)
    assert not (await keeper.control.views(["idle"]))["idle"].evict, "one that is only late refuses as well"
    assert await keeper.decide() == ["ada"]
    keeper.slots.no_room(ada, why)
    assert await keeper.decide() == []
    assert (await keeper.control.views(["idle"]))["idle"].evict
    assert keeper.slots.queued(ada) == why
    assert await keeper.control.limit() == 5
    assert await keeper.control.queue() == ["ada"]


async def test_the_ledger_keeps_nothing_of_namespaces_without_agents(keeper: Keeper) -> None:
    await keeper.work("ada")
    keeper.slots.grant(("gone", "bob"))
    await keeper.decide()
    assert keeper.slots.turn("gone") == 0


async def test_a_pod_that_waits_in_vain_for_a_minute_is_given_up_when_somebody_waits(keeper: Keeper) -> None:
    keeper.pool(maxRunning=1)
    await keeper.agent("stuck")
    keeper.pod(
        "stuck",
        phase="Pending",
        running=False,
        waiting_reason="CreateContainerConfigError",
        created=time.time() - 61,
    )
    assert await keeper.decide() == []
    await keeper.work("ada")
    assert await keeper.decide() == ["stuck"]
    assert keeper.slots.gives_up((keeper.namespace, "stuck"))


async def test_a_new_leader_begins_with_an_empty_ledger(keeper: Keeper) -> None:
    keeper.pool(maxRunning=1)
    await keeper.work("ada")
    assert await keeper.decide() == ["ada"]
    keeper.keeper.forget()
    assert keeper.slots.granted(keeper.namespace) == set()
    assert await keeper.decide() == ["ada"]


async def test_doorbells_and_changes_are_looked_at_soon_and_everything_each_second(keeper: Keeper) -> None:
    await keeper.agent("ada")
    assert await keeper.decide() == []
    await keeper.work("bob")
    keeper.now += 0.04
    keeper.wakes.ring(keeper.namespace)
    await keeper.keeper.look()
    assert len(keeper.queue) == 0, "not so soon after the last time"
    keeper.now += 0.02
    await keeper.keeper.look()
    assert len(keeper.queue) == 1


async def test_people_are_told_the_limit_until_there_is_none(keeper: Keeper) -> None:
    await keeper.control.tell_limit(7)
    await keeper.agent("ada")
    await keeper.decide()
    assert await keeper.control.limit() is None, "what another operator told is over"
    keeper.pool(maxRunning=0)
    await keeper.decide()
    assert await keeper.control.limit() == 0
    pool = keeper.pool(maxRunning=3, version=2)
    await keeper.decide()
    assert await keeper.control.limit() == 3
    # The last Agent goes and then the pool: nobody is left to look at, but people would still be told.
    ada = keeper.caches.agent((keeper.namespace, "ada"))
    assert ada is not None
    keeper.caches.drop_agent(ada)
    await keeper.decide()
    assert await keeper.control.limit() == 3
    keeper.caches.drop_pool(pool)
    await keeper.decide()
    assert await keeper.control.limit() is None


@pytest.mark.parametrize("pooled", [True, False])
async def test_an_agent_whose_retired_pod_does_not_exit_is_looked_at(keeper: Keeper, *, pooled: bool) -> None:
    at = 100.0
    keeper.queue = keeper.keeper._queue = KeyQueue(lambda: at)
    if pooled:
        keeper.pool(maxRunning=2)
    hung = await keeper.resident("ada")
    await MessageService(keeper.bus, Identity("ada", "uid-of-ada", hung.uid)).retire()
    await keeper.control.dirty()
    await keeper.work("ada")
    assert await keeper.decide() == []
    at += 12.0
    assert (await keeper.queue.get())[1] == "ada"


async def test_the_limit_is_told_anew_long_before_it_is_over(keeper: Keeper) -> None:
    keeper.pool(maxRunning=3)
    await keeper.agent("ada")
    await keeper.decide()
    await keeper.bus.command("PEXPIRE", keeper.bus.keys.limit, 60_000)
    for _ in range(3):
        await keeper.decide()
    assert await keeper.bus.command("PTTL", keeper.bus.keys.limit) <= 60_000
    keeper.now += RETELL_LIMIT_SECONDS
    await keeper.decide()
    assert await keeper.bus.command("PTTL", keeper.bus.keys.limit) > 60_000


async def test_what_people_are_told_is_told_again_when_redis_has_lost_it(keeper: Keeper) -> None:
    keeper.pool(maxRunning=0)
    await keeper.work("eve")
    await keeper.decide()
    assert await keeper.control.queue() == ["eve"]
    # Deleted and made anew, while the operator saw it wait all the time.
    await keeper.control.delete("eve", "uid-of-eve")
    await keeper.work("eve")
    assert await keeper.control.queue() == []
    keeper.now += RETELL_SECONDS
    await keeper.decide()
    assert await keeper.control.queue() == ["eve"]
