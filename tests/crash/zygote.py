"""A process that has everything imported and forks the others: a life costs milliseconds, not a second."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Final

import httpx2

from tests.crash import agent_process, client_process, judge_process, operator_process
from tests.crash.forking import Programs, fork_until_stdin_ends

PROGRAMS: Final[Programs] = {
    "agent": agent_process.main,
    "operator": operator_process.main,
    "client": client_process.main,
    "judge": judge_process.main,
}


async def _warm() -> None:
    """Ask a model that is not there: much of the model client is only imported with its first request."""
    async with httpx2.AsyncClient() as client:
        with contextlib.suppress(httpx2.ConnectError):
            await client.get("http://127.0.0.1:9/v1")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(str(os.getpid()))
    asyncio.run(_warm())
    fork_until_stdin_ends(PROGRAMS)
