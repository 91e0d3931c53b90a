"""Figures of families on the test cluster: parents that all raise children at once in a pool of few pods.

Run with the cluster up and the chart installed (make demo): `uv run python -m benchmarks.families`.
"""

import argparse
import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, Final

from tests.e2e.cluster import Namespace, kubectl, run
from tests.e2e.model import ScriptedModel
from tests.simulator.replay import replaying

from horos.client import GatewayClient
from horos.proxy import ProxyTransport, open_kube
from horos_api.names import API_VERSION

LOOK_SECONDS: Final = 0.5
TOOLS: Final = {"builtin": ["send", "ask", "create_agent"]}


def manifest(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def births(lead: str, children: int) -> list[dict[str, Any]]:
    """What the model of a lead answers: all of its children in one go, then that it waits."""
    calls = [
        {
            "name": "create_agent",
            "arguments": {"name": f"{lead}-c{number}", "instructions": "Be brief.", "task": "Your word?"},
        }
        for number in range(children)
    ]
    matching = {"match": {"text": f"Ask for {lead}."}}
    return [{**matching, "toolCalls": calls}, {**matching, "text": "I wait for them."}]


async def until(true: Callable[[], Awaitable[bool]]) -> float:
    """Look until it is so; returns when it was. More often would be work for the two processors."""
    while not await true():  # noqa: ASYNC110 - it happens elsewhere
        await asyncio.sleep(LOOK_SECONDS)
    return time.perf_counter()


async def have_been_awake(gateway: GatewayClient, number: int) -> bool:
    found = await gateway.agents()
    return len(found) == number and all(each["epoch"] for each in found)


async def is_answered(gateway: GatewayClient, lead: str, message: str) -> bool:
    return await gateway.reply(lead, message) is not None


async def are_there(gateway: GatewayClient, number: int) -> bool:
    return len(await gateway.agents()) >= number


async def measure(namespace: Namespace, model: ScriptedModel, given: argparse.Namespace) -> dict[str, Any]:
    leads = [f"lead-{number}" for number in range(given.parents)]
    replies = [reply for lead in leads for reply in births(lead, given.children)]
    model.play(
        *replies,
        {"match": {"text": "Your word?"}, "text": "a word"},
        {"match": {"pattern": "answer of agent"}, "text": "heard"},
        repeat="last",
    )
    spec = {
        "instructions": "Lead.",
        "model": {"name": "scripted", "baseUrl": model.base_url},
        "tools": TOOLS,
        "budget": {"children": given.children},
    }
    pool = manifest("AgentPool", "default", maxRunning=given.pool)
    async with aclosing(await open_kube(None)) as kube, replaying(kube) as replay:
        gateway = GatewayClient(await ProxyTransport.find(kube, None, ""), namespace.name)
        await asyncio.to_thread(namespace.apply, pool, *(manifest("Agent", lead, **spec) for lead in leads))
        await until(lambda: have_been_awake(gateway, len(leads)))
        begin = time.perf_counter()
        sent = {lead: await gateway.send(lead, f"Ask for {lead}.", None, uuid.uuid4().hex) for lead in leads}
        async with asyncio.TaskGroup() as group:
            waits = [
                group.create_task(until(partial(is_answered, gateway, lead, each.id)))
                for lead, each in sent.items()
            ]
            everybody = given.parents * (given.children + 1)
            born = await until(lambda: are_there(gateway, everybody))
    ends = sorted(each.result() for each in waits)
    return {
        "parents": given.parents,
        "children of each": given.children,
        "pool": given.pool,
        "all children born, s": round(born - begin, 1),
        "first parent answered, s": round(ends[0] - begin, 1),
        "all parents answered, s": round(ends[-1] - begin, 1),
        "most pods at a time": replay.most[namespace.name],
        "pods made": replay.made[namespace.name],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parents", type=int, default=20)
    parser.add_argument("--children", type=int, default=20)
    parser.add_argument("--pool", type=int, default=20)
    given = parser.parse_args()
    namespace = Namespace(f"bench-{uuid.uuid4().hex[:6]}")
    kubectl("create", "namespace", namespace.name)
    try:
        model = ScriptedModel(namespace)
        model.start()
        print(json.dumps(asyncio.run(measure(namespace, model, given)), indent=2))
    finally:
        run("kubectl", "delete", "namespace", namespace.name, "--wait=true")


if __name__ == "__main__":
    main()
