"""`python -m tests.mutants [NAME…]`: take each guard out of the scripts and see a test of the bus fail.

A mutant is killed when a test fails, and survives when all pass. Anything else (a script that Redis cannot
compile, a test run that does not start) is neither: the mutant is broken, and counts as a survivor.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, Mutant

PROJECT = Path(__file__).parents[2]
TESTS = "tests/bus"
QUICK = (
    *("guards", "approvals", "elicitations", "turns", "debts", "burying", "lives", "orders", "sending"),
    *("usage", "retention", "groups", "mention_debts", "delays_of_agents", "twice", "society_orders"),
    *("endings", "tree_budget"),
)
"""Those that find most, first."""
HANG_SECONDS = 400
"""The tests take a minute; whoever waits so long waits for something that the guard had brought about."""
PROBE = "import horos_bus, sys; sys.exit(not horos_bus.__path__[0].startswith(sys.argv[1]))"
_COMPILES_NOT = re.compile(r"Error compiling script|Script attempted to access nonexistent global")
_say = threading.Lock()


@contextmanager
def packages(mutant: Mutant | None) -> Iterator[Path]:
    """A copy of the packages, with one guard taken out."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "operator"
        shutil.copytree(PROJECT / "operator", copy, ignore=shutil.ignore_patterns("__pycache__"))
        if mutant is not None:
            file = copy / "horos_bus" / "scripts" / f"{mutant.script}.lua"
            file.write_text(file.read_text().replace(mutant.text, mutant.instead))
        yield copy


def verdict(mutant: Mutant | None) -> tuple[str, str]:
    """Run the tests: `killed` with the test that did it, `survived`, or `broken` with what was said."""
    with packages(mutant) as copy:
        environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([sys.executable, "-c", PROBE, str(copy)], cwd=copy, env=environment, check=True)
        files = dict.fromkeys([*(PROJECT / TESTS / f"test_{name}.py" for name in QUICK), PROJECT / TESTS])
        command = [sys.executable, "-m", "pytest", *map(str, files), "-x", "-q", "-p", "no:cacheprovider"]
        done = ended(command, environment)
    if done is None:
        return "killed", f"(the tests did not end within {HANG_SECONDS} s)"
    if done.returncode == 0:
        return "survived", ""
    if done.returncode != 1 or _COMPILES_NOT.search(done.stdout):
        return "broken", done.stdout[-2000:] + done.stderr[-2000:]
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return "killed", failed.group(1).rpartition("::")[2] if failed else "?"


def ended(command: list[str], environment: dict[str, str]) -> "subprocess.CompletedProcess[str] | None":
    """Run the tests with all that they start; None when they hang, and then none of it is left."""
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as tests:
        try:
            out, err = tests.communicate(timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(tests.pid, signal.SIGKILL)
            return None
    return subprocess.CompletedProcess(command, tests.returncode, out, err)


def tried(mutant: Mutant) -> bool:
    """Try one mutant and tell; whether it was killed."""
    began = time.monotonic()
    how, detail = verdict(mutant)
    with _say:
        print(f"{how:<8}  {mutant.name:<20} {time.monotonic() - began:5.1f} s  {detail}", flush=True)
    return how == "killed"


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("names", nargs="*", help="only these; default: all")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 2, help="how many at once")
    chosen = parser.parse_args()
    mutants = [each for each in MUTANTS if not chosen.names or each.name in chosen.names]
    how, detail = verdict(None)
    if how != "survived":
        print(f"the tests fail without any mutant: {detail}")
        return 1
    with ThreadPoolExecutor(chosen.j) as pool:
        killed = sum(pool.map(tried, mutants))
    print(f"mutants: {killed} killed, {len(mutants) - killed} survived")
    return 0 if killed == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
