"""What is measured of the mind: turns with tool calls, and how old a token is when a watcher has it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.report import Figures, Row, quantiles


@dataclass(frozen=True)
class Extent:
    """How long it takes. `streams`: of each agent, by how many agents there are."""

    repetitions: int
    turns: int
    streams: Mapping[int, int]
    starts: int
    records: int
    context_turns: int


FULL = Extent(3, turns=60, streams={1: 25, 20: 6}, starts=5, records=10_000, context_turns=50)
QUICK = Extent(1, turns=5, streams={1: 3, 20: 1}, starts=1, records=10_000, context_turns=3)
Read = Callable[[Mapping[str, Any], float, float], Figures]


@dataclass(frozen=True)
class Scenario:
    """Which model and how many agents; `read` makes figures of what the peer's process says.

    `read` also gets the processor seconds of the peer's further processes, and of the servers.
    """

    name: str
    title: str
    unit: str
    rows: list[Row]
    part: Literal["turns", "streams"]
    model: str
    agents: list[str]
    text: str
    read: Read
    better: str = "lower"

    def count(self, extent: Extent) -> int:
        return extent.turns if self.part == "turns" else extent.streams[len(self.agents)]


def of_turns(result: Mapping[str, Any], working: float, serving: float) -> Figures:
    count = len(result["took"])
    spent = {"client_cpu": (result["cpu"] + working) / count * 1e3, "server_cpu": serving / count * 1e3}
    return quantiles(result["took"], 1e3) | spent


def of_streams(result: Mapping[str, Any], working: float, serving: float) -> Figures:
    count = len(result["first"]) + len(result["later"])
    spent = {"client_cpu": (result["cpu"] + working) / count * 1e6, "server_cpu": serving / count * 1e6}
    return quantiles(result["first"], 1e3, "first_") | quantiles(result["later"], 1e3, "later_") | spent


def turns(name: str, title: str, text: str) -> Scenario:
    rows = [
        Row(f"{title}, ms: p50", ("p50",), 1),
        Row("… p99", ("p99",), 1),
        Row("… CPU a turn, clients + Redis, ms", ("client_cpu", "server_cpu"), 1),
        Row("… this ÷ bare client", ("baseline_ratio",), 2),
        Row("… horos ÷ this", ("horos_ratio",), 2),
    ]
    return Scenario(name, title, "ms", rows, "turns", "model", ["agent-00"], text, of_turns)


def streams(agents: int) -> Scenario:
    title = f"{agents} agent{'s' if agents > 1 else ''} streaming"
    rows = [
        Row(f"{title}: first token, ms old: p50", ("first_p50",), 2),
        Row("… p99", ("first_p99",), 2),
        Row("… later tokens, ms old: p50", ("later_p50",), 2),
        Row("… p99", ("later_p99",), 2),
        Row("… CPU a token, clients + Redis and gateway, µs", ("client_cpu", "server_cpu")),
        Row("… horos ÷ this, first token", ("horos_ratio",), 2),
    ]
    names = [f"agent-{number:02}" for number in range(agents)]
    unit = "ms that the first token is old"
    return Scenario(
        f"stream_{agents}", title, unit, rows, "streams", "stamping model", names, "go on", of_streams
    )


TURNS = [
    turns("one_by_one", "3 tool calls in 3 rounds", "Look the three tags up, one by one."),
    turns("at_once", "3 tool calls in 1 round", "Look the three tags up, all at once."),
]
STREAMS = [streams(1), streams(20)]
