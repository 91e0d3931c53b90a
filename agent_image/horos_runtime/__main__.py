"""`python -m horos_runtime`: what an agent's pod runs."""

import os
import sys

import uvloop

from horos_runtime.agent_runtime import AgentRuntime
from horos_runtime.departure import leave
from horos_runtime.lifetime import ExitCode
from horos_runtime.logs import log_as_json
from horos_runtime.settings import RuntimeSettings, SettingsError


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
    return uvloop.run(run(settings))


if __name__ == "__main__":
    leave(main())
