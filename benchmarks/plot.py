"""The plot, drawn in the peers' environment: `python -m benchmarks.plot part.json part.svg`."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

COLOURS = ["#d1495b", "#8d99ae", "#edae49", "#66a182", "#30638e", "#7d5ba6"]


def draw(results: dict[str, Any], out: Path) -> None:
    """One small chart for each scenario: the median, and a line from the lowest to the highest."""
    charts = [
        (compared["names"], scenario)
        for compared in results["comparisons"]
        for scenario in compared["scenarios"].values()
    ]
    plt.rcParams["svg.hashsalt"] = "horos"  # the same figures give the same file
    columns = (len(charts) + 1) // 2
    figure, axes = plt.subplots(2, columns, figsize=(14, 6), layout="constrained", squeeze=False)
    for axis, (names, scenario) in zip(axes.flat, charts, strict=False):
        # The first row of the table is the headline.
        (key,) = scenario["rows"][0]["keys"]
        for place, (peer, colour) in enumerate(zip(names, COLOURS, strict=False)):
            if (found := scenario["peers"].get(peer, {}).get(key)) is None:
                continue
            middle, low, high = found["median"], found["min"], found["max"]
            axis.barh(place, middle, color=colour, xerr=[[middle - low], [high - middle]], ecolor="#333333")
        axis.set_yticks(range(len(names)), names.values())
        axis.invert_yaxis()
        axis.set_title(
            f"{scenario['title']}\n{scenario['unit']}, {scenario['better']} is better", fontsize=10
        )
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
