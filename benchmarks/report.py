"""From runs to what is read: medians with their range, ratios, the tables in the README."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

Figures: TypeAlias = dict[str, float]
"""What one run of one peer measured; the first is the headline, of which ratios are taken."""
Runs: TypeAlias = dict[tuple[str, str], list[Figures | str]]
"""Of each scenario and peer: the figures of each repetition, or why there are none."""
Spread: TypeAlias = dict[str, float]
"""Median, min and max of the repetitions."""


@dataclass(frozen=True)
class Row:
    """A row of a scenario in the table: one figure with its range, or the medians of several, added up."""

    label: str
    keys: tuple[str, ...]
    digits: int = 0


class Measured(Protocol):
    """What the report must know of a scenario."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def better(self) -> str: ...
    @property
    def rows(self) -> Sequence[Row]: ...


class Competing(Protocol):
    """What the report must know of a peer."""

    @property
    def key(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def keeps(self) -> str: ...


def comparison(
    runs: Runs, scenarios: Sequence[Measured], peers: Sequence[Competing], baseline: str = "horos"
) -> dict[str, Any]:
    """Everything of one table, ready for JSON: of each scenario and peer all figures and ratios.

    Ratios are taken within a repetition: horos ÷ the peer, and the peer ÷ the baseline.
    """
    return {
        "names": {peer.key: peer.name for peer in peers},
        "keeps": {peer.key: peer.keeps for peer in peers},
        "scenarios": {
            scenario.name: {
                "title": scenario.title,
                "unit": scenario.unit,
                "better": scenario.better,
                "rows": [asdict(row) for row in scenario.rows],
                "peers": {
                    peer: spreads(
                        said, runs.get((scenario.name, "horos"), []), runs.get((scenario.name, baseline), [])
                    )
                    for (of, peer), said in runs.items()
                    if of == scenario.name
                },
            }
            for scenario in scenarios
        },
    }


def spreads(
    said: Sequence[Figures | str], horos: Sequence[Figures | str], baseline: Sequence[Figures | str]
) -> dict[str, Any]:
    figures = [one for one in said if isinstance(one, dict)]
    if not figures:
        return {"nothing": next(iter(said), "not run")}
    found: dict[str, Any] = {key: spread([one[key] for one in figures]) for key in figures[0]}
    if to_horos := ratios(horos, said):
        found["horos_ratio"] = spread(to_horos)
    if to_baseline := ratios(said, baseline):
        found["baseline_ratio"] = spread(to_baseline)
    if len(figures) < len(said):
        found["failed"] = [one for one in said if isinstance(one, str)]
    return found


def ratios(over: Sequence[Figures | str], under: Sequence[Figures | str]) -> list[float]:
    return [
        headline(one) / headline(other)
        for one, other in zip(over, under, strict=False)
        if isinstance(one, dict) and isinstance(other, dict)
    ]


def headline(figures: Figures) -> float:
    return next(iter(figures.values()))


def spread(values: Sequence[float]) -> Spread:
    middle, low, high = statistics.median(values), min(values), max(values)
    return {"median": round(middle, 3), "min": round(low, 3), "max": round(high, 3)}


def quantiles(values: Sequence[float], unit: float, prefix: str = "") -> Figures:
    """Median and 99th percentile in so many units a second."""
    ordered = sorted(values)
    p99 = ordered[int(len(ordered) * 0.99)]
    return {f"{prefix}p50": statistics.median(ordered) * unit, f"{prefix}p99": p99 * unit}


def table(compared: Mapping[str, Any]) -> str:
    """Markdown: rows for each scenario, a column for each peer."""
    names = compared["names"]
    rows = [["", *names.values()], ["---", *["---:"] * len(names)]]
    for scenario in compared["scenarios"].values():
        found = [scenario["peers"].get(peer, {}) for peer in names]
        for number, row in enumerate(scenario["rows"]):
            # Why a peer has no figures is told once.
            known = [one if number == 0 or "nothing" not in one else {} for one in found]
            rows.append([row["label"], *(cell(one, row["keys"], row["digits"]) for one in known)])
    rows.append(["what it keeps", *compared["keeps"].values()])
    return markdown(rows)


def tables(results: Mapping[str, Any]) -> str:
    """The comparisons, and below them what horos alone costs."""
    parts = [table(compared) for compared in results["comparisons"]]
    if "weight" in results:
        rows = [["horos alone", "", ""], ["---", "---", "---:"]]
        for title, found in results["weight"].items():
            rows += [[title, name, weighed(value)] for name, value in found.items()]
        parts.append(markdown(rows))
    return "\n\n".join(parts)


def weighed(value: Any) -> str:
    if not isinstance(value, dict):
        return f"{value:,}"
    if "median" in value:
        return cell({"value": value}, ["value"], 2)
    return ", ".join(f"{name} {number:,}" for name, number in value.items())


def markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def cell(found: Mapping[str, Any], keys: Sequence[str], digits: int) -> str:
    if any(key not in found for key in keys):
        return reason(found["nothing"]) if "nothing" in found else ""
    if len(keys) > 1:
        return " + ".join(f"{found[key]['median']:,.{digits}f}" for key in keys)
    one = found[keys[0]]
    return f"**{one['median']:,.{digits}f}** ({one['min']:,.{digits}f}–{one['max']:,.{digits}f})"


def reason(text: str) -> str:
    return "none: " + text.strip().splitlines()[-1].replace("|", "/")[:120]


def write(part: str, results: Mapping[str, Any], folder: Path) -> None:
    """Keep the part's JSON, and put its tables between their marks into the README."""
    (folder / "results" / f"{part}.json").write_text(json.dumps(results, indent=2) + "\n")
    readme = folder / "README.md"
    readme.write_text(put_between(readme.read_text(), part, figures(part, results)))


def put_between(text: str, part: str, new: str) -> str:
    """Replace what stands between the marks of a part; raises ValueError when they are not there."""
    begin, end = marks(part)
    before, begins, rest = text.partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f"the marks of the figures of {part} are missing: {begin} … {end}")
    return f"{before}{begin}\n{new}\n{end}{after}"


def marks(part: str) -> tuple[str, str]:
    return (
        f"<!-- figures of {part}: begin (written by python -m benchmarks) -->",
        f"<!-- figures of {part}: end -->",
    )


def figures(part: str, results: Mapping[str, Any]) -> str:
    """Everything between the marks: of what was run at once, or of several `parts`, each with its own run."""
    if "parts" in results:
        return "\n\n".join(figures(part, each) for each in results["parts"].values())
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    measured = (
        f"`{results['command']}` at {results['commit']}, {results['when']}, {results['minutes']} minutes"
    )
    machine = f"Machine: {results['machine']}, load before {results['load']}. Versions: {versions}."
    if "budgets" in results:
        plot = [f"![{results['plot']}](results/{part}.svg)"] if "plot" in results else []
        return "\n\n".join([*plot, f"{measured}.", machine, beside_budgets(results["budgets"])])
    head = [
        f"![medians of each scenario](results/{part}.svg)",
        f"{measured}, {results['repetitions']} repetitions: median (lowest–highest of the repetitions).",
        machine,
    ]
    return "\n\n".join([*head, tables(results)])


def beside_budgets(rows: Sequence[Mapping[str, Any]]) -> str:
    """Figures that are held against a budget, with the one divided by the other; what misses it is bold."""
    shown = [["what", "measured", "budget", "÷ budget"], ["---", "---:", "---:", "---:"]]
    for row in rows:
        figure, budget, ratio = with_unit(row["figure"], row["unit"]), "", ""
        if row["budget"] is not None:
            sign = "≤" if row["kind"] == "at most" else "≥"
            budget = f"{sign} {with_unit(row['budget'], row['unit'])}"
            ratio = f"{row['figure'] / row['budget']:.2f}" if row["budget"] else ""
        note = f" ({row['note']})" if row["note"] else ""
        missed = not row["held"]
        shown.append([f"{row['what']}{note}", f"**{figure}**" if missed else figure, budget, ratio])
    return markdown(shown)


def with_unit(value: float, unit: str) -> str:
    whole = value == int(value) or abs(value) >= 100
    return f"{value:,.{0 if whole else 2}f} {unit}".strip()
