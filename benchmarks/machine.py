"""What the figures were measured on, and with which versions."""

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.field import Contender
from benchmarks.tools import PROJECT, Tools, version_of

OWN = ("openai", "mcp", "redis", "hiredis", "uvloop", "orjson")


def about(contenders: Sequence[Contender], tools: Tools) -> dict[str, Any]:
    """Everything that a reader needs to judge the figures, without the machine's name."""
    versions = {"python": platform.python_version(), "redis-server": numbers(version_of(tools.redis))}
    versions |= {package: importlib.metadata.version(package) for package in OWN}
    if any(contender.packages for contender in contenders):
        wanted = {package: "" for contender in contenders for package in contender.packages}
        versions |= {f"peers: {name}": version for name, version in theirs(list(wanted), tools).items()}
    if any(contender.server == "nats" for contender in contenders):
        versions["nats-server"] = numbers(version_of(tools.nats))
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else ""),
        "machine": f"{processor()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "load": round(os.getloadavg()[2], 1),
        "versions": versions,
    }


def theirs(packages: Sequence[str], tools: Tools) -> dict[str, str]:
    """Versions in the peers' environment."""
    code = "import json, sys; from importlib.metadata import version as v; "
    code += "print(json.dumps({package: v(package) for package in sys.argv[1:]}))"
    command = [tools.peers_python, "-c", code, *packages]
    found: dict[str, str] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def numbers(version: str) -> str:
    found = re.search(r"\d+\.\d+\.\d+", version)
    return found.group() if found else version


def processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else platform.machine()


def git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout.strip()
