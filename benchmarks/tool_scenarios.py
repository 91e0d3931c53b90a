"""What is measured of tool servers: one call, and the start of fifty servers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.report import Figures, Row, quantiles


@dataclass(frozen=True)
class Extent:
    """How long it takes."""

    repetitions: int
    calls: int
    starts: int
    turns: int


FULL = Extent(5, calls=1500, starts=3, turns=20)
QUICK = Extent(1, calls=100, starts=1, turns=3)


@dataclass(frozen=True)
class Scenario:
    """Which part is played, over which transport; `read` makes figures of what the process says."""

    name: str
    title: str
    unit: str
    rows: list[Row]
    part: Literal["calls", "starts"]
    transport: Literal["stdio", "http"]
    read: Callable[[Mapping[str, Any]], Figures]
    better: str = "lower"


def of_calls(result: Mapping[str, Any]) -> Figures:
    return quantiles(result["took"], 1e6) | {"cpu": result["cpu"] / len(result["took"]) * 1e6}


def of_starts(result: Mapping[str, Any]) -> Figures:
    return {"seconds": result["seconds"], "cpu": result["cpu"]}


def call(transport: Literal["stdio", "http"]) -> Scenario:
    rows = [
        Row(f"one call over {transport}, µs: p50", ("p50",)),
        Row("… p99", ("p99",)),
        Row("… CPU a call, client, µs", ("cpu",)),
        Row("… this ÷ bare client", ("baseline_ratio",), 2),
    ]
    title = f"one call over {transport}"
    return Scenario(f"call_{transport}", title, "µs", rows, "calls", transport, of_calls)


def start(transport: Literal["stdio", "http"]) -> Scenario:
    title = f"50 servers over {transport}"
    rows = [
        Row(f"{title}: all 1,000 tools there (bare: the slowest server alone), s", ("seconds",), 2),
        Row("… CPU, client, s", ("cpu",), 2),
        Row("… this ÷ the slowest alone", ("baseline_ratio",), 2),
    ]
    unit = "s until all tools are there"
    return Scenario(f"start_{transport}", title, unit, rows, "starts", transport, of_starts)


SCENARIOS = [call("stdio"), call("http"), start("stdio"), start("http")]
