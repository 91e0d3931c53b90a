"""What is measured of messaging: which processes a scenario has, and what its figures are."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.parts import Job
from benchmarks.report import Figures, Row, quantiles

AGENTS = 32


@dataclass(frozen=True)
class Extent:
    """How long it takes."""

    repetitions: int
    one_way: int
    requests: int
    crowd: int
    seconds: float
    turns: int
    agents: int
    posts: int


FULL = Extent(5, one_way=400, requests=700, crowd=5000, seconds=2.0, turns=3000, agents=1000, posts=15)
QUICK = Extent(1, one_way=100, requests=200, crowd=1000, seconds=1.0, turns=300, agents=100, posts=4)
PAUSE = 0.004
"""Between two messages one way: longer than any peer's handling, so that each finds its receiver asleep."""
PAUSE_OF_EACH = 0.002
"""Between two messages to a group, for each member: all have it by then, and are asleep again."""


@dataclass(frozen=True)
class Scenario:
    """`jobs` are the processes, of which the last one ends first; `read` makes figures of what they say."""

    name: str
    title: str
    unit: str
    better: str
    jobs: Callable[[str, Extent], list[Job]]
    read: Callable[[Sequence[dict[str, Any]], float], Figures]

    @property
    def rows(self) -> list[Row]:
        label = f"{self.title}, {self.unit}"
        times = [Row(f"{label}: p50", ("p50",)), Row("… p99", ("p99",))]
        return [
            *(times if self.better == "lower" else [Row(label, ("rate",))]),
            Row("… CPU a message, clients + server, µs", ("client_cpu", "server_cpu")),
            Row("… horos ÷ this", ("horos_ratio",), 2),
        ]


def one_way(address: str, extent: Extent) -> list[Job]:
    count = extent.one_way
    return [
        Job(address, "talk", ["bob"], ["ada"], count, pause=PAUSE),
        Job(address, "listen", ["ada"], ["bob"], count),
    ]


def requests(in_flight: int) -> Callable[[str, Extent], list[Job]]:
    def jobs(address: str, extent: Extent) -> list[Job]:
        count = extent.requests if in_flight == 1 else extent.crowd
        return [
            Job(address, "answer", ["bob"], ["ada"]),
            Job(address, "ask", ["ada"], ["bob"], count, in_flight=in_flight),
        ]

    return jobs


def crowd(processes: int) -> Callable[[str, Extent], list[Job]]:
    def jobs(address: str, extent: Extent) -> list[Job]:
        shares = [range(own, AGENTS, processes) for own in range(processes)]
        return [
            Job(
                address, "hop", [name(n) for n in share], [name(n ^ 1) for n in share], seconds=extent.seconds
            )
            for share in shares
        ]

    return jobs


def fan(members: int) -> Callable[[str, Extent], list[Job]]:
    def jobs(address: str, extent: Extent) -> list[Job]:
        count, everybody = extent.posts, [name(number) for number in range(members)]
        return [
            Job(address, "announce", ["speaker"], ["team"], count, pause=PAUSE_OF_EACH * members),
            Job(address, "attend", everybody, ["team"], count),
        ]

    return jobs


def name(number: int) -> str:
    return f"agent-{number:02}"


def latency(results: Sequence[dict[str, Any]], server: float) -> Figures:
    took = results[-1]["took"]
    return quantiles(took[len(took) // 10 :], 1e6) | costs(results, server, len(took))


def delivery(members: int) -> Callable[[Sequence[dict[str, Any]], float], Figures]:
    def read(results: Sequence[dict[str, Any]], server: float) -> Figures:
        took = results[-1]["took"]
        return quantiles(took[1:], 1e3) | costs(results, server, len(took) * members)

    return read


def rate(results: Sequence[dict[str, Any]], server: float) -> Figures:
    count = len(results[-1]["took"])
    return {"rate": count / results[-1]["seconds"]} | costs(results, server, count)


def hops(results: Sequence[dict[str, Any]], server: float) -> Figures:
    count = sum(result["hops"] for result in results)
    seconds = statistics.fmean(result["seconds"] for result in results)
    return {"rate": count / seconds} | costs(results, server, count)


def costs(results: Sequence[dict[str, Any]], server: float, count: int) -> Figures:
    """Processor time for each message, in µs: of all clients together, and of the server."""
    client = sum(result["cpu"] for result in results)
    return {"client_cpu": client / count * 1e6, "server_cpu": server / count * 1e6}


SCENARIOS = [
    Scenario("one_way", "one way", "µs", "lower", one_way, latency),
    Scenario("request", "request → reply", "µs", "lower", requests(1), latency),
    Scenario("in_flight", "32 in flight at one agent", "requests/s", "higher", requests(32), rate),
    *(
        Scenario(
            f"crowd_{n}",
            f"32 agents in {n} process{'es' if n > 1 else ''}",
            "turns/s",
            "higher",
            crowd(n),
            hops,
        )
        for n in (1, 2, 4)
    ),
    *(
        Scenario(
            f"fan_{n}",
            f"one message to {n:,} members, until the last has it",
            "ms",
            "lower",
            fan(n),
            delivery(n),
        )
        for n in (10, 100, 1000)
    ),
]
BETWEEN_TWO = tuple(each.name for each in SCENARIOS if not each.name.startswith("fan_"))
"""What peers can do that have no groups."""
