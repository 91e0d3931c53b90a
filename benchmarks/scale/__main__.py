"""`python -m benchmarks.scale [row …]`: thousands of agents on the test cluster, figures beside budgets.

Needs the cluster (`make scale` brings it up), and nobody else on it. Without rows all are measured, and the
table goes into the README.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from tests.controller.conftest import ours_alone
from tests.e2e.cluster import run, unavailable
from tests.simulator.nodes import fake_nodes
from tests.simulator.process import simulating
from tests.simulator.world import World, world

from benchmarks.machine import about
from benchmarks.report import beside_budgets, write
from benchmarks.scale import bursts, idling, restart
from benchmarks.scale.crowd import Buses
from benchmarks.scale.rows import Row, plain
from benchmarks.tools import PROJECT, Tools

HERE = PROJECT / "benchmarks"


@dataclass(frozen=True)
class Part:
    """Some rows that one world is made for. `agents` is how many the budget is about."""

    measure: Callable[[World, Buses, int], Awaitable[list[Row]]]
    agents: int
    namespaces: int = 1
    everywhere: bool = False


PARTS = {
    "burst": Part(bursts.burst_row, bursts.AGENTS, bursts.NAMESPACES, everywhere=True),
    "restart": Part(restart.restart_row, restart.AGENTS),
    "idle": Part(idling.idle_row, idling.AGENTS),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="row", help=f"of {', '.join(PARTS)}; without, all")
    parser.add_argument("--fraction", type=float, default=1.0, help="so much of the agents; writes nothing")
    parser.add_argument("--keep-log", type=Path, help="where the operator's log is kept")
    given = parser.parse_args()
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"row {unknown[0]!r}: expected one of {', '.join(PARTS)}")
    if reason := unavailable() or strangers():
        parser.error(reason)
    return given


def strangers() -> str:
    """Why the cluster may not be used: its Agents would be served by our operator, with a Redis that goes."""
    agents = run("kubectl", "get", "agents", "--all-namespaces", "-o", "name", check=False).stdout.split()
    return f"the cluster has Agents already, {agents[0]} and others: delete them first" if agents else ""


def measured(part: Part, given: argparse.Namespace) -> list[Row]:
    """Make a world, measure in it, remove it."""

    async def measure(made: World) -> list[Row]:
        buses = Buses(made)
        try:
            return await part.measure(made, buses, max(1, int(part.agents * given.fraction)))
        finally:
            await buses.aclose()

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="horos-scale-")))
        made = stack.enter_context(world(folder, part.namespaces, everywhere=part.everywhere))
        if given.keep_log:
            stack.callback(lambda: given.keep_log.write_bytes(made.log.read_bytes()))
        stack.enter_context(simulating(made.names))
        made.start_operator()
        return uvloop.run(measure(made))


def main() -> None:
    """Measure and print; what is measured at its full size goes into results/ and the README at once."""
    given = arguments()
    # Whoever ends it wants the cluster as it was.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    with ours_alone(), fake_nodes():
        for name in given.parts or PARTS:
            on, begun = about([], Tools()), time.monotonic()
            rows = plain(measured(PARTS[name], given))
            print(beside_budgets(rows), flush=True)
            if given.fraction == 1:
                how = {
                    "command": f"python -m benchmarks.scale {name}",
                    "minutes": round((time.monotonic() - begun) / 60, 1),
                }
                keep(name, on | how | {"budgets": rows})


def keep(name: str, results: dict[str, Any]) -> None:
    """Put a part beside what is known of the others."""
    file = HERE / "results/scale.json"
    known = json.loads(file.read_text())["parts"] if file.exists() else {}
    parts = {each: (known | {name: results})[each] for each in PARTS if each in known or each == name}
    write("scale", {"parts": parts}, HERE)


if __name__ == "__main__":
    main()
