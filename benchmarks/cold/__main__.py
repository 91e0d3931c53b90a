"""`python -m benchmarks.cold`: from a message to an agent that has no pod to the first words of its answer.

On the test cluster with real pods, the image present, against the scripted model in the cluster. Run with the
cluster up and the chart of this checkout installed (make demo), and nobody else on it.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any

from tests.e2e.cluster import Namespace, kubectl, unavailable
from tests.e2e.model import ScriptedModel

from benchmarks.cold.activating import Bench
from benchmarks.cold.moments import Activation, means, percentile
from benchmarks.cold.pod_watch import pod_watch
from benchmarks.cold.stacks import stacks
from benchmarks.machine import about
from benchmarks.report import beside_budgets, write
from benchmarks.scale.rows import Row, plain
from benchmarks.tools import PROJECT, Tools
from horos.client import GatewayClient
from horos.proxy import ProxyTransport, open_kube
from horos_api.names import API_VERSION

HERE = PROJECT / "benchmarks"
ALONE = ("solo-0", "solo-1")
TITLE = "A message to an agent without a pod: where the time goes (means)"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold", description=__doc__)
    parser.add_argument("--times", type=int, default=40, help="activations one at a time")
    parser.add_argument("--crowd", type=int, default=10, help="agents that are woken at once")
    parser.add_argument("--rounds", type=int, default=5, help="how often they are")
    parser.add_argument("--quick", action="store_true", help="a smoke run that writes nothing")
    given = parser.parse_args()
    if given.quick:
        given.times, given.crowd, given.rounds = 2, 3, 1
    if reason := unavailable():
        parser.error(reason)
    return given


@contextmanager
def stage(agents: Sequence[str]) -> Iterator[Namespace]:
    """A namespace with the scripted model and agents that leave after a second without work."""
    namespace = Namespace(f"cold-{uuid.uuid4().hex[:6]}")
    kubectl("create", "namespace", namespace.name)
    try:
        model = ScriptedModel(namespace)
        model.start()
        model.play({"text": "one two three"}, repeat="last")
        spec = {
            "instructions": "Be brief.",
            "idleSeconds": 1,
            "model": {"name": "scripted", "baseUrl": model.base_url},
        }
        namespace.apply(
            *[
                {"apiVersion": API_VERSION, "kind": "Agent", "metadata": {"name": name}, "spec": spec}
                for name in agents
            ]
        )
        yield namespace
    finally:
        kubectl("delete", "namespace", namespace.name, "--wait=true", "--timeout=120s")


async def measure(
    namespace: Namespace, given: argparse.Namespace, crowd: Sequence[str]
) -> tuple[list[Activation], list[list[Activation]], list[float]]:
    """One at a time, then all at once; and how long the last pods took to end."""
    async with aclosing(await open_kube(None)) as kube, pod_watch(kube, namespace.name) as watch:
        gateway = GatewayClient(await ProxyTransport.find(kube, None, ""), namespace.name)
        bench = Bench(gateway, kube, watch, namespace.name)
        alone = await bench.one_by_one(ALONE, given.times)
        rounds = [await bench.at_once(crowd) for _ in range(given.rounds)]
        farewells = [await bench.farewell(agent) for agent in ALONE]
        return alone, rounds, farewells


def rows(
    alone: Sequence[Activation], rounds: Sequence[Sequence[Activation]], farewells: list[float]
) -> list[Row]:
    """The figures beside the budgets of issue 7."""
    read = [each.between("stored", "consumed") for each in alone]
    words = [each.between("consumed", "delta") for each in alone]
    lasts = [max(each.between("stored", "consumed") for each in crowd) for crowd in rounds]
    crowd_words = [each.between("consumed", "delta") for crowd in rounds for each in crowd]
    one, many = f"{len(alone)} one at a time", f"{len(rounds[0])} at once, {len(rounds)} rounds"
    return [
        Row("message stored → read, p50", percentile(read, 0.5), "s", 1.0, note=one),
        Row("message stored → read, p99", percentile(read, 0.99), "s", 2.0, note=one),
        Row("read → first words, p50", percentile(words, 0.5), "s", 0.6, note=one),
        Row("message stored → the last is read, median", statistics.median(lasts), "s", 6.0, note=many),
        Row("message stored → the last is read, worst", max(lasts), "s", None, note=many),
        Row("read → first words, p50", percentile(crowd_words, 0.5), "s", None, note=many),
        Row("nothing to do → its pod has ended, as the API server tells", max(farewells), "s", None),
    ]


def main() -> None:
    """Measure and print; a whole run writes results/, the plot and the README too."""
    given = arguments()
    on, begun = about([], Tools()), time.monotonic()
    crowd = [f"crowd-{number}" for number in range(given.crowd)]
    with stage([*ALONE, *crowd]) as namespace:
        alone, rounds, farewells = asyncio.run(measure(namespace, given, crowd))
    found = plain(rows(alone, rounds, farewells))
    print(beside_budgets(found))
    series = {
        "one at a time": means(alone),
        f"{given.crowd} at once": means([each for crowd in rounds for each in crowd]),
    }
    print(json.dumps(series, indent=2))
    if given.quick:
        return
    how: dict[str, Any] = {
        "command": " ".join(["python -m benchmarks.cold", *sys.argv[1:]]),
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "budgets": found,
        "plot": TITLE,
        "stages": series,
        "activations": [dict(each.moments) for each in alone],
    }
    (HERE / "results/cold.svg").write_text(stacks(TITLE, series))
    write("cold", on | how, HERE)


if __name__ == "__main__":
    main()
