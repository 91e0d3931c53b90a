"""A pool with two slots, ten agents that are all spoken to: everybody answers, never three pods at a time."""

import asyncio
import uuid
from contextlib import aclosing
from typing import Any

from horos.client import GatewayClient
from horos.errors import HorosError
from horos.proxy import ProxyTransport, open_kube
from horos_api.names import API_VERSION
from tests.bus.stage import until
from tests.e2e.cluster import Namespace
from tests.e2e.model import ScriptedModel
from tests.simulator.replay import replaying

SLOTS = 2
NAMES = [f"guest-{number}" for number in range(10)]
SECONDS = 150.0


def manifest(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


async def have_all_left(gateway: GatewayClient) -> bool:
    """Whether everybody has been born, and has no pod."""
    try:
        agents = [await gateway.agent(name) for name in NAMES]
    except HorosError:
        return False
    return all(agent["epoch"] and agent["residency"] == "hibernated" for agent in agents)


async def answer(gateway: GatewayClient, name: str, message: str) -> tuple[str, list[int]]:
    """Wait for the answer; returns it, and the places in the queue that the agent had meanwhile, in order."""
    places: list[int] = []
    while (text := await gateway.reply(name, message)) is None:
        queue = (await gateway.agent(name)).get("queue")
        if queue and places[-1:] != [queue["position"]]:
            places.append(queue["position"])
        await asyncio.sleep(0.1)  # somebody who looks again and again
    return text, places


async def test_ten_agents_on_two_slots_all_answer_and_never_three_pods_live(
    namespace: Namespace, model: ScriptedModel
) -> None:
    model.play({"text": "Here I am."}, repeat="last")
    spec = {"instructions": "Be brief.", "model": {"name": "scripted", "baseUrl": model.base_url}}
    agents = [manifest("Agent", name, **spec) for name in NAMES]
    async with aclosing(await open_kube(None)) as kube, replaying(kube) as replay:
        gateway = GatewayClient(await ProxyTransport.find(kube, None, ""), namespace.name)
        pool = manifest("AgentPool", "default", maxRunning=SLOTS, idleSeconds=2)
        await asyncio.to_thread(namespace.apply, pool, *agents)
        await until(lambda: have_all_left(gateway), seconds=SECONDS)
        born = replay.made[namespace.name]
        sent = [await gateway.send(name, f"Hello {name}", None, uuid.uuid4().hex) for name in NAMES]
        async with asyncio.timeout(SECONDS):
            heard = await asyncio.gather(
                *(answer(gateway, name, each.id) for name, each in zip(NAMES, sent, strict=True))
            )
    assert {text for text, _ in heard} == {"Here I am."}
    asked = [request["messages"][-1]["content"] for request in model.requests()]
    assert sorted(asked) == [f"Hello {name}" for name in NAMES], "each message is answered once"
    assert replay.most[namespace.name] == SLOTS, "both slots are used, and never more"
    assert born >= len(NAMES) and replay.made[namespace.name] >= born + len(NAMES)
    waited = [places for _, places in heard if len(places) > 1]
    assert waited, "some waited for long enough to see their place change"
    assert all(places == sorted(places, reverse=True) for places in waited), waited
