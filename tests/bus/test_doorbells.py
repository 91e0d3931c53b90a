"""One ear for the doorbells of all namespaces."""

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator

import pytest

from horos_api.names import key_prefix
from horos_bus.connection import Bus, BusUnavailableError
from horos_bus.doorbells import Doorbells
from tests.bus.conftest import OpenBus
from tests.bus.stage import Stage, until
from tests.redis_fixtures import RedisProcess

_installs = itertools.count(1)
SOON = 1.0


class House:
    """Namespaces of one install; `ear` listens to their doorbells."""

    def __init__(self, bus: Bus, install: str) -> None:
        self._bus, self._install = bus, install
        self.ear = Doorbells(bus, install)
        self._mids = itertools.count(1)

    def stage(self, namespace: str) -> Stage:
        """One of them."""
        return Stage(self._bus.at(key_prefix(self._install, namespace)))

    async def agents(self, *namespaces: str) -> None:
        """Make an agent in each."""
        for namespace in namespaces:
            await self.stage(namespace).agent(f"of-{namespace}")

    async def say(self, namespace: str, to: str = "") -> None:
        """Send its agent a message."""
        await self.stage(namespace).say(f"m{next(self._mids)}", to or f"of-{namespace}")


@pytest.fixture
async def house(redis_process: RedisProcess, open_bus: OpenBus) -> AsyncIterator[House]:
    """Two namespaces, red and blue, that were listened to."""
    install = f"bells{next(_installs)}"
    built = House(open_bus(redis_process.url, key_prefix(install, "any")), install)
    await built.agents("red", "blue")
    assert await built.ear.ring(["red", "blue"], 1) == {"red", "blue"}
    yield built
    await built.ear.aclose()


async def test_whoever_was_not_listened_to_rings_at_once(house: House) -> None:
    await house.agents("green")
    started = time.monotonic()
    assert await house.ear.ring(["red", "blue", "green"], 2000) == {"green"}
    assert time.monotonic() - started < SOON


async def test_nobody_rings_while_nothing_happens(house: House) -> None:
    started = time.monotonic()
    assert await house.ear.ring(["red", "blue"], 50) == set()
    assert time.monotonic() - started >= 0.05
    assert await house.ear.ring([], 50) == set()
    assert time.monotonic() - started >= 0.1


async def test_a_message_to_a_sleeper_rings_in_its_namespace_while_one_listens(house: House) -> None:
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        heard = group.create_task(house.ear.ring(["red", "blue"], 2000))
        await asyncio.sleep(0)
        await house.say("blue")
    assert heard.result() == {"blue"}
    assert await house.ear.ring(["red", "blue"], 1) == set()


async def test_what_rang_while_nobody_listened_is_heard_next(house: House) -> None:
    await house.say("red")
    await house.say("blue")
    assert await house.ear.ring(["red", "blue"], 2000) == {"red", "blue"}
    await house.say("red")
    assert await house.ear.ring(["red", "blue"], 1) == set(), "it waits already"


async def test_many_rings_are_heard_at_once(house: House) -> None:
    for number in range(50):
        await house.stage("red").agent(f"a{number}")
        await house.say("red", f"a{number}")
    assert await house.ear.ring(["red", "blue"], 2000) == {"red"}
    assert await house.ear.ring(["red", "blue"], 1) == set()


async def test_a_namespace_rings_though_a_new_one_came_first(house: House) -> None:
    await house.agents("green")
    await house.say("red")
    assert await house.ear.ring(["red", "blue", "green"], 2000) == {"green"}
    assert await house.ear.ring(["red", "blue", "green"], 2000) == {"red"}


async def test_whoever_comes_back_rings_at_once(house: House) -> None:
    assert await house.ear.ring(["red"], 1) == set()
    await house.say("blue")
    assert await house.ear.ring(["red", "blue"], 2000) == {"blue"}
    assert await house.ear.ring(["red", "blue"], 1) == set()


async def test_a_namespace_that_is_new_need_not_wait_for_the_others(house: House) -> None:
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        heard = group.create_task(house.ear.ring(["red", "blue"], 2000))
        await _blocked(house)
        house.ear.look_again()
    assert heard.result() == set()
    await house.say("red")
    assert await house.ear.ring(["red", "blue", "green"], 2000) == {"green"}
    assert await house.ear.ring(["red", "blue", "green"], 2000) == {"red"}


async def test_looking_again_also_ends_the_wait_for_the_first_namespace(house: House) -> None:
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        heard = group.create_task(house.ear.ring([], 2000))
        await asyncio.sleep(0)
        house.ear.look_again()
    assert heard.result() == set()


async def test_looking_again_while_nobody_waits_does_nothing(house: House) -> None:
    house.ear.look_again()
    await house.say("red")
    assert await house.ear.ring(["red", "blue"], 2000) == {"red"}


async def test_nothing_is_lost_however_often_one_looks_again(house: House) -> None:
    """Each of a hundred agents rings once, and between two of them the wait is broken off."""
    rung = 0
    for number in range(100):
        await house.stage("red").agent(f"a{number}")
        async with asyncio.TaskGroup() as group, asyncio.timeout(5):
            heard = group.create_task(house.ear.ring(["red", "blue"], 2000))
            await asyncio.sleep(0)
            await house.say("red", f"a{number}")
            house.ear.look_again()
        found = heard.result() or await house.ear.ring(["red", "blue"], 2000)
        rung += found == {"red"}
    assert rung == 100


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_all_ring_when_redis_has_come_back(
    house: House, redis_process: RedisProcess, how: signal.Signals
) -> None:
    async with asyncio.TaskGroup() as group, asyncio.timeout(20):
        lost = group.create_task(_lost(house))
        await _blocked(house)
        await asyncio.to_thread(redis_process.stop, how)
        await asyncio.to_thread(redis_process.start)
    assert "cannot be reached" in lost.result()
    assert await house.ear.ring(["red", "blue"], 2000) == {"red", "blue"}
    await house.stage("red").agent("new")
    await house.say("red", "new")
    assert await house.ear.ring(["red", "blue"], 2000) == {"red"}


async def test_all_ring_when_redis_was_away_while_nobody_listened(
    house: House, redis_process: RedisProcess
) -> None:
    await asyncio.to_thread(redis_process.restart)
    assert "cannot be reached" in await _lost(house)
    assert await house.ear.ring(["red", "blue"], 2000) == {"red", "blue"}


async def test_all_ring_when_the_connection_was_cut(house: House) -> None:
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        lost = group.create_task(_lost(house))
        await _blocked(house)
        await house.stage("red").bus.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert "cannot be reached" in lost.result()
    assert await house.ear.ring(["red", "blue"], 2000) == {"red", "blue"}


async def test_a_redis_that_stays_away_is_told_at_once(house: House, redis_process: RedisProcess) -> None:
    await asyncio.to_thread(redis_process.stop)
    for _ in range(2):
        started = time.monotonic()
        assert f"127.0.0.1:{redis_process.port}" in await _lost(house)
        assert time.monotonic() - started < SOON
    await asyncio.to_thread(redis_process.start)
    assert await house.ear.ring(["red"], 1) == {"red"}


async def test_whoever_may_not_act_any_more_does_not_listen(house: House) -> None:
    class NotLeadingError(Exception):
        pass

    def refuse() -> None:
        raise NotLeadingError

    ear = Doorbells(house.stage("red").bus.guarded(refuse), "any")
    with pytest.raises(NotLeadingError):
        await ear.ring(["red"], 1)
    await ear.aclose()


async def _lost(house: House) -> str:
    with pytest.raises(BusUnavailableError) as caught:
        await house.ear.ring(["red", "blue"], 2000)
    return str(caught.value)


async def _blocked(house: House) -> None:
    """Wait until somebody blocks on Redis."""

    async def blocked() -> bool:
        clients = await house.stage("red").bus.command("INFO", "clients")
        return int(clients["blocked_clients"]) > 0

    await until(blocked)
