"""Two operators, many messages, and the leader killed in the middle: nothing doubled, nothing lost."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from horos.proxy import open_kube
from horos_api.messages import NewMessage, SendOutcome
from horos_api.names import API_VERSION, key_prefix
from horos_bus import sender
from horos_bus.connection import Bus
from horos_bus.control import Control
from tests.bus.stage import until
from tests.controller.conftest import Stage
from tests.controller.test_two_on_cluster import Pair
from tests.e2e.cluster import eventually
from tests.e2e.model import ScriptedModel
from tests.simulator.replay import replaying

pytestmark = pytest.mark.cluster

SLOTS = 3
NAMES = [f"guest-{number}" for number in range(6)]
LATE = [f"late-{number}" for number in range(2)]
SECONDS = 150.0


@pytest.fixture
def talking(stage: Stage) -> Iterator[Pair]:
    """Two operators whose agents have a model to talk to."""
    stage.start_operator()
    eventually("the operator has made the password", lambda: stage.own.get("secret", "horos-redis"))
    stage.stop_operator()
    stage.start_redis()
    ScriptedModel(stage.own).start()
    made = Pair(stage)
    try:
        made.start()
        yield made
    finally:
        for each in made.replicas:
            each.end()


def apply(stage: Stage, name: str) -> None:
    model = {"name": "scripted", "baseUrl": ScriptedModel(stage.own).base_url}
    stage.apply(name, model=model, idleSeconds=1)


async def send(bus: Bus, to: str, body: str) -> str:
    mid = uuid.uuid4().hex
    assert await sender.send(bus, NewMessage(mid=mid, to=to, body=body)) == SendOutcome.OK
    return mid


async def known(bus: Bus, names: list[str]) -> bool:
    return len(await Control(bus).views(names)) == len(names)


async def test_the_leader_is_killed_in_a_burst_of_messages_and_each_is_answered_once(talking: Pair) -> None:
    stage, model = talking.stage, ScriptedModel(talking.stage.own)
    model.play({"text": "Here I am."}, repeat="last")
    pool = {"apiVersion": API_VERSION, "kind": "AgentPool", "metadata": {"name": "default"}}
    stage.agents.apply(pool | {"spec": {"maxRunning": SLOTS}})
    bus = Bus.open(stage.bus_url(), key_prefix(stage.name, stage.name))
    async with aclosing(await open_kube(None)) as kube, replaying(kube) as replay, aclosing(bus):
        for name in NAMES:
            await asyncio.to_thread(apply, stage, name)
        await until(lambda: known(bus, NAMES), seconds=60)
        leader, follower = talking.roles()
        bodies = {f"{number} for {name}": name for number in range(3) for name in NAMES}
        mids = []
        for number, (body, name) in enumerate(bodies.items()):
            if number == len(bodies) // 2:
                await asyncio.to_thread(lambda: [apply(stage, late) for late in LATE])
                leader.process.kill()
            mids.append(await send(bus, name, body))
        await until(lambda: known(bus, LATE), seconds=60)
        mids += [await send(bus, name, f"hello {name}") for name in LATE]

        async def answered() -> bool:
            return all([await sender.reply(bus, mid) for mid in mids])

        await until(answered, seconds=SECONDS)
    assert talking.leader() is follower
    asked = "\n".join(str(request["messages"]) for request in model.requests())
    turns = [request["messages"][-1]["content"] for request in model.requests()]
    assert len(turns) == len(set(turns)), "no turn was taken twice"
    assert all(body in asked for body in [*bodies, *(f"hello {name}" for name in LATE)])
    assert replay.most[stage.name] == SLOTS
    assert not replay.doubled
