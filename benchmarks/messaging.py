"""The part `messaging`: horos beside bare Redis, FastStream, autogen-core and JetStream; its bus alone."""

import contextlib
import json
from typing import Any

import uvloop

from benchmarks.bus_weight import bus_weight
from benchmarks.field import Contender, Player, own, processor_seconds, theirs
from benchmarks.interleaving import Asked, Results, measure
from benchmarks.report import Figures, comparison
from benchmarks.scenarios import BETWEEN_TWO, FULL, QUICK, SCENARIOS, Extent, Scenario
from benchmarks.servers import running
from benchmarks.tools import Tools

CONTENDERS = [
    Contender(
        "horos",
        "peers.horos",
        "redis",
        own,
        "messages, journal, answers, events; AOF every second",
    ),
    Contender(
        "horos, `redis.durable`",
        "peers.horos",
        "durable redis",
        own,
        "the same; every write waits for the disk",
        key="horos_durable",
        only=("one_way", "request", "in_flight"),
    ),
    Contender(
        "bare Redis streams",
        "peers.bare_redis",
        "redis",
        own,
        "messages until XACK; AOF every second",
        only=BETWEEN_TWO,
    ),
    Contender(
        "FastStream on Redis",
        "peers.faststream_redis",
        "redis",
        theirs,
        "messages until XACK, no replies; AOF every second",
        ("faststream",),
        only=BETWEEN_TWO,
    ),
    Contender(
        "autogen-core gRPC",
        "peers.autogen_grpc",
        "autogen",
        theirs,
        "nothing",
        ("autogen-core", "autogen-ext", "grpcio"),
    ),
    Contender(
        "NATS JetStream",
        "peers.jetstream",
        "nats",
        theirs,
        "messages and replies until their ack; file storage, fsync every two minutes",
        ("nats-py",),
        only=BETWEEN_TWO,
    ),
]


def run(asked: Asked, tools: Tools) -> Results:
    """Measure what was asked for of this part."""
    extent = QUICK if asked.quick else FULL
    contenders = asked.of(CONTENDERS)
    scenarios = [scenario for scenario in SCENARIOS if asked.wants(scenario.name)]
    repetitions = asked.repetitions or extent.repetitions
    runs = measure(contenders, scenarios, repetitions, lambda who, what: once(who, what, extent, tools))
    results: Results = {"repetitions": repetitions, "comparisons": [comparison(runs, scenarios, contenders)]}
    return results | ({"weight": weight(extent, tools)} if asked.weight else {})


def weight(extent: Extent, tools: Tools) -> dict[str, Any]:
    """What the bus of horos costs."""
    with running("redis", tools) as server:
        return uvloop.run(bus_weight(server, extent.turns, extent.agents))


def once(contender: Contender, scenario: Scenario, extent: Extent, tools: Tools) -> Figures:
    """Run one scenario of one peer once. Raises RuntimeError, MissingToolError."""
    with running(contender.server, tools) as server, contextlib.ExitStack() as stack:
        players: list[Player] = []
        for job in scenario.jobs(server.address, extent):
            players.append(Player(contender.python(tools), contender.module, job))
            stack.callback(players[-1].end)
        for player in players:
            assert player.hear().strip() == "ready"
        before = processor_seconds(server.pid)
        for player in players:
            player.tell()
        results = ended(players)
        return scenario.read(results, processor_seconds(server.pid) - before)


def ended(players: list[Player]) -> list[dict[str, Any]]:
    """What each measured. The last one ends by itself; an answering one is then told to."""
    last = json.loads(players[-1].hear())
    for player in players[:-1]:
        player.tell("enough")
    return [*(json.loads(player.hear()) for player in players[:-1]), last]
