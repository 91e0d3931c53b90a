"""The benchmark of cold activations runs; what it measures is not judged here."""

import subprocess
import sys

from tests.e2e.cluster import PROJECT


def test_a_cold_activation_is_measured_in_all_its_parts(release: str) -> None:
    command = [sys.executable, "-m", "benchmarks.cold", "--quick"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    assert "| message stored → read, p50 (2 one at a time) |" in done.stdout
    assert '"Python starts and imports"' in done.stdout
