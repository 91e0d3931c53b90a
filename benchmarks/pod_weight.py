"""What a pod of an agent weighs: the real `python -m horos_runtime`, at work with a scripted model."""

import asyncio
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.model_fixtures import served

from benchmarks.report import spread
from benchmarks.servers import Server
from benchmarks.tools import PROJECT
from horos_api.messages import NewMessage
from horos_api.names import Env
from horos_api.resources import AgentSpec, ModelSpec
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.sender import reply, send
from horos_model.scripted import scripted_app
from horos_model.scripted_script import parse_script
from horos_runtime.agent_config import StoredConfig

PREFIX = "horos:bench:{pod}:"
UID = "uid"
TEXT = "one two three four five six seven eight nine ten"
TURNS = 20
PATIENCE_SECONDS = 30.0


def pod_weight(server: Server, starts: int) -> dict[str, Any]:
    """Start so many runtimes, one after the other; let each work on some turns."""
    script = parse_script({"replies": [{"text": TEXT}], "repeat": "last"})
    with served(scripted_app(script)) as model:
        lives = [asyncio.run(life(server, model, f"agent-{number}")) for number in range(starts)]
    return {name: spread([one[name] for one in lives]) for name in lives[0]}


async def life(server: Server, model: str, name: str) -> dict[str, float]:
    bus = Bus.open(server.address, PREFIX)
    control = Control(bus)
    spec = AgentSpec(instructions="Be brief.", model=ModelSpec(name="scripted", base_url=f"{model}/v1"))
    await control.create(name, UID)
    await control.configure(name, UID, 1, StoredConfig(generation=1, spec=spec).encoded())
    others = await connections(bus)
    began = time.perf_counter()
    process = start(server, name)
    try:
        await until(lambda: is_claimed(control, name), process)
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
        found["connections to the model"] = connected(process.pid, int(model.rpartition(":")[2]))
    finally:
        process.kill()
        process.wait()
        await bus.aclose()
    return found


def start(server: Server, name: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        Env.AGENT: name,
        Env.UID: UID,
        Env.TOKEN: uuid.uuid4().hex,
        Env.REDIS_URL: server.address,
        Env.PREFIX: PREFIX,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "horos_runtime"], env=environment, cwd=PROJECT, stderr=subprocess.DEVNULL
    )


async def is_claimed(control: Control, name: str) -> bool:
    view = await control.view(name)
    return view is not None and view.claimed


async def ask(bus: Bus, name: str) -> None:
    mid = uuid.uuid4().hex
    await send(bus, NewMessage(to=name, body="x" * 200, mid=mid))

    async def answered() -> bool:
        return await reply(bus, mid) is not None

    await until(answered)


async def until(
    condition: Callable[[], Awaitable[bool]], process: subprocess.Popen[bytes] | None = None
) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise RuntimeError("the runtime did not do its part")
        await asyncio.sleep(0.005)


async def connections(bus: Bus) -> int:
    return len(await bus.command("CLIENT LIST"))


def resident(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found.group(1)) / 1024


def connected(pid: int, port: int) -> int:
    """Established TCP connections of a process to a local port, by its sockets' inodes."""
    mine = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(
        row[2].endswith(f":{port:04X}") and row[3] == "01" and f"socket:[{row[9]}]" in mine for row in rows
    )
