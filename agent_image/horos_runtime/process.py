"""The process of a pod: from its environment to its exit code."""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Final

import uvloop

from horos_runtime.agent_runtime import AgentRuntime
from horos_runtime.lifetime import ExitCode
from horos_runtime.logs import log_as_json
from horos_runtime.settings import RuntimeSettings, SettingsError

log: Final = logging.getLogger(__name__)


async def run(settings: RuntimeSettings) -> ExitCode:
    """Be the agent until the end."""
    return await AgentRuntime(settings).run()


def main() -> int:
    """Read the environment and run; returns the exit code."""
    try:
        settings = RuntimeSettings.from_env(os.environ)
    except SettingsError as error:
        print(f"horos_runtime: {error}", file=sys.stderr)
        return ExitCode.MISCONFIGURED
    log_as_json(settings.agent)
    log.info("everything is imported", extra={"about": {"ageMilliseconds": _age_milliseconds()}})
    return uvloop.run(run(settings))


def _age_milliseconds() -> int | None:
    """How long ago this process began, to a hundredth of a second; None where the kernel is not Linux."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in brackets, which may hold anything; the 22nd counts ticks since
    # the machine was started.
    ticks = int(stat.rpartition(")")[2].split()[19])
    return round((time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")) * 1000)
