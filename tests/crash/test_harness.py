"""The harness sees what it is there for: with a guard taken out of a script, it fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def run_without(guard: tuple[str, str, str], tmp_path: Path, *points: str) -> str:
    """Run points against a copy of the packages in which one piece of a script is replaced."""
    script, text, instead = guard
    shutil.copytree(PROJECT / "operator", tmp_path / "operator", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "operator" / "horos_bus" / "scripts" / f"{script}.lua"
    before = file.read_text()
    assert before.count(text) == 1, f"{script}.lua no longer has {text!r}"
    file.write_text(before.replace(text, instead))
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "operator")}
    command = [sys.executable, "-m", "tests.crash", "crash", *points]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("guard", "point", "finds"),
    [
        (("send", "if call('ZSCORE', seen, mid)", "if false"), "client:send:2:again", "repeated: "),
        (
            ("prelude", "if holder == token then return nil end", "do return nil end"),
            "lead:append:2:stop",
            "",
        ),
        (("append", "if length > ix then", "if false then"), "lead:append:2:again", ""),
        (
            (
                "decide",
                "if asked.status ~= 'pending' then return {'ALREADY', 'call'",
                "if false then return {'ALREADY', 'call'",
            ),
            "judge:decide:1:again",
            "repeated: ",
        ),
        (
            ("settle_order", "if #call('XRANGE', P .. 'orders', id, id) == 0 then", "if false then"),
            "operator:settle_order:1:again",
            "repeated: ",
        ),
    ],
)
def test_a_missing_guard_is_noticed(
    guard: tuple[str, str, str], point: str, finds: str, tmp_path: Path
) -> None:
    said = run_without(guard, tmp_path, point)
    assert "crash points: 0 passed, 1 failed" in said
    assert finds in said, said
