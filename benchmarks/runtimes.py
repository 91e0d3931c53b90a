"""Runtimes of horos as processes of their own, configured as the operator would."""

import asyncio
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.minds.parts import INSTRUCTIONS, MODEL
from benchmarks.tools import PROJECT
from horos_api.names import Env, key_prefix
from horos_api.resources import AgentSpec, ModelSpec, ToolsSpec
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_runtime.agent_config import StoredConfig

INSTALL, NAMESPACE = "bench", "minds"
PREFIX = key_prefix(INSTALL, NAMESPACE)
GATEWAY_TOKEN = "0123456789abcdef-bench"
UID = "uid"
STOCK = "horos_runtime"
"""What a pod runs."""
STOCK_TOOLS = ToolsSpec()
PATIENCE_SECONDS = 60.0


@contextmanager
def runtimes(
    address: str, model: str, agents: Sequence[str], module: str = STOCK, tools: ToolsSpec = STOCK_TOOLS
) -> Iterator[list[int]]:
    """One process for each agent, all of them claimed; yields their process ids."""
    with ExitStack() as stack:
        asyncio.run(introduced(address, model, agents, tools))
        processes = []
        for agent in agents:
            processes.append(start(address, agent, module))
            stack.callback(end, processes[-1])
        asyncio.run(claimed(address, dict(zip(agents, processes, strict=True))))
        yield [process.pid for process in processes]


async def introduced(address: str, model: str, agents: Sequence[str], tools: ToolsSpec = STOCK_TOOLS) -> None:
    """Create and configure the agents."""
    bus = Bus.open(address, PREFIX)
    spec = AgentSpec(instructions=INSTRUCTIONS, model=ModelSpec(name=MODEL, base_url=model), tools=tools)
    config = StoredConfig(generation=1, spec=spec).encoded()
    for agent in agents:
        await Control(bus).create(agent, UID)
        await Control(bus).configure(agent, UID, 1, config)
    await bus.aclose()


async def claimed(address: str, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Wait until each agent is held by its process; raises RuntimeError when one does not get there."""
    bus = Bus.open(address, PREFIX)

    async def held(agent: str) -> bool:
        view = await Control(bus).view(agent)
        return view is not None and view.was_claimed

    try:
        for agent, process in processes.items():
            await until(partial(held, agent), f"the runtime of {agent} did not claim", process)
    finally:
        await bus.aclose()


def start(
    address: str, agent: str, module: str = STOCK, python: str = sys.executable
) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        Env.AGENT: agent,
        Env.UID: UID,
        Env.TOKEN: uuid.uuid4().hex,
        Env.REDIS_URL: address,
        Env.PREFIX: PREFIX,
    }
    return subprocess.Popen([python, "-m", module], env=environment, cwd=PROJECT, stderr=subprocess.DEVNULL)


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


async def until(
    condition: Callable[[], Awaitable[bool]], otherwise: str, process: subprocess.Popen[bytes] | None = None
) -> None:
    """Wait; raises RuntimeError with `otherwise` when it takes too long or the process ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{otherwise}: it ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} within {PATIENCE_SECONDS:g} s")
        await asyncio.sleep(0.005)


def resident(pid: int) -> float:
    """MiB of memory that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found.group(1)) / 1024
