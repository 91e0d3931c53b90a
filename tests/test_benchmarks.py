"""The benchmarks run: what they measure is not judged here."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmarks.cold.moments import MOMENTS, STAGES, Activation, means, percentile
from benchmarks.cold.stacks import stacks
from benchmarks.report import beside_budgets, figures, marks, put_between
from benchmarks.scale.rows import Row, plain

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "benchmarks/README.md").read_text()


def bench(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def measured(out: Path, part: str, *words: str) -> dict[str, Any]:
    done = bench(part, "--quick", *words, "--out", str(out))
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(out.read_text())[part]
    found = [scenario for compared in results["comparisons"] for scenario in compared["scenarios"].values()]
    for scenario in found:
        assert all("horos_ratio" in peer for peer in scenario["peers"].values()), done.stderr
    return results


def test_horos_and_bare_redis_are_measured_side_by_side(tmp_path: Path) -> None:
    scenarios = ["one_way", "request", "in_flight", "crowd_2"]
    asked = ["--peers", "horos", "bare_redis", "--scenarios", *scenarios]
    results = measured(tmp_path / "figures.json", "messaging", *asked)
    (compared,) = results["comparisons"]
    assert list(compared["scenarios"]) == scenarios
    round_trips = results["weight"]["round trips"]
    assert [found["horos"] - found["minimum"] for found in round_trips.values()] == [0, 0, 0, 0]


def test_horos_and_the_bare_openai_client_are_measured_side_by_side(tmp_path: Path) -> None:
    scenarios = ["one_by_one", "at_once", "stream_1"]
    asked = ["--peers", "horos", "bare_openai", "--scenarios", *scenarios]
    results = measured(tmp_path / "figures.json", "mind", *asked)
    turns, streams = results["comparisons"]
    assert [*turns["scenarios"], *streams["scenarios"]] == scenarios
    for found in streams["scenarios"]["stream_1"]["peers"].values():
        assert found["first_p50"]["min"] > 0, "a token was read before it was sent"
    weight = results["weight"]
    connections = weight["pod"]["connections to Redis"], weight["pod"]["connections to the model"]
    assert [spread["max"] for spread in connections] == [2, 1]
    assert list(weight["imports, ms"]) == ["horos_runtime until it runs", "the HTTP client behind it"]
    assert len(weight["a thread of many records, ms"]) == 2


def test_tools_of_servers_are_called_and_started_side_by_side_with_the_bare_client(tmp_path: Path) -> None:
    scenarios = ["call_stdio", "call_http", "start_stdio", "start_http"]
    results = measured(tmp_path / "figures.json", "tools")
    (compared,) = results["comparisons"]
    assert list(compared["scenarios"]) == scenarios
    assert all("baseline_ratio" in found["peers"]["horos"] for found in compared["scenarios"].values())
    without, *others = (found["median"] for found in results["weight"]["runtime"].values())
    assert len(others) == 3
    assert all(found > without for found in others), "the SDK weighs something"


def test_a_peer_that_cannot_run_leaves_its_cells_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho no memory today\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("HOROS_TEST_REDIS", str(broken))
    done = bench("messaging", "--quick", "--peers", "bare_redis", "--scenarios", "one_way")
    assert done.returncode == 0, done.stderr
    assert "none: no memory today" in done.stdout


def test_a_part_that_there_is_not_is_named_with_those_that_there_are() -> None:
    done = bench("memory")
    assert done.returncode == 2
    assert "part 'memory': expected one of messaging, mind, tools" in done.stderr


@pytest.mark.parametrize(
    "kept", sorted((PROJECT / "benchmarks/results").glob("*.json")), ids=lambda p: p.stem
)
def test_the_tables_in_the_readme_are_those_of_the_results(kept: Path) -> None:
    assert put_between(README, kept.stem, figures(kept.stem, json.loads(kept.read_text()))) == README


@pytest.mark.parametrize("part", ["messaging", "mind", "tools", "cold", "scale"])
def test_each_part_has_its_place_in_the_readme(part: str) -> None:
    assert [README.count(mark) for mark in marks(part)] == [1, 1]


def test_what_misses_its_budget_is_seen_in_the_table() -> None:
    rows = [
        Row("until ready", 12.5, "s", 10),
        Row("answered", 100, "%", 100, "at least"),
        Row("a second", 39.9, "/s", 40, "at least", note="kwok"),
        Row("writes", 0, "", 0),
        Row("processor time", 1234.5, "ms"),
    ]
    assert beside_budgets(plain(rows)).splitlines()[2:] == [
        "| until ready | **12.50 s** | ≤ 10 s | 1.25 |",
        "| answered | 100 % | ≥ 100 % | 1.00 |",
        "| a second (kwok) | **39.90 /s** | ≥ 40 /s | 1.00 |",
        "| writes | 0 | ≤ 0 |  |",
        "| processor time | 1,234 ms |  |  |",
    ]


def test_a_readme_without_the_marks_of_a_part_is_refused() -> None:
    with pytest.raises(ValueError, match="marks of the figures of mind are missing"):
        put_between(README.replace(marks("mind")[1], ""), "mind", "new")


def test_the_peers_stand_on_the_openai_sdk_that_the_bare_client_is_locked_to() -> None:
    locks = (PROJECT / "uv.lock", PROJECT / "benchmarks/environment/uv.lock")
    versions = [
        package["version"]
        for lock in locks
        for package in tomllib.loads(lock.read_text())["package"]
        if package["name"] == "openai"
    ]
    assert versions == [versions[0]] * len(locks)


def activation(**late: float) -> Activation:
    """One in which everything happens a second after what was before it, but what is `late` as that says."""
    return Activation("ada", {moment: float(at) for at, moment in enumerate(MOMENTS)} | late)


def test_the_stages_of_an_activation_add_up_and_none_is_negative() -> None:
    assert list(activation().stages().values()) == [1.0] * len(STAGES)
    # The watch told of the node when the process was running already.
    late = activation(bound=3.4).stages()
    assert list(late.values()) == [1.0, 2.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    assert sum(means([activation(), activation(bound=3.4)]).values()) == len(MOMENTS) - 1


def test_a_percentile_of_few_values_is_one_of_them() -> None:
    values = [float(number) for number in range(40)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([7.0], 0.99)) == (20.0, 39.0, 7.0)


def test_the_plot_has_a_piece_for_each_stage_and_says_the_whole() -> None:
    drawn = ElementTree.fromstring(
        stacks("A < B", {"one": means([activation()]), "two": means([activation()])})
    )
    rectangles = [each for each in drawn.iter() if each.tag.endswith("rect")]
    assert len(rectangles) == 1 + 2 * len(STAGES) + len(STAGES)
    texts = [each.text for each in drawn.iter() if each.tag.endswith("text")]
    assert texts.count("7.00 s") == 2
    assert "A < B" in texts
