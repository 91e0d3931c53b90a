"""`make demo` where no cluster is at hand: the same agent on this machine, and how to get the full thing."""

import os
import subprocess
from pathlib import Path

from tests.run.conftest import PROJECT

NOWHERE = {"DOCKER_HOST": "unix:///nonexistent", "HOROS_CLUSTER": "none", "KUBECONFIG": "/nonexistent"}


def demo(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    hidden = {name: value for name, value in os.environ.items() if not name.startswith("HOROS_DEMO")}
    environment = {**hidden, **NOWHERE, "HOROS_DEMO_DATA": str(folder / ".horos"), **settings}
    return subprocess.run(
        ["make", "--no-print-directory", "demo"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def test_without_a_cluster_a_model_answers_on_this_machine(tmp_path: Path) -> None:
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    answer = done.stdout.strip()
    assert len(answer) > 3
    assert f"hello  {answer}" in done.stderr
    assert "No cluster is at hand" in done.stderr
    assert "The full thing: make demo-cluster" in done.stderr


def test_a_place_that_there_is_not_is_refused(tmp_path: Path) -> None:
    done = demo(tmp_path, HOROS_DEMO="moon")
    assert done.returncode != 0
    assert "HOROS_DEMO=moon: expected cluster or machine" in done.stderr
