"""A runtime that has nothing to do gives up its pod: when, when not, and what comes in at that moment."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import pytest

from horos_api.messages import Verdict
from horos_bus.control import Control
from horos_runtime.agent_config import AgentConfig
from horos_runtime.agent_runtime import AgentRuntime
from horos_runtime.idleness import Idleness
from horos_runtime.lifetime import ExitCode
from tests.crash.proxy import Proxy
from tests.redis_fixtures import RedisProcess
from tests.runtime.stage import Stage, until
from tests.runtime.test_approvals import Bank

LONG = 3600


def test_the_time_counts_from_the_end_of_the_last_work() -> None:
    now = 100.0
    idleness = Idleness(lambda: now)
    assert idleness.left(300) == math.inf, "nobody has said yet that there is nothing to do"
    idleness.rests()
    now += 100
    idleness.rests()
    assert idleness.left(300) == 200
    assert idleness.left(60) == 0, "an edit counts from the same moment"
    assert idleness.left(0) == math.inf
    idleness.stirs()
    assert idleness.left(60) == math.inf
    now += 1000
    idleness.rests()
    assert idleness.left(60) == 60


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"{}", b'{"idleSeconds":"5"}', b'{"idleSeconds":-5}', b'{"idleSeconds":true}']
)
async def test_without_a_number_of_seconds_it_stays(text: bytes) -> None:
    async def read() -> bytes:
        return text

    assert await AgentConfig(read).idle_seconds(1) == 0


async def another_one_is_idle(stage: Stage) -> None:
    """Let a second pass: that of an agent which has nothing to do from now on, until it has left."""
    await stage.agent("clock", idle_seconds=1)
    async with stage.running("clock") as running:
        assert await running.ends() == ExitCode.LEFT


async def test_idle_for_long_enough_it_leaves_and_the_next_message_wants_a_pod(stage: Stage) -> None:
    await stage.agent(idle_seconds=1)
    async with stage.running() as running:
        assert await running.ends() == ExitCode.LEFT
    view = await stage.view()
    assert (view.state, view.holder, view.in_work) == ("idle", "", False)
    await stage.model.load({"text": "awake again"})
    mid = await stage.say("hello")
    assert (await stage.view()).in_work
    async with stage.running():
        assert await stage.answer(mid) == "awake again"


async def test_a_turn_is_no_idleness_however_long_and_the_time_counts_from_its_end(stage: Stage) -> None:
    await stage.agent(idle_seconds=1)
    await stage.model.load({"chunks": ["x", {"text": "y", "hold": True}]})
    async with stage.running() as running:
        mid = await stage.say("hello")
        await stage.model.requests(1, held=1, seconds=30)
        await another_one_is_idle(stage)
        ended = time.monotonic()
        await stage.model.step()
        assert await stage.answer(mid) == "xy"
        assert await running.ends() == ExitCode.LEFT
        assert time.monotonic() - ended > 1.0


async def test_with_zero_or_without_an_operator_it_never_leaves(
    stage: Stage, redis_process: RedisProcess
) -> None:
    await stage.agent(idle_seconds=0)
    local = AgentRuntime.local(name="ada", spec=stage.spec(), redis_url=redis_process.url)
    await stage.model.load({"text": "here"}, repeat="last")
    async with stage.running(), local.running():
        await another_one_is_idle(stage)
        assert await stage.ask("there?") == "here"
        assert await local.ask("there?") == "here"


async def test_in_state_error_it_stays_since_the_turn_is_open(stage: Stage) -> None:
    await stage.agent(idle_seconds=1)
    await stage.model.load({"fault": {"status": 404, "message": "no such model"}}, {"text": "found"})
    async with stage.running():
        mid = await stage.say("hello")
        await stage.becomes("error")
        await another_one_is_idle(stage)
        await stage.configure("ada", stage.spec("Anew."), idle_seconds=1)
        assert await stage.answer(mid) == "found"


async def test_an_edit_shortens_the_time_and_lengthens_it_without_a_turn(stage: Stage) -> None:
    await stage.agent(idle_seconds=LONG)
    async with stage.running() as running:
        await resident(stage)
        await stage.configure("ada", stage.spec(), idle_seconds=1)
        assert await running.ends() == ExitCode.LEFT
        await stage.configure("ada", stage.spec(), idle_seconds=5)
    async with stage.running():
        await resident(stage)
        await stage.configure("ada", stage.spec(), idle_seconds=LONG)
        await stage.agent("clock", idle_seconds=5)
        async with stage.running("clock") as clock:
            assert await clock.ends() == ExitCode.LEFT
        assert (await stage.view()).holder


async def test_asked_to_leave_it_does_so_at_once(stage: Stage) -> None:
    await stage.agent(idle_seconds=LONG)
    async with stage.running() as running:
        await resident(stage)
        asked = time.monotonic()
        assert await Control(stage.bus).ctl("ada", "evict") == "OK"
        assert await running.ends() == ExitCode.LEFT
        assert time.monotonic() - asked < 5.0, "it does not wait for its next look"


async def test_while_a_person_decides_the_agent_needs_no_pod(stage: Stage) -> None:
    bank, control = Bank(), Control(stage.bus)
    await stage.agent(idle_seconds=1)
    pay = {"name": "pay", "arguments": {"to": "carol", "euros": 5}}
    await stage.model.load({"toolCalls": [pay]}, {"text": "I wait."}, {"text": "Paid."})
    async with stage.running(tools=bank.tools) as running:
        mid = await stage.say("go")
        assert await running.ends() == ExitCode.LEFT
    (asked,) = await control.approvals("ada")
    assert not (await stage.view()).in_work
    assert (await control.decide("ada", asked.id, Verdict.APPROVE, "bob", reason="")).outcome == "DECIDED"
    assert (await stage.view()).in_work
    async with stage.running(tools=bank.tools):
        assert await stage.answer(mid) == "Paid."
    assert bank.paid == [("carol", 5)]


class Moment:
    """Does something right before, or right after, the first retiring that the proxy sees is executed."""

    def __init__(self, when: Literal["before", "after"], act: Callable[[], Awaitable[object]]) -> None:
        self._when, self._act = when, act
        self.answered = 0

    async def arrives(self, event: str) -> int:
        if event == "retire" and self._when == "before":
            self._when = "after"
            self._act, act = nothing, self._act
            await act()
        return 1

    async def executed(self, event: str, number: int) -> Literal["deliver", "swallow"]:
        if event == "retire":
            self.answered += 1
            await self._act()
        return "deliver"

    def unknown(self, event: str) -> None:
        pass

    async def delivered(self, event: str, number: int) -> None:
        pass

    async def closed(self, listening: bool) -> None:
        pass


async def nothing() -> None:
    """Do nothing."""


@contextlib.asynccontextmanager
async def passing(server: RedisProcess, moment: Moment) -> AsyncIterator[str]:
    """A way to Redis on which that moment comes; yields its address."""
    proxy = Proxy(server.port, moment)
    await proxy.start()
    try:
        yield server.url.replace(str(server.port), str(proxy.port))
    finally:
        await proxy.stop()


async def test_a_message_right_before_it_retires_is_taken(
    fragile_stage: Stage, redis_process: RedisProcess
) -> None:
    await fragile_stage.agent(idle_seconds=1)
    await fragile_stage.model.load({"text": "just in time"})
    said: list[str] = []

    async def say() -> None:
        said.append(await fragile_stage.say("hello"))

    moment = Moment("before", say)
    async with passing(redis_process, moment) as url, fragile_stage.running(redis_url=url) as running:
        await until(lambda: asyncio.sleep(0, bool(said)))
        assert await fragile_stage.answer(said[0]) == "just in time"
        assert await running.ends() == ExitCode.LEFT, "a second later there is nothing to do again"
    assert moment.answered == 2


async def test_a_message_right_after_it_retired_wants_a_pod(
    fragile_stage: Stage, redis_process: RedisProcess
) -> None:
    await fragile_stage.agent(idle_seconds=1)
    await fragile_stage.model.load({"text": "the next one"})
    said: list[str] = []

    async def say() -> None:
        said.append(await fragile_stage.say("hello"))

    moment = Moment("after", say)
    async with passing(redis_process, moment) as url, fragile_stage.running(redis_url=url) as running:
        assert await running.ends() == ExitCode.LEFT
    assert moment.answered == 1
    view = await fragile_stage.view()
    assert (view.holder, view.in_work, view.waiting) == ("", True, 1)
    async with fragile_stage.running():
        assert await fragile_stage.answer(said[0]) == "the next one"


async def resident(stage: Stage) -> None:
    """Wait until the agent's runtime has claimed and looked."""

    async def there() -> bool:
        return bool((await stage.view()).holder)

    await until(there)
