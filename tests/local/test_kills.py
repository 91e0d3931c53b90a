"""The operator is killed again and again while agents work: every request is answered once all the same."""

import contextlib
import json
import os
import random
import signal

import pytest

from horos_api.messages import NewMessage, SendOutcome
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.sender import reply, send
from tests.local.conftest import Ground, agent, agents_processes, eventually, pool
from tests.local.test_agents import operator_process

NAMES = ("ada", "bob", "eve", "max")
KILLS = 3
REQUESTS = 18


@pytest.mark.parametrize("seed", [0])
async def test_every_request_is_answered_once_whatever_dies_when(ground: Ground, seed: int) -> None:
    await ground.model.load({"echo": True}, repeat="last")
    dice = random.Random(seed)
    documents = [pool(2), *(agent(name, idleSeconds=1) for name in NAMES)]
    mids = [f"r{number}" for number in range(REQUESTS)]
    bus = ground.bus()
    try:
        with operator_process(ground, documents):
            await eventually("all are known", lambda: _all_known(bus))
        waiting = list(mids)
        for _ in range(KILLS):
            with operator_process(ground, documents) as process:
                now, waiting = waiting[: REQUESTS // KILLS], waiting[REQUESTS // KILLS :]
                for mid in now:
                    await _say(bus, mid, dice.choice(NAMES))
                some = dice.randrange(len(now))
                await eventually("some are answered", lambda now=now, some=some: _answered(bus, now, some))
                for number in agents_processes(process.pid):
                    if dice.random() < 0.3:
                        _kill(number)
                # The operator dies with the block, whatever it is just doing.
        async with ground.operator():
            for mid in mids:
                ending = await eventually(f"{mid} is answered", lambda mid=mid: reply(bus, mid))
                # One turn may answer several.
                assert ending.error == "" and ending.text.startswith("say r")
        heard = [text for name in NAMES for text in await _heard(bus, name)]
        assert sorted(heard) == sorted(f"say {mid}" for mid in mids), "each is read once, in one turn"
    finally:
        await bus.aclose()


async def _heard(bus: Bus, name: str) -> list[str]:
    """What an agent has been told, as its thread has it."""
    records = [json.loads(each) for each in (await Control(bus).stretch(name, "main")).records]
    return [str(each["content"]) for each in records if each.get("role") == "user"]


async def _answered(bus: Bus, mids: list[str], count: int) -> bool:
    return len([mid for mid in mids if await reply(bus, mid) is not None]) >= count


async def _all_known(bus: Bus) -> bool:
    return set(await Control(bus).agents()) == set(NAMES)


async def _say(bus: Bus, mid: str, name: str) -> None:
    assert await send(bus, NewMessage(to=name, mid=mid, body=f"say {mid}")) == SendOutcome.OK


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
