"""What a process that does not lead leaves alone: each write of the cluster and the bus, and every duty."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from horos_api.names import key_prefix
from horos_api.resources import OperatingMode
from horos_bus.connection import Bus, BusError
from horos_bus.control import Control
from horos_operator.agent_pools import quota_body
from horos_operator.cluster import ClusterError, NotLeadingError
from horos_operator.credentials import BusCredentials
from horos_operator.duties import begin_to_lead, duties, whenever_leading
from horos_operator.elector import Leadership
from horos_operator.hands import Hands
from horos_operator.health import Health
from horos_operator.kube.cluster import KubeCluster
from horos_operator.kube.connection import KubeConnection
from horos_operator.observe import Caches
from horos_operator.parts import Parts
from horos_operator.pools import PoolKeeper
from horos_operator.queue import Key, KeyQueue
from horos_operator.reconcile import Reconciler
from horos_operator.slots import Slots
from horos_operator.sweeps import sweep_for_ever
from horos_operator.wakes import Wakes
from tests.controller.facts import (
    FACTORY,
    SETTINGS,
    agent,
    agent_pool,
    group,
    model_config,
    pod,
    quota,
    tool_server,
)
from tests.controller.lease_server import serving

WRITES: dict[str, Callable[[KubeCluster], Awaitable[Any]]] = {
    "set_finalizers": lambda cluster: cluster.set_finalizers(agent(), ()),
    "set_owner": lambda cluster: cluster.set_owner(agent(), agent(name="lead"), "lead"),
    "create_agent": lambda cluster: cluster.create_agent({"metadata": {"namespace": "a"}}),
    "delete_agent": lambda cluster: cluster.delete_agent(agent()),
    "create_group": lambda cluster: cluster.create_group({"metadata": {"namespace": "a"}}),
    "set_group_finalizers": lambda cluster: cluster.set_group_finalizers(group(), ()),
    "set_operating_mode": lambda cluster: cluster.set_operating_mode("a", "b", "c", OperatingMode.RUNNING),
    "write_status": lambda cluster: cluster.write_status(agent(), {}),
    "write_model_config_status": lambda cluster: cluster.write_model_config_status(model_config(), {}),
    "write_tool_server_status": lambda cluster: cluster.write_tool_server_status(tool_server(), {}),
    "write_agent_pool_status": lambda cluster: cluster.write_agent_pool_status(agent_pool(), {}),
    "write_group_status": lambda cluster: cluster.write_group_status(group(), {}),
    "create_quota": lambda cluster: cluster.create_quota({"metadata": {"namespace": "a"}}),
    "change_quota": lambda cluster: cluster.change_quota(quota(), quota_body(agent_pool(), 3, "agents")),
    "delete_quota": lambda cluster: cluster.delete_quota(quota()),
    "create_pod": lambda cluster: cluster.create_pod({"metadata": {"namespace": "a"}}),
    "delete_pod": lambda cluster: cluster.delete_pod(pod()),
    "create_secret": lambda cluster: cluster.create_secret("a", "b", {}),
    "change_secret": lambda cluster: cluster.change_secret("a", "b", {}),
}
READS = {
    *("agents", "pods", "model_configs", "tool_servers", "agent_pools", "quotas"),
    *("agent", "pod", "secret", "groups", "group"),
}


def everything(asked: list[str], answer: Any, status: int = 200) -> web.Application:
    """A server that gives one answer to everything."""

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.method)
        if isinstance(answer, str):
            return web.Response(text=answer, status=status)
        return web.json_response(answer, status=status)

    made = web.Application()
    made.router.add_route("*", "/{path:.*}", handle)
    return made


def test_every_method_of_a_cluster_is_known_here_as_a_read_or_a_write() -> None:
    public = {name for name in vars(KubeCluster) if not name.startswith("_")}
    assert public == READS | set(WRITES)


@pytest.mark.parametrize("name", WRITES)
async def test_a_write_of_one_that_does_not_lead_never_leaves_the_process(name: str, tmp_path: Path) -> None:
    asked: list[str] = []
    async with serving(everything(asked, {"items": [], "metadata": {}}), tmp_path) as connection:
        cluster = KubeCluster(connection, (), Leadership().check)
        with pytest.raises(NotLeadingError):
            await WRITES[name](cluster)
        assert asked == []
        assert await cluster.agents() == []
        assert asked == ["GET"]


async def test_what_a_proxy_makes_up_is_an_error_of_the_cluster_and_no_end(tmp_path: Path) -> None:
    async with serving(everything([], "<html>please log in</html>"), tmp_path) as connection:
        cluster = KubeCluster(connection)
        for ask in (
            cluster.agents,
            lambda: cluster.agent("a", "b"),
            lambda: cluster.write_status(agent(), {}),
        ):
            with pytest.raises(ClusterError, match="expected an object of Kubernetes, found '<html>"):
                await ask()


async def test_the_bus_of_one_that_does_not_lead_is_not_even_asked(bus: Bus) -> None:
    leadership = Leadership()
    guarded = Control(bus.guarded(leadership.check).at(f"{bus.prefix}guarded:"))
    with pytest.raises(NotLeadingError):
        await guarded.create("ada", "uid")
    assert await Control(bus.at(f"{bus.prefix}guarded:")).agents() == {}
    leadership.hold(leadership.clock() + 60)
    await guarded.create("ada", "uid")
    assert await Control(bus.at(f"{bus.prefix}guarded:")).agents() == {"ada": "uid"}
    assert not issubclass(NotLeadingError, BusError), "a pass would take it for a Redis that is down"


class Looks(Reconciler):
    """Looks at nothing: notes which keys it was to look at, and keeps the first ones waiting."""

    def __init__(self, manager: Hands, leadership: Leadership) -> None:
        super().__init__(manager, FACTORY, lambda: 0.0)
        self._leadership = leadership
        self.begun: list[Key] = []
        self.ended: list[Key] = []
        self.held = asyncio.Event()

    async def look(self, key: Key) -> float | None:
        self.begun.append(key)
        await self.held.wait()
        self._leadership.check()
        self.ended.append(key)
        return None


class Stage:
    """All duties of an operator with two agents in its caches."""

    def __init__(self, bus: Bus, connection: KubeConnection) -> None:
        self.now = 0.0
        self.leadership = Leadership(lambda: asyncio.get_running_loop().time() + self.now)
        namespace = f"led-{uuid.uuid4().hex[:8]}"
        self.control = Control(bus.at(key_prefix(SETTINGS.install, namespace)))
        caches, cluster = Caches(), KubeCluster(connection, (), self.leadership.check)
        self.keys = [
            caches.put_agent(agent(namespace=namespace, name=name, uid=f"uid-of-{name}"))
            for name in ("ada", "bob")
        ]
        guarded = bus.guarded(self.leadership.check)
        manager = Hands(cluster, caches, guarded, BusCredentials(cluster, guarded, SETTINGS, ""))
        self.looks = Looks(manager, self.leadership)
        queue, wakes = KeyQueue(asyncio.get_running_loop().time), Wakes()
        self.parts = Parts(
            settings=SETTINGS,
            cluster=cluster,
            bus=bus,
            caches=caches,
            queue=queue,
            manager=manager,
            reconciler=self.looks,
            pools=PoolKeeper(manager, Slots(time.time, wakes.touch), queue, wakes),
            wakes=wakes,
            health=Health(asyncio.get_running_loop().time, 60),
            leadership=self.leadership,
            synced=asyncio.Event(),
            sweep_now=asyncio.Event(),
        )

    def lead(self) -> None:
        begin_to_lead(self.parts)
        self.leadership.hold(self.leadership.clock() + 60)

    async def until(self, what: str, true: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(20):
                while not true():  # noqa: ASYNC110 - what changes is a plain list
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"not in time: {what}; {self.looks.begun} {self.looks.ended}") from None


async def test_duties_begin_with_everything_are_cut_off_and_begin_again(bus: Bus, tmp_path: Path) -> None:
    nothing = everything([], {"kind": "Status", "message": "there is none"}, status=404)
    async with serving(nothing, tmp_path) as connection, asyncio.TaskGroup() as tasks:
        stage = Stage(bus, connection)
        looks, keys = stage.looks, stage.keys
        stage.parts.queue.add(keys[0])
        await stage.control.order("ada", "somebody-else", OperatingMode.SUSPENDED)
        running = [
            tasks.create_task(whenever_leading(stage.parts, duty)) for duty in duties(stage.parts).values()
        ]
        await asyncio.sleep(0)
        assert looks.begun == []
        assert len(await stage.control.orders()) == 1
        stage.lead()
        await stage.until("it looks at all", lambda: sorted(looks.begun) == keys)
        while await stage.control.orders():  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.01)
        stage.leadership.give_up()
        looks.held.set()
        stage.lead()  # at once: what ran before it must not go on in it
        await stage.until("it looks at all again", lambda: len(looks.ended) >= 2)
        assert sorted(looks.begun) == sorted(2 * keys)
        assert sorted(looks.ended) == keys
        for task in running:
            task.cancel()


async def test_what_cannot_be_read_in_one_namespace_keeps_no_other_waiting(bus: Bus, tmp_path: Path) -> None:
    nothing = everything([], {"kind": "Status", "message": "there is none"}, status=404)
    async with serving(nothing, tmp_path) as connection, asyncio.TaskGroup() as tasks:
        stage = Stage(bus, connection)
        stage.parts.caches.put_agent(agent(namespace="a-first", name="eve", uid="uid-of-eve"))
        first = bus.at(key_prefix(SETTINGS.install, "a-first"))
        await first.command("DEL", first.keys.requests)
        words = ("agent", "eve", "uid", "uid-of-eve", "mode", "Nonsense")
        await first.command("XADD", first.keys.requests, "*", *words)
        await stage.control.order("ada", "somebody-else", OperatingMode.SUSPENDED)
        running = tasks.create_task(whenever_leading(stage.parts, duties(stage.parts)["chores"]))
        stage.lead()
        while await stage.control.orders():
            assert not running.done()
            await asyncio.sleep(0.01)
        running.cancel()
        await first.command("DEL", first.keys.requests)


async def test_a_pass_that_went_on_after_a_long_stop_ends_at_its_first_write(
    bus: Bus, tmp_path: Path
) -> None:
    nothing = everything([], {"kind": "Status", "message": "there is none"}, status=404)
    async with serving(nothing, tmp_path) as connection, asyncio.TaskGroup() as tasks:
        stage = Stage(bus, connection)
        working = duties(stage.parts)["worker-0"]
        running = tasks.create_task(whenever_leading(stage.parts, working))
        stage.lead()
        await stage.until("a pass runs", lambda: len(stage.looks.begun) == 1)
        stage.now += 3600  # stopped for an hour; the loop's own timers have not fired
        stage.looks.held.set()
        await stage.until("it has ended", lambda: not stage.parts.queue._active)
        assert stage.looks.ended == []
        assert len(stage.looks.begun) == 1
        running.cancel()


async def test_a_follower_keeps_no_keys_and_a_leader_begins_with_those_that_live(
    bus: Bus, tmp_path: Path
) -> None:
    lists = {"items": [], "metadata": {"resourceVersion": "1"}}
    async with serving(everything([], lists), tmp_path) as connection, asyncio.TaskGroup() as tasks:
        stage = Stage(bus, connection)
        parts = stage.parts
        sweeping = tasks.create_task(sweep_for_ever(parts))
        await parts.synced.wait()
        for number in range(1000):
            parts.ask(("there", f"gone-{number}"), urgent=number % 2 == 0)
        assert len(parts.queue) == 0, "nor those whose agents the sweep did not find any more"
        eve = parts.caches.put_agent(agent(namespace="there", name="eve", uid="uid-of-eve"))
        stage.lead()
        parts.ask(("there", "bob"))
        assert len(parts.queue) == 2
        stage.leadership.give_up()
        stage.lead()
        assert len(parts.queue) == 1, "bob is not there any more"
        assert await parts.queue.get() == eve
        sweeping.cancel()
