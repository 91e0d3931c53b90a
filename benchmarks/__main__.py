"""`python -m benchmarks`: horos and its peers side by side, as JSON, a plot, and a table in the README."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.bus_weight import bus_weight
from benchmarks.field import CONTENDERS, Contender, once
from benchmarks.machine import about
from benchmarks.pod_weight import pod_weight
from benchmarks.report import Runs, summary, tables, write
from benchmarks.scenarios import FULL, QUICK, SCENARIOS, Extent, Scenario
from benchmarks.servers import running
from benchmarks.tools import PROJECT, MissingToolError, Tools, run

HERE = PROJECT / "benchmarks"
PLOT = ("benchmarks/results/latest.json", "benchmarks/results/latest.svg")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    peers = [contender.key for contender in CONTENDERS]
    parser.add_argument("--quick", action="store_true", help="each once, and short; writes nothing by itself")
    parser.add_argument("--peers", nargs="+", choices=peers, default=peers)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--scenarios", nargs="+", choices=names, default=names)
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--no-weight", action="store_true", help="only what has peers")
    parser.add_argument("--out", type=Path, help="write the JSON there, and nothing else")
    return parser.parse_args()


def main() -> None:
    """Measure and print the table; a full run writes results/ and the README's table too."""
    asked = arguments()
    extent = QUICK if asked.quick else FULL
    tools = Tools()
    contenders = [contender for contender in CONTENDERS if contender.key in asked.peers]
    scenarios = [scenario for scenario in SCENARIOS if scenario.name in asked.scenarios]
    repetitions = asked.repetitions or extent.repetitions
    began = time.monotonic()
    runs = measure(contenders, scenarios, extent, repetitions, tools)
    results = about(contenders, tools) | {
        "command": " ".join(["python -m benchmarks", *sys.argv[1:]]),
        "repetitions": repetitions,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "scenarios": summary(runs, scenarios),
    }
    if "horos" in asked.peers and not asked.no_weight:
        results["weight"] = weight(extent, tools)
    print(tables(results))
    if asked.out:
        asked.out.write_text(json.dumps(results, indent=2) + "\n")
    elif len(sys.argv) == 1:
        write(results, HERE)
        run([tools.peers_python, "-m", "benchmarks.plot", *PLOT], "the plot")


def weight(extent: Extent, tools: Tools) -> dict[str, Any]:
    """What horos alone costs, each part on a server of its own."""
    with running("redis", tools) as server:
        found = uvloop.run(bus_weight(server, extent.turns, extent.agents))
    with running("redis", tools) as server:
        return found | {"pod": pod_weight(server, extent.starts)}


def measure(
    contenders: list[Contender], scenarios: list[Scenario], extent: Extent, repetitions: int, tools: Tools
) -> Runs:
    """Run all, the peers one after the other within each repetition: what disturbs one disturbs all."""
    runs: Runs = {}
    for repetition in range(repetitions):
        for scenario in scenarios:
            for contender in contenders:
                if contender.only and scenario.name not in contender.only:
                    continue
                said = runs.setdefault((scenario.name, contender.key), [])
                try:
                    said.append(once(contender, scenario, extent, tools))
                except (RuntimeError, MissingToolError) as error:
                    said.append(str(error))
                print(repetition + 1, scenario.name, contender.key, said[-1], file=sys.stderr, flush=True)
    return runs


if __name__ == "__main__":
    main()
