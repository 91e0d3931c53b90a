"""`python -m benchmarks [part …]`: horos and its peers side by side, as JSON, plots and tables."""

import argparse
import json
import sys
import time
from pathlib import Path
from types import ModuleType

from benchmarks import messaging, mind, outside_tools
from benchmarks.interleaving import Asked, Results
from benchmarks.machine import about
from benchmarks.report import tables, write
from benchmarks.tools import PROJECT, Tools, run

HERE = PROJECT / "benchmarks"
PARTS: dict[str, ModuleType] = {"messaging": messaging, "mind": mind, "tools": outside_tools}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {' and '.join(PARTS)}; without, all")
    parser.add_argument("--quick", action="store_true", help="each once, and short; writes nothing by itself")
    peers = {each.key: None for part in PARTS.values() for each in part.CONTENDERS}
    parser.add_argument("--peers", nargs="+", choices=list(peers))
    names = [each.name for part in PARTS.values() for each in part.SCENARIOS]
    parser.add_argument("--scenarios", nargs="+", choices=names)
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--no-weight", action="store_true", help="only what has peers")
    parser.add_argument("--out", type=Path, help="write the JSON of each part there, and nothing else")
    given = parser.parse_args()
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"part {unknown[0]!r}: expected one of {', '.join(PARTS)}")
    return given


def main() -> None:
    """Measure and print the tables; whole parts write results/ and the README's tables too."""
    given = arguments()
    weight = not given.no_weight and (given.peers is None or "horos" in given.peers)
    asked = Asked(given.quick, given.peers, given.scenarios, given.repetitions, weight)
    tools = Tools()
    measured: dict[str, Results] = {}
    for name in given.parts or PARTS:
        measured[name] = results = measure(PARTS[name], asked, tools)
        print(tables(results), flush=True)
        if given.out is None and asked == Asked():
            write(name, results, HERE)
            plot = [f"benchmarks/results/{name}.{kind}" for kind in ("json", "svg")]
            run([tools.peers_python, "-m", "benchmarks.plot", *plot], "the plot")
    if given.out:
        given.out.write_text(json.dumps(measured, indent=2) + "\n")


def measure(part: ModuleType, asked: Asked, tools: Tools) -> Results:
    """The part's results, and what they were measured on."""
    on = about(asked.of(part.CONTENDERS), tools)
    began = time.monotonic()
    results: Results = part.run(asked, tools)
    how = {
        "command": " ".join(["python -m benchmarks", *sys.argv[1:]]),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    return on | how | results


if __name__ == "__main__":
    main()
