"""`python -m benchmarks.one_machine`: `horos run examples/hello.yaml`, from Enter to the first token.

With the local model, no cluster and no network. Cold: the first run in a folder, no module compiled yet (what
the machine has read from its disk stays read). Warm: the runs after it, which go on with what was said.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import about
from benchmarks.report import beside_budgets, write
from benchmarks.scale.rows import Row, plain
from benchmarks.tools import PROJECT, Tools

HERE = PROJECT / "benchmarks"
QUESTION = "In one sentence: what is a lighthouse for?"
WARM_SECONDS = 10.0


@dataclass(frozen=True)
class Started:
    """One run, in seconds since Enter; `done` when the command is back."""

    listening: float
    first_token: float
    answer: float
    done: float


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.one_machine", description=__doc__)
    parser.add_argument("--folders", type=int, default=3, help="how many first runs")
    parser.add_argument("--runs", type=int, default=3, help="runs after each of them")
    parser.add_argument("--quick", action="store_true", help="a smoke run that writes nothing")
    given = parser.parse_args()
    if given.quick:
        given.folders = given.runs = 1
    return given


def started(folder: Path) -> Started:
    """Run the command once and stamp what it tells."""
    command = [str(Path(sys.executable).with_name("horos")), "run", str(PROJECT / "examples/hello.yaml")]
    command += ["--data", str(folder / ".horos"), "--ask", QUESTION, "-o", "json"]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "pycache")}
    begun = time.perf_counter()
    stamps: dict[str, float] = {}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            stamp = moment(json.loads(line))
            stamps.setdefault(stamp, time.perf_counter() - begun)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Started(stamps["any"], stamps["first token"], stamps["answer"], time.perf_counter() - begun)


def moment(told: Mapping[str, Any]) -> str:
    """Name what a line of the command's output tells."""
    if "answer" in told:
        return "answer"
    return "first token" if told["type"] == "TEXT_MESSAGE_CONTENT" else "any"


def rows(cold: list[Started], warm: list[Started]) -> list[Row]:
    """The figures beside the budget of issue 8."""
    found = []
    for name, runs, budget in (("cold", cold, None), ("warm", warm, WARM_SECONDS)):
        note = f"{name}, {len(runs)} runs"
        tokens = [each.first_token for each in runs]
        found += [
            Row("Enter → first token, median", statistics.median(tokens), "s", budget, note=note),
            Row("Enter → first token, worst", max(tokens), "s", budget, note=note),
            Row(
                "Enter → the agent is seen",
                statistics.median(e.listening for e in runs),
                "s",
                None,
                note=note,
            ),
            Row(
                "answer → the command is back",
                statistics.median(e.done - e.answer for e in runs),
                "s",
                None,
                note=note,
            ),
        ]
    return found


def main() -> None:
    """Measure and print; a whole run writes results/ and the README too."""
    given = arguments()
    on, begun = about([], Tools()), time.monotonic()
    cold, warm = [], []
    for _ in range(given.folders):
        with tempfile.TemporaryDirectory(prefix="horos-run-") as folder:
            cold.append(started(Path(folder)))
            warm += [started(Path(folder)) for _ in range(given.runs)]
    found = plain(rows(cold, warm))
    print(beside_budgets(found))
    if not given.quick:
        how = {
            "command": " ".join(["python -m benchmarks.one_machine", *sys.argv[1:]]),
            "minutes": round((time.monotonic() - begun) / 60, 1),
            "budgets": found,
        }
        write("one_machine", on | how, HERE)


if __name__ == "__main__":
    main()
