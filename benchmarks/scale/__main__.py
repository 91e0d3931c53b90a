"""`python -m benchmarks.scale [row …]`: thousands of agents, each figure beside its budget."""

import argparse
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import uvloop
from tests.controller.conftest import ours_alone
from tests.simulator.world import World, world

from benchmarks.scale.crowd import Buses
from benchmarks.scale.restart import AGENTS, restart
from benchmarks.scale.rows import Row, table

Measure: TypeAlias = Callable[[World, Buses], Awaitable[list[Row]]]


async def _with_buses(measure: Measure, made: World) -> list[Row]:
    buses = Buses(made)
    try:
        return await measure(made, buses)
    finally:
        await buses.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--agents", type=int, default=AGENTS)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="horos-scale-") as folder,
        ours_alone(),
        world(Path(folder)) as made,
    ):
        made.start_operator()

        async def row(made: World, buses: Buses) -> list[Row]:
            return await restart(made, buses, given.agents, operatingMode="Suspended")

        rows = uvloop.run(_with_buses(row, made))
    print(table(rows))


if __name__ == "__main__":
    main()
