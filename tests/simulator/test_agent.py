"""Simulated agents against a real Redis: they live as runtimes do, a thousand over one connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
import pytest

from horos_api.messages import NewMessage
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Identity
from horos_bus.sender import reply, send
from horos_runtime.lifetime import ExitCode
from horos_runtime.pace import Pace
from tests.bus.stage import Stage, until
from tests.simulator.agent import Manner, SimulatedAgent
from tests.simulator.wakes import Wakes

Living = tuple[SimulatedAgent, "asyncio.Task[ExitCode]"]


class Crowd:
    """Simulated agents of one namespace."""

    def __init__(self, bus: Bus, tasks: asyncio.TaskGroup) -> None:
        self.bus = bus
        self.control = Control(bus)
        self.wakes = Wakes(bus)
        self._tasks = tasks

    async def born(self, name: str, idle_seconds: int = 0) -> None:
        assert await self.control.create(name, f"uid-{name}") == "OK"
        config = orjson.dumps({"generation": 1, "spec": {}, "idleSeconds": idle_seconds})
        await self.control.configure(name, f"uid-{name}", 1, config)

    def starts(
        self, name: str, token: str = "token-1", ticket: int = 0, manner: Manner | None = None
    ) -> Living:
        messages = MessageService(self.bus, Identity(name, f"uid-{name}", token))
        agent = SimulatedAgent(messages, self.wakes, name, token, manner or Manner())
        return agent, self._tasks.create_task(agent.live(ticket))

    async def resident(self, name: str) -> None:
        await until(self.holds(name))

    def holds(self, name: str, token: str = "token-1") -> Callable[[], Awaitable[bool]]:
        async def held() -> bool:
            view = await self.control.view(name)
            return view is not None and view.holder == token

        return held

    async def ask(self, name: str, mid: str) -> None:
        await send(self.bus, NewMessage(to=name, mid=mid, body="Are you there?", kind="request"))

    def answered(self, mid: str) -> Callable[[], Awaitable[bool]]:
        async def ended() -> bool:
            return await reply(self.bus, mid) is not None

        return ended


@pytest.fixture
async def crowd(bus: Bus) -> AsyncIterator[Crowd]:
    async with asyncio.TaskGroup() as tasks:
        made = Crowd(bus, tasks)
        reading = tasks.create_task(made.wakes.run())
        yield made
        reading.cancel()


async def test_an_agent_claims_answers_when_it_is_woken_and_retires_when_it_has_been_idle(
    crowd: Crowd,
) -> None:
    await crowd.born("ada", idle_seconds=1)
    agent, life = crowd.starts("ada")
    await crowd.resident("ada")
    await crowd.ask("ada", "mid-1")
    await until(crowd.answered("mid-1"))
    ending = await reply(crowd.bus, "mid-1")
    assert ending is not None
    assert ending.text == "I am simulated."
    assert agent.turns == 1
    assert await life is ExitCode.LEFT
    view = await crowd.control.view("ada")
    assert view is not None
    assert (view.holder, view.epoch) == ("", 1)
    records = await Stage(crowd.bus).runtime("ada").stretch("main")
    assert [orjson.loads(each)["role"] for each in records.records] == ["user", "assistant"]


async def test_a_late_pod_leaves_when_somebody_has_claimed_since_its_ticket(crowd: Crowd) -> None:
    await crowd.born("ada")
    _, first = crowd.starts("ada")
    await crowd.resident("ada")
    _, late = crowd.starts("ada", "token-2", ticket=0)
    assert await late is ExitCode.LEFT
    assert await crowd.holds("ada")()
    assert not first.done()
    await crowd.control.ctl("ada", "evict")
    assert await first is ExitCode.LEFT


async def test_an_agent_that_was_written_off_leaves_at_its_next_look(crowd: Crowd) -> None:
    await crowd.born("ada")
    _, life = crowd.starts("ada")
    await crowd.resident("ada")
    await crowd.control.reap("ada", "token-1")
    await crowd.ask("ada", "mid-1")
    _, second = crowd.starts("ada", "token-2", ticket=1)
    await until(crowd.answered("mid-1"))
    await crowd.bus.command("PUBLISH", crowd.bus.keys.wake("ada"), "m")
    assert await life is ExitCode.LEFT
    await crowd.control.ctl("ada", "evict")
    assert await second is ExitCode.LEFT


async def test_one_that_is_stopped_in_a_turn_ends_it_and_one_that_needs_too_long_hands_it_on(
    crowd: Crowd,
) -> None:
    await crowd.born("ada")
    agent, life = crowd.starts("ada", manner=Manner(think=0.3))
    await crowd.ask("ada", "mid-1")
    await until(_runs(crowd, "ada"))
    agent.stop()
    assert await life is ExitCode.LEFT
    assert await crowd.answered("mid-1")()

    slow = Manner(think=60, pace=Pace(grace=0.1))
    agent, life = crowd.starts("ada", "token-2", ticket=1, manner=slow)
    await crowd.ask("ada", "mid-2")
    await until(_runs(crowd, "ada"))
    agent.stop()
    assert await life is ExitCode.LEFT
    assert not await crowd.answered("mid-2")()
    assert await crowd.bus.command("ZSCORE", crowd.bus.keys.work, "ada") is not None


def _runs(crowd: Crowd, name: str) -> Callable[[], Awaitable[bool]]:
    async def running() -> bool:
        view = await crowd.control.view(name)
        return view is not None and view.turn != ""

    return running


async def test_five_hundred_agents_listen_over_one_connection_and_all_hear(crowd: Crowd) -> None:
    names = [f"agent-{number}" for number in range(500)]
    for name in names:
        await crowd.born(name)
    lives = [crowd.starts(name)[1] for name in names]
    for name in names:
        await crowd.resident(name)
    listening = await crowd.bus.command("CLIENT", "LIST", "TYPE", "PUBSUB")
    mine = f"{crowd.bus.prefix}a:".encode()
    assert len([line for line in bytes(listening).splitlines() if b"sub=500 " in line]) == 1, mine
    await asyncio.gather(*(crowd.ask(name, f"mid-{name}") for name in names))
    for name in names:
        await until(crowd.answered(f"mid-{name}"))
    await asyncio.gather(*(crowd.control.ctl(name, "evict") for name in names))
    assert await asyncio.gather(*lives) == [ExitCode.LEFT] * len(names)


async def test_a_connection_that_breaks_costs_no_wake(crowd: Crowd) -> None:
    await crowd.born("ada")
    _, life = crowd.starts("ada")
    await crowd.resident("ada")
    await crowd.bus.command("CLIENT", "KILL", "TYPE", "pubsub")
    await crowd.ask("ada", "mid-1")
    await until(crowd.answered("mid-1"))
    await crowd.control.ctl("ada", "evict")
    assert await life is ExitCode.LEFT
