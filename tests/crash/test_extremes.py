"""What no single kill brings about: half-open and cut connections, stopped processes, races, a torn disk."""

import asyncio
import os
import random
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from horos_bus.sender import reply
from tests.crash.cradle import Cradle
from tests.crash.history import History, Problem, Said, endings_of, life_of, problems
from tests.crash.points import Point
from tests.crash.runs import Workshop
from tests.crash.soak import START_REDIS
from tests.crash.story import answered, at_rest, ghosts, people, tell, until, view
from tests.crash.world import Place, World
from tests.redis_fixtures import RedisProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _there(world: World) -> bool:
    return set(await world.control.views(world.wishes)) == set(world.wishes)


async def say(world: World, *said: Said) -> None:
    """Have messages sent, and wait until they are."""
    world.all_sent.clear()
    world.people = people(said)
    await world.start("client")

    async def sent() -> bool:
        return world.all_sent.is_set()

    await until("everything is sent", sent)


async def resident(world: World) -> None:
    """Create ada and have her answer once."""
    world.wish("ada")
    await world.start("operator")
    await until("ada is created", lambda: _there(world))
    await say(world, Said("first", "pam", "ada", "first"))
    await until("ada has answered", lambda: answered(world, "first"))
    await at_rest(world)


async def test_a_message_is_seen_though_the_wake_connection_is_half_open(workshop: Workshop) -> None:
    world = workshop.world("half-open", poll=0.5)
    async with world.running():
        await resident(world)
        [pod] = world.live_pods("ada")
        assert pod.process is not None
        pod.process.proxy.frozen = True
        await say(world, Said("second", "pam", "ada", "second"))
        await until("the poll has found it", lambda: answered(world, "second"))
        assert world.live_pods("ada") == [pod], "and nobody else did"


async def test_a_message_that_comes_while_its_agent_retires_gets_a_new_process(workshop: Workshop) -> None:
    world = workshop.world("retires", poll=30.0)
    async with world.running():
        await resident(world)
        world.held = "retire"
        world.order("evict", "ada")
        await asyncio.wait_for(world.holding.wait(), 20)
        await say(world, Said("second", "pam", "ada", "second"))
        found = await view(world, "ada")
        assert found is not None
        assert (found.holder, found.in_work) == ("", True)
        world.held = ""
        world.released.set()
        await until("the next process has answered", lambda: answered(world, "second"))
        assert len(world.tokens("ada")) == 2


async def test_a_stopped_process_that_goes_on_writes_nothing_and_leaves(workshop: Workshop) -> None:
    for event in ("append:2", "commit:1"):
        [run] = await workshop.run_all("stopped", [Point.parse(f"lead:{event}:stop")])
        assert run.passed, str(run)


async def test_a_process_of_a_life_that_is_over_does_not_touch_the_next(workshop: Workshop) -> None:
    world = workshop.world("lives")
    async with world.running():
        await resident(world)
        world.point = Point("ada", "commit", 2, "stop")
        await say(world, Said("second", "pam", "ada", "second"))

        async def stopped() -> bool:
            return bool(world.ghosts())

        async def gone() -> bool:
            return "ada" not in world.wishes

        await until("ada is stopped at her commit", stopped)
        world.wish("ada", mode="Deleted")
        await until("ada is deleted", gone)
        ending = await reply(world.bus, "second")
        assert ending is not None
        assert ending.error == "agent ada was deleted"
        world.wish("ada")
        await until("ada is created again", lambda: _there(world))
        third = Said("third", "pam", "ada", "third")
        await say(world, third)
        await until("the new ada has answered", lambda: answered(world, "third"))
        assert await ghosts(world) == []
        life = await life_of(world.bus, "ada", world.tokens("ada"))
        assert [record.get("mid") for record in life.records()] == ["third", None]


@asynccontextmanager
async def own_redis(binary: str, seed: str) -> AsyncIterator[tuple[World, RedisProcess]]:
    """A world on a Redis that may be maltreated."""
    with tempfile.TemporaryDirectory(prefix="horos-crash-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "redis").mkdir()
        redis = RedisProcess(folder / "redis", binary)
        await asyncio.to_thread(redis.start)
        try:
            async with Cradle.running(folder) as cradle:
                world = World(cradle, Place(redis.port, "horos:crash:{n1}:", folder / "world"), seed)
                async with world.running():
                    yield world, redis
        finally:
            await asyncio.to_thread(redis.stop)


async def test_connections_that_break_all_the_time_change_nothing(workshop: Workshop) -> None:
    async with own_redis(str(START_REDIS), "cut") as (world, _):

        async def cut() -> None:
            chance = random.Random("cut")
            while True:
                await asyncio.sleep(chance.uniform(0.2, 0.6))
                for kind in ("normal", "pubsub"):
                    await world.bus.command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

        cutting = asyncio.create_task(cut())
        found = await tell(world)
        cutting.cancel()
        assert found == []


TALK = (
    Said("r1", "pam", "lead", "r1", {"rounds": [[["ask", "ann", "q1", {}]], [["charge", "k1"]]]}),
    Said("r2", "pam", "lead", "r2", {"rounds": [[["ask", "bob", "q2", {}], ["send", "ann", "w1", {}]]]}),
    Said("r3", "pam", "ann", "r3", {"rounds": [[["look_up", "k2"]], [["ask", "bob", "q3", {}]]]}),
    Said("o1", "quin", "lead", "o1", {"rounds": [[["ask", "ann", "q4", {}]]]}, "other"),
    Said("o2", "quin", "bob", "o2", {"rounds": [[["ask", "lead", "q5", {}]]]}, "other"),
    Said("o3", "quin", "lead", "o3", {}, "other"),
)


@pytest.mark.parametrize("seed", ["1", "2", "3"])
async def test_a_torn_disk_leaves_a_consistent_past(seed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as never:
        monkeypatch.setenv("REDIS_DATA", never)
        async with own_redis(str(START_REDIS), seed) as (world, redis):
            monkeypatch.setenv("REDIS_DATA", str(redis.folder))
            assert await _torn(world, redis, chance) == []


async def _torn(world: World, redis: RedisProcess, chance: random.Random) -> list[Problem]:
    """Talk; twice the power fails and the end of what was written is lost, once more it only restarts."""
    for name in ("lead", "ann", "bob"):
        world.wish(name)
    world.people, world.insist = people(TALK), True
    await world.start("operator")
    await until("agents are created", lambda: _there(world))
    await world.start("client")
    for tears in (True, True, False):
        await asyncio.sleep(chance.uniform(0.3, 0.9))
        await asyncio.to_thread(redis.stop, signal.SIGKILL)
        if tears:
            tear(redis.folder, chance)
        await asyncio.to_thread(redis.start)
        await asyncio.to_thread(redis.restart, signal.SIGKILL)
    await at_rest(world)
    history = History(sent=dict(world.sent), lossy=True)
    history.lives = [await life_of(world.bus, name, world.tokens(name)) for name in world.wishes]
    history.endings = await endings_of(world.bus, TALK)
    return problems(history, TALK)


def tear(folder: Path, chance: random.Random) -> None:
    """Cut off the end of the append-only file, at any byte."""
    [newest] = (folder / "appendonlydir").glob("*.incr.aof")
    data = newest.read_bytes()
    os.truncate(newest, len(data) - chance.randint(1, min(20_000, len(data) // 2)))
