"""The harness sees what it is there for: with a guard taken out of the operator, a point fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.cluster


def run_without(guard: tuple[str, str, str], tmp_path: Path, point: str) -> str:
    """Run a point against a copy of the operator in which one piece is replaced."""
    module, text, instead = guard
    shutil.copytree(PROJECT / "operator", tmp_path / "operator", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "operator" / "horos_operator" / f"{module}.py"
    before = file.read_text()
    assert before.count(text) == 1, f"{module}.py no longer has {text!r}"
    file.write_text(before.replace(text, instead))
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "operator")}
    command = [sys.executable, "-m", "tests.faults", "--lanes", "1", point]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_an_operator_that_drops_what_met_a_conflict_is_noticed(cluster: None, tmp_path: Path) -> None:
    guard = (
        "hands",
        "isinstance(error, OutdatedError) and await self._is_still_there(namespace, order)",
        "False",
    )
    said = run_without(guard, tmp_path, "agents.mode:1:409")
    assert "not in time: bob is suspended" in said, said
    assert said.endswith("operator crash points: 0 passed, 1 failed\n")
