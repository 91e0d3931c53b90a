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
from tests.e2e.cluster import unavailable
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
    "idle": Part(idling.idle_row, idling.AGENTS),
    "restart": Part(restart.restart_row, restart.AGENTS),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="row", help=f"of {', '.join(PARTS)}; without, all")
    parser.add_argument("--fraction", type=float, default=1.0, help="so much of the agents; writes nothing")
    parser.add_argument("--keep-log", type=Path, help="where the operator's log is kept")
    given = parser.parse_args()
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"row {unknown[0]!r}: expected one of {', '.join(PARTS)}")
    if reason := unavailable():
        parser.error(reason)
    return given


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
    """Measure and print the table; all rows at their full size go into results/ and the README too."""
    given = arguments()
    # Whoever ends it wants the cluster as it was.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    on, begun = about([], Tools()), time.monotonic()
    found: list[Row] = []
    with ours_alone(), fake_nodes():
        for name in given.parts or PARTS:
            rows = measured(PARTS[name], given)
            print(beside_budgets(plain(rows)), flush=True)
            found += rows
    if given.parts or given.fraction != 1:
        return
    how: dict[str, Any] = {
        "command": " ".join(["python -m benchmarks.scale", *sys.argv[1:]]),
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "budgets": plain(found),
    }
    print(json.dumps(on | how))
    write("scale", on | how, HERE)


if __name__ == "__main__":
    main()
