"""What a pod of an agent weighs with tool servers: the real runtime, their tools called in its turns."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.pod_weight import ask
from benchmarks.report import Spread, spread
from benchmarks.runtimes import PREFIX, claimed, end, introduced, resident, start, until
from benchmarks.servers import Server
from benchmarks.tool_scenarios import Extent
from benchmarks.tools import PROJECT
from horos_api.resources import ToolsSpec
from horos_api.server_report import read_report
from horos_api.tool_servers import ToolServerUse
from horos_bus.connection import Bus
from horos_bus.control import Control

ECHO = (sys.executable, str(PROJECT / "benchmarks" / "tool_servers" / "echo.py"))


@dataclass(frozen=True)
class Ground:
    """What each runtime stands on; `python` is the interpreter of what an agent's image holds."""

    python: str
    redis: Server
    model: Server


def tool_weight(ground: Ground, echo: Server, extent: Extent) -> dict[str, Spread]:
    """MiB of the runtime's own process, without its servers', after turns in which each tool was called."""
    http = ToolServerUse(name="remote", url=f"{echo.address}/mcp")
    stdio = ToolServerUse(name="local", command=ECHO)
    uses = {
        "without servers": (),
        "one over stdio": (stdio,),
        "one over HTTP": (http,),
        "both": (stdio, http),
    }
    return {
        f"RSS after turns, {title}, MiB": spread(
            [
                asyncio.run(life(ground, f"{title.replace(' ', '-').lower()}-{start}", servers, extent.turns))
                for start in range(extent.starts)
            ]
        )
        for title, servers in uses.items()
    }


async def life(ground: Ground, name: str, servers: Sequence[ToolServerUse], turns: int) -> float:
    """One runtime, from its start until each tool was called in so many turns; returns what it holds then."""
    bus = Bus.open(ground.redis.address, PREFIX)
    tools = ToolsSpec(builtin=(), servers=tuple(servers))
    await introduced(ground.redis.address, ground.model.address, [name], tools)
    process = start(ground.redis.address, name, python=ground.python)
    try:
        await claimed(ground.redis.address, {name: process})
        await until(partial(connected, bus, name, len(servers)), f"{name} has not all its servers", process)
        for _ in range(turns):
            for use in servers:
                await ask(bus, name, f"call {use.name}")
            await ask(bus, name, "only talk")
        await called(bus, name, turns * len(servers))
        return resident(process.pid)
    finally:
        end(process)
        await bus.aclose()


async def called(bus: Bus, name: str, times: int) -> None:
    """Make sure that the tools were really called; raises RuntimeError."""
    records = (await Control(bus).stretch(name, "main")).records
    results = [record for record in records if b'"role":"tool"' in record]
    if wrong := [result for result in results if b'"content":"hello"' not in result]:
        raise RuntimeError(f"{name}: {wrong[0]!r}")
    if len(results) != times:
        raise RuntimeError(f"{name}: {len(results)} results of {times} calls")


async def connected(bus: Bus, name: str, servers: int) -> bool:
    report = read_report(await Control(bus).servers(name))
    return servers == 0 or (report is not None and len(report.connected) == servers)
