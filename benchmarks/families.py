"""Figures of families on the test cluster: parents that all raise children at once in a pool of few pods.

Run with the cluster up and the chart installed (make demo-cluster): `uv run python -m benchmarks.families`.
"""

import argparse
import asyncio
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from tests.e2e.cluster import Namespace, kubectl, run
from tests.e2e.model import ScriptedModel
from tests.simulator.replay import replaying

from benchmarks.machine import about
from benchmarks.report import beside_budgets, write
from benchmarks.scale.rows import Row, plain
from benchmarks.tools import PROJECT, Tools
from horos.client import GatewayClient
from horos.proxy import ProxyTransport, open_kube
from horos_api.names import API_VERSION

LOOK_SECONDS: Final = 0.5
TOOLS: Final = {"builtin": ["send", "ask", "create_agent"]}


@dataclass(frozen=True)
class Figures:
    """Seconds since the parents were asked, and pods as the API server's watch told them."""

    born: float
    first: float
    last: float
    pods_at_once: int
    pods_made: int


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


async def measure(namespace: Namespace, model: ScriptedModel, given: argparse.Namespace) -> Figures:
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
    return Figures(
        born - begin,
        ends[0] - begin,
        ends[-1] - begin,
        replay.most[namespace.name],
        replay.made[namespace.name],
    )


def rows(found: Figures, given: argparse.Namespace) -> list[Row]:
    """The figures, with the one limit that there is: a pool's."""
    what = f"{given.parents} parents × {given.children} children in a pool of {given.pool}"
    answered = given.parents * (given.children + 1)
    return [
        Row(f"{what}: all children are born", found.born, "s"),
        Row("… the first parent has answered", found.first, "s"),
        Row("… all parents have answered", found.last, "s"),
        Row("… answers a second, children's and parents'", answered / found.last, "/s"),
        Row("… pods that there were at once, at most", found.pods_at_once, "", given.pool),
        Row("… pods that were made", found.pods_made),
    ]


def main() -> None:
    """Measure and print; a whole run writes results/ and the README too."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.families", description=__doc__)
    parser.add_argument("--parents", type=int, default=20)
    parser.add_argument("--children", type=int, default=20)
    parser.add_argument("--pool", type=int, default=20)
    given = parser.parse_args()
    on, begun = about([], Tools()), time.monotonic()
    namespace = Namespace(f"bench-{uuid.uuid4().hex[:6]}")
    kubectl("create", "namespace", namespace.name)
    try:
        model = ScriptedModel(namespace)
        model.start()
        found = plain(rows(asyncio.run(measure(namespace, model, given)), given))
    finally:
        run("kubectl", "delete", "namespace", namespace.name, "--wait=true")
    print(beside_budgets(found))
    if given == parser.parse_args([]):
        how = {
            "command": " ".join(["python -m benchmarks.families", *sys.argv[1:]]),
            "minutes": round((time.monotonic() - begun) / 60, 1),
            "budgets": found,
        }
        write("families", on | how, PROJECT / "benchmarks")


if __name__ == "__main__":
    main()
