"""The simulator as a process of its own, beside a test that waits or a measurement."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cluster import PROJECT, eventually


@contextmanager
def simulating(
    namespaces: Sequence[str], *, think: float = 0.0, redis: str = ""
) -> Iterator["subprocess.Popen[str]"]:
    """Play the agents of fake pods in these namespaces until the block ends.

    `think` is how long a turn takes, in seconds; `redis` is `host:port` of Redis as it is reached from here.
    """
    command = [sys.executable, "-m", "tests.simulator", *namespaces, "--think", str(think)]
    command += ["--redis", redis] if redis else []
    with tempfile.NamedTemporaryFile(prefix="simulator-", suffix=".log") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True, cwd=PROJECT)

        def watches() -> bool:
            said = Path(log.name).read_text()
            if process.poll() is not None:
                raise RuntimeError(f"the simulator ended with {process.returncode}:\n{said[-2000:]}")
            return "watching" in said

        try:
            eventually("the simulator watches", watches)
            yield process
            if process.poll() is not None:
                raise RuntimeError(f"the simulator has ended:\n{Path(log.name).read_text()[-4000:]}")
        finally:
            process.terminate()
            process.wait(timeout=10)
