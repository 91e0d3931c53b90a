"""From runs to what is read: medians with their range, ratios, the table in the README."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.scenarios import Figures, Scenario

Runs: TypeAlias = dict[tuple[str, str], list[Figures | str]]
"""Of each scenario and peer: the figures of each repetition, or why there are none."""
BEGIN, END = "<!-- figures: begin (written by python -m benchmarks) -->", "<!-- figures: end -->"


def summary(runs: Runs, scenarios: Sequence[Scenario]) -> dict[str, Any]:
    """All figures of each scenario and peer, and beside them their ratio to horos in the same repetition."""
    return {
        scenario.name: {
            "title": scenario.title,
            "unit": scenario.unit,
            "better": scenario.better,
            "peers": {
                peer: spreads(said, runs.get((scenario.name, "horos"), []))
                for (of, peer), said in runs.items()
                if of == scenario.name
            },
        }
        for scenario in scenarios
    }


def spreads(said: Sequence[Figures | str], horos: Sequence[Figures | str]) -> dict[str, Any]:
    figures = [one for one in said if isinstance(one, dict)]
    if not figures:
        return {"nothing": next(iter(said), "not run")}
    found: dict[str, Any] = {key: spread([one[key] for one in figures]) for key in figures[0]}
    key = "p50" if "p50" in found else "rate"
    pairs = zip(horos, said, strict=False)
    ratios = [own[key] / one[key] for own, one in pairs if isinstance(own, dict) and isinstance(one, dict)]
    if ratios:
        found["horos_ratio"] = spread(ratios)
    if len(figures) < len(said):
        found["failed"] = [one for one in said if isinstance(one, str)]
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    middle, low, high = statistics.median(values), min(values), max(values)
    return {"median": round(middle, 3), "min": round(low, 3), "max": round(high, 3)}


def table(results: dict[str, Any]) -> str:
    """Markdown: a row for each scenario, a column for each peer."""
    names = results["names"]
    rows = [["", *names.values()], ["---", *["---:"] * len(names)]]
    for scenario in results["scenarios"].values():
        found = [scenario["peers"].get(peer, {}) for peer in names]
        label = f"{scenario['title']}, {scenario['unit']}"
        if scenario["better"] == "lower":
            rows.append([f"{label}: p50", *(cell(one, "p50") for one in found)])
            rows.append(["… p99", *(cell(one, "p99") for one in found)])
        else:
            rows.append([label, *(cell(one, "rate") for one in found)])
        rows.append(["… CPU a message, clients + server, µs", *map(processor_cell, found)])
        rows.append(["… horos ÷ this", *(cell(one, "horos_ratio", 2) for one in found)])
    rows.append(["what it keeps", *results["keeps"].values()])
    return markdown(rows)


def tables(results: dict[str, Any]) -> str:
    """The comparison, and below it what horos alone costs."""
    if "weight" not in results:
        return table(results)
    rows = [["horos alone", "", ""], ["---", "---", "---:"]]
    for title, found in results["weight"].items():
        for name, value in found.items():
            rows.append([title, name, weighed(value)])
    return table(results) + "\n\n" + markdown(rows)


def weighed(value: Any) -> str:
    if not isinstance(value, dict):
        return f"{value:,}"
    if "median" in value:
        return cell({"value": value}, "value", 2)
    return ", ".join(f"{name} {number:,}" for name, number in value.items())


def markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def cell(found: dict[str, Any], key: str, digits: int = 0) -> str:
    if key not in found:
        return "" if "nothing" not in found else reason(found["nothing"])
    one = found[key]
    return f"**{one['median']:,.{digits}f}** ({one['min']:,.{digits}f}–{one['max']:,.{digits}f})"


def processor_cell(found: dict[str, Any]) -> str:
    if "client_cpu" not in found:
        return ""
    return f"{found['client_cpu']['median']:,.0f} + {found['server_cpu']['median']:,.0f}"


def reason(text: str) -> str:
    return "none: " + text.strip().splitlines()[-1].replace("|", "/")[:120]


def write(results: dict[str, Any], folder: Path) -> None:
    """Keep the JSON, and put the table between its marks into the README."""
    (folder / "results").mkdir(exist_ok=True)
    (folder / "results" / "latest.json").write_text(json.dumps(results, indent=2) + "\n")
    readme = folder / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    readme.write_text(f"{before}{BEGIN}\n{figures(results)}\n{END}{after}")


def figures(results: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    head = [
        f"`{results['command']}` at {results['commit']}, {results['when']}, {results['minutes']} minutes, "
        f"{results['repetitions']} repetitions: median (lowest–highest of the repetitions).",
        f"Machine: {results['machine']}, load before {results['load']}. Versions: {versions}.",
    ]
    return "\n\n".join([*head, tables(results)])
