"""How long a runtime imports before it can claim, and what the model's HTTP client adds at the first turn."""

import re
import subprocess

from benchmarks.report import Spread, spread
from benchmarks.tools import PROJECT

CODE = "import horos_runtime.__main__, httpx2"
RUNTIME, CLIENT = "horos_runtime.__main__", "httpx2"
TITLES = {RUNTIME: "horos_runtime until it runs", CLIENT: "the HTTP client behind it"}


def import_weight(python: str, runs: int) -> dict[str, Spread]:
    """Milliseconds, each run in a process of its own; the first only warms up."""
    found = [imported(python) for _ in range(runs + 1)][1:]
    return {title: spread([one[module] for one in found]) for module, title in TITLES.items()}


def imported(python: str) -> dict[str, float]:
    """Milliseconds of each module with all that it imports and that nothing before it did, by importtime."""
    command = [python, "-X", "importtime", "-c", CODE]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    # Self, with what it imports, and the name: not indented where our own line imports it.
    rows = re.findall(r"^import time: +\d+ \| +(\d+) \| (\S+)$", done.stderr, re.MULTILINE)
    found = {name: int(microseconds) / 1e3 for microseconds, name in rows}
    return {module: found[module] for module in TITLES}
