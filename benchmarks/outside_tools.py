"""The part `tools`: what the manager of MCP servers adds to a call and to a start; its weight."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.field import Contender, Player, own
from benchmarks.interleaving import Asked, Results, measure
from benchmarks.report import Figures, comparison
from benchmarks.servers import running
from benchmarks.tool_scenarios import FULL, QUICK, SCENARIOS, Extent, Scenario
from benchmarks.tool_servers.parts import Job, Place
from benchmarks.tool_weight import Ground, tool_weight
from benchmarks.tools import PROJECT, Tools

BARE = Contender("bare mcp client", "tool_servers.bare_mcp", "", own, "nothing")
CONTENDERS = [
    Contender("horos", "tool_servers.horos", "", own, "reconnects, says what is unknown, reports"),
    Contender(
        "horos, as in a turn",
        "tool_servers.horos_in_turn",
        "",
        own,
        "the same; arguments checked, time limited",
        only=("call_stdio", "call_http"),
    ),
    BARE,
]
FOLDER = PROJECT / "benchmarks" / "tool_servers"
SERVERS, TOOLS_OF_EACH = 50, 20
SLOWEST_SECONDS = 2.0


def run(asked: Asked, tools: Tools) -> Results:
    """Measure what was asked for of this part."""
    extent = QUICK if asked.quick else FULL
    repetitions = asked.repetitions or extent.repetitions
    contenders = asked.of(CONTENDERS)
    scenarios = [each for each in SCENARIOS if asked.wants(each.name)]
    comparisons = []
    if contenders and scenarios:
        runs = measure(contenders, scenarios, repetitions, lambda who, what: once(who, what, extent, tools))
        comparisons.append(comparison(runs, scenarios, contenders, baseline=BARE.key))
    results: Results = {"repetitions": repetitions, "comparisons": comparisons}
    return results | ({"weight": weight(extent, tools)} if asked.weight else {})


def weight(extent: Extent, tools: Tools) -> dict[str, Any]:
    """What a runtime of horos weighs with tool servers."""
    with (
        running("redis", tools) as redis,
        running("tool model", tools) as model,
        running("echo", tools) as echo,
    ):
        return {"runtime": tool_weight(Ground(tools.agent_python, redis, model), echo, extent)}


def once(contender: Contender, scenario: Scenario, extent: Extent, tools: Tools) -> Figures:
    """Run one scenario of one contender once. Raises RuntimeError, MissingToolError."""
    with places(scenario, tools) as there:
        servers = [vars(place) for place in there]
        job = Job(scenario.part, servers, extent.calls, len(there) * TOOLS_OF_EACH, there[-1].name)
        player = Player(contender.python(tools), contender.module, job)
        try:
            assert player.hear().strip() == "ready"
            player.tell()
            return scenario.read(json.loads(player.hear()))
        finally:
            player.end()


@contextmanager
def places(scenario: Scenario, tools: Tools) -> Iterator[list[Place]]:
    """Where the servers of a scenario are, the slowest last; who uses those over stdio starts them."""
    delays = [round(SLOWEST_SECONDS * number / (SERVERS - 1), 2) for number in range(SERVERS)]
    names = [f"server-{number:02}" for number in range(SERVERS)]
    if scenario.transport == "stdio":
        if scenario.part == "calls":
            yield [Place("echo", command=(tools.own_python, str(FOLDER / "echo.py")))]
            return
        # Without `site`: fifty interpreters start at once, and it is not they that are measured.
        slow = (sys.executable, "-IS", str(FOLDER / "slow_stdio.py"))
        counted = str(TOOLS_OF_EACH)
        yield [
            Place(name, command=(*slow, str(delay), counted))
            for name, delay in zip(names, delays, strict=True)
        ]
        return
    with running("echo" if scenario.part == "calls" else "slow tool servers", tools) as server:
        if scenario.part == "calls":
            yield [Place("echo", url=f"{server.address}/mcp")]
        else:
            yield [
                Place(name, url=f"{server.address}/{delay:.2f}/mcp")
                for name, delay in zip(names, delays, strict=True)
            ]
