"""The benchmarks run: what they measure is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


def bench(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks", "--quick", *words]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_horos_and_bare_redis_are_measured_side_by_side(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    scenarios = ["one_way", "request", "in_flight", "crowd_2"]
    done = bench("--peers", "horos", "bare_redis", "--scenarios", *scenarios, "--out", str(out))
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text())
    assert list(results["scenarios"]) == scenarios
    for scenario in results["scenarios"].values():
        assert all("horos_ratio" in found for found in scenario["peers"].values()), done.stderr
    round_trips = results["weight"]["round trips"]
    assert [found["horos"] - found["minimum"] for found in round_trips.values()] == [0, 0, 0, 0]
    pod = results["weight"]["pod"]
    assert (pod["connections to Redis"]["max"], pod["connections to the model"]["max"]) == (2, 1)


def test_a_peer_that_cannot_run_leaves_its_cells_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho no memory today\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("HOROS_TEST_REDIS", str(broken))
    done = bench("--peers", "bare_redis", "--scenarios", "one_way")
    assert done.returncode == 0, done.stderr
    assert "none: no memory today" in done.stdout
