"""What a pod of an agent weighs: the real `python -m horos_runtime`, at work with a scripted model."""

import asyncio
import time
import uuid
from pathlib import Path

from benchmarks.report import Spread, spread
from benchmarks.runtimes import PREFIX, claimed, end, introduced, resident, start, until
from benchmarks.servers import Server
from horos_api.messages import NewMessage
from horos_bus.connection import Bus
from horos_bus.sender import reply, send

TURNS = 20


def pod_weight(python: str, server: Server, model: Server, starts: int) -> dict[str, Spread]:
    """Start so many runtimes, one after the other; let each work on some turns with streamed text."""
    lives = [asyncio.run(life(python, server, model, f"agent-{number}")) for number in range(starts)]
    return {name: spread([one[name] for one in lives]) for name in lives[0]}


async def life(python: str, server: Server, model: Server, name: str) -> dict[str, float]:
    bus = Bus.open(server.address, PREFIX)
    await introduced(server.address, model.address, [name])
    others = await connections(bus)
    began = time.perf_counter()
    process = start(server.address, name, python=python)
    try:
        await claimed(server.address, {name: process})
        found = {"start to claimed, s": time.perf_counter() - began}
        await asyncio.sleep(0.5)  # imports that follow the claim
        found["RSS claimed, MiB"] = resident(process.pid)
        await ask(bus, name)
        await bus.command("CONFIG", "RESETSTAT")
        for _ in range(TURNS):
            await ask(bus, name)
        # One call a turn is the person's `send`.
        scripts = (await bus.command("INFO", "commandstats"))["cmdstat_evalsha"]["calls"]
        found["calls of scripts a turn with a streamed answer"] = scripts / TURNS - 1
        found["RSS after turns, MiB"] = resident(process.pid)
        found["connections to Redis"] = await connections(bus) - others
        found["connections to the model"] = connected(process.pid, model.port)
    finally:
        end(process)
        await bus.aclose()
    return found


async def ask(bus: Bus, name: str, body: str = "x" * 200) -> None:
    mid = uuid.uuid4().hex
    await send(bus, NewMessage(to=name, body=body, mid=mid))

    async def answered() -> bool:
        return await reply(bus, mid) is not None

    await until(answered, f"{name} did not answer")


async def connections(bus: Bus) -> int:
    return len(await bus.command("CLIENT LIST"))


def connected(pid: int, port: int) -> int:
    """Established TCP connections of a process to a local port, by its sockets' inodes."""
    mine = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(
        row[2].endswith(f":{port:04X}") and row[3] == "01" and f"socket:[{row[9]}]" in mine for row in rows
    )
