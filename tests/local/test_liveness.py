"""A process that gives no sign of life is killed, so that its agent gets another one."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx2

from horos_api.names import Env
from horos_api.resources import AgentSpec
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_operator.local.data import DataFolders
from horos_operator.local.environment import Values
from horos_operator.local.files import FolderLock, make_folder
from horos_operator.local.kinds import CONFIG_MAP, SECRET
from horos_operator.local.kubelet import Kubelet, Machine
from horos_operator.local.liveness import HOST, free_port, until_lifeless
from horos_operator.local.objects import Objects
from horos_operator.local.store import ObjectStore
from horos_runtime.agent_config import StoredConfig
from tests.local.conftest import agents_processes, eventually
from tests.redis_fixtures import RedisProcess

PROBE = {"httpGet": {"path": "/healthz"}, "periodSeconds": 0.05, "timeoutSeconds": 5, "failureThreshold": 3}


async def test_three_bad_answers_in_a_row_are_too_many_and_two_are_not() -> None:
    answers = iter([200, 503, 503, 200, 503, 500, 404])
    given: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /healthz ")
        given.append(next(answers))
        writer.write(f"HTTP/1.1 {given[-1]} x\r\n\r\n".encode())
        writer.close()

    port = free_port()
    async with await asyncio.start_server(answer, HOST, port):
        await until_lifeless(PROBE, port)
    assert given == [200, 503, 503, 200, 503, 500, 404]


async def test_nobody_at_the_port_is_no_sign_of_life() -> None:
    await until_lifeless(PROBE, free_port())


def pod_of(name: str, uid: str, redis: str, prefix: str, probe: dict[str, Any]) -> dict[str, Any]:
    own = {Env.AGENT: name, Env.UID: uid, Env.REDIS_URL: redis, Env.PREFIX: prefix, Env.TICKET: "0"}
    token = {"name": Env.TOKEN, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
    env = [token, *({"name": key, "value": value} for key, value in own.items())]
    return {
        "metadata": {"name": f"{name}-1", "namespace": "default", "labels": {}},
        "spec": {"containers": [{"env": env, "livenessProbe": probe}]},
        "status": {"phase": "Pending"},
    }


async def test_a_process_that_hangs_is_killed(bus: Bus, redis_server: RedisProcess, tmp_path: Path) -> None:
    control = Control(bus)
    await control.create("ada", "u1")
    await control.configure("ada", "u1", 1, StoredConfig(generation=1, spec=AgentSpec()).encoded())
    make_folder(tmp_path)
    store, lock, lifeline = ObjectStore(tmp_path), FolderLock.take(tmp_path), os.pipe()
    folders = (DataFolders(tmp_path, kind, {}) for kind in (SECRET, CONFIG_MAP))
    machine = Machine(tmp_path, Values(*folders, os.environ), lifeline[0], lock.file)
    # No limit while it starts, which may take its time on a slow machine.
    probe = {**PROBE, "timeoutSeconds": 0.5, "failureThreshold": 10**9}
    kubelet = Kubelet(objects := Objects(store), machine, time.time)
    store.listen(kubelet.told)
    objects.create("pods", pod_of("ada", "u1", redis_server.url, bus.prefix, probe))
    running = asyncio.ensure_future(kubelet.run())
    try:
        await eventually("it holds the inbox", lambda: _holder(control))
        (process,) = agents_processes(os.getpid())
        await eventually("it says that it lives", lambda: _says(_port_of(process)))
        os.kill(process, signal.SIGSTOP)
        probe["failureThreshold"] = 3
        await eventually("its pod has failed", lambda: _phase(store) == "Failed")
        state = store.all("pods")[0]["status"]["containerStatuses"][0]["state"]["terminated"]
        assert (state["exitCode"], state["reason"]) == (137, "Error")
    finally:
        running.cancel()
        await asyncio.wait([running])
        for end in lifeline:
            os.close(end)
        lock.release()


async def _holder(control: Control) -> str:
    view = await control.view("ada")
    return view.holder if view else ""


def _port_of(process: int) -> int:
    variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return int(next(each for each in variables if each.startswith(b"HOROS_HEALTH_PORT=")).partition(b"=")[2])


async def _says(port: int) -> bool:
    try:
        async with httpx2.AsyncClient() as http:
            return (await http.get(f"http://{HOST}:{port}/healthz")).text == "alive\n"
    except httpx2.TransportError:
        return False


def _phase(store: ObjectStore) -> str:
    return str(store.all("pods")[0]["status"]["phase"])
