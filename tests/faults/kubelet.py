"""Plays kubelet and the processes in the pods of one namespace: no container runs, the protocol does."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from horos_api.names import Env
from horos_bus.connection import Bus
from horos_bus.message_service import MessageService
from horos_bus.records import Identity
from tests.faults.api import MERGE, Api, ApiError
from tests.faults.recorder import Recorder, Seen
from tests.simulator.agent import Manner, SimulatedAgent
from tests.simulator.wakes import Wakes

END_SECONDS: Final = 5.0
SECRET_SECONDS: Final = 0.2
"""How often a Secret is looked for that a pod needs to start."""


@dataclass
class _Pod:
    """A pod that was bound to the node: whether it shall leave, and whether nobody knows it any more."""

    body: Mapping[str, Any]
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def uid(self) -> str:
        return str(self.body["metadata"]["uid"])


class Kubelet:
    """Gives each pod that is bound to the node its life, as the API server's watch tells of it.

    `retired` are the uids of those that have left by themselves.
    """

    def __init__(self, api: Api, recorder: Recorder, manner: Manner) -> None:
        self._api = api
        self._recorder = recorder
        self._manner = manner
        self.retired: set[str] = set()
        self._pods: dict[str, _Pod] = {}
        self._group = asyncio.TaskGroup()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Kubelet"]:
        """Work beside the block; what still runs at its end is killed."""
        async with self._group:
            self._recorder.heard.append(self._hear)
            try:
                yield self
            finally:
                self._recorder.heard.remove(self._hear)
                for pod in self._pods.values():
                    pod.gone.set()

    def _hear(self, seen: Seen) -> None:
        if seen.kind != "pods" or not seen.object["spec"].get("nodeName"):
            return
        uid = seen.object["metadata"]["uid"]
        if uid not in self._pods:
            if seen.change == "DELETED":
                return
            self._pods[uid] = _Pod(seen.object)
            self._group.create_task(self._run(self._pods[uid]))
        if "deletionTimestamp" in seen.object["metadata"]:
            self._pods[uid].leave.set()
        if seen.change == "DELETED":
            self._pods[uid].gone.set()

    async def _run(self, pod: _Pod) -> None:
        """The pod's whole life; its end does not wait for what it was doing."""
        life = asyncio.create_task(self._live(pod))
        gone = asyncio.create_task(pod.gone.wait())
        try:
            await asyncio.wait((life, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(gone, life)
        if not life.cancelled():
            life.result()

    async def _live(self, pod: _Pod) -> None:
        environment = await self._environment(pod)
        if environment is not None:
            await self._tell(pod, "Running", {"running": {"startedAt": _now()}})
            code = await self._process(pod, environment)
            ended = {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": _now()}
            await self._tell(pod, "Failed" if code else "Succeeded", {"terminated": ended})
        await pod.leave.wait()
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod.uid}}
        with contextlib.suppress(ApiError):
            await self._api.ask("DELETE", self._path(pod), options)

    async def _process(self, pod: _Pod, environment: Mapping[str, str]) -> int:
        """Run what stands for the agent's process; its end is that of the container."""
        bus = Bus.open(environment[Env.REDIS_URL], environment[Env.PREFIX])
        agent, token = environment[Env.AGENT], environment[Env.TOKEN]
        wakes = Wakes(bus)
        messages = MessageService(bus, Identity(agent, environment[Env.UID], token))
        process = SimulatedAgent(messages, wakes, agent, token, self._manner)
        hearing = asyncio.create_task(wakes.run())
        leaving = asyncio.create_task(_then(pod.leave, process))
        try:
            return int(await process.live(int(environment[Env.TICKET])))
        finally:
            if process.retired:
                self.retired.add(pod.uid)
            await _end(hearing, leaving)
            await bus.aclose()

    async def _environment(self, pod: _Pod) -> dict[str, str] | None:
        """Fill the environment in, as soon as all Secrets are there; None when the pod has to leave first."""
        told = False
        while not pod.leave.is_set():
            lacking, found = self._look_up(pod)
            if not lacking:
                return found
            if not told:
                waiting = {"reason": "CreateContainerConfigError", "message": f'secret "{lacking}" not found'}
                await self._tell(pod, "Pending", {"waiting": waiting})
                told = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SECRET_SECONDS):
                    await pod.leave.wait()
        return None

    def _look_up(self, pod: _Pod) -> tuple[str, dict[str, str]]:
        found: dict[str, str] = {}
        for each in pod.body["spec"]["containers"][0]["env"]:
            source = each.get("valueFrom", {})
            if "secretKeyRef" in source:
                secret = self._recorder.now["secrets"].get(source["secretKeyRef"]["name"])
                if secret is None:
                    return source["secretKeyRef"]["name"], {}
                found[each["name"]] = base64.b64decode(secret["data"][source["secretKeyRef"]["key"]]).decode()
            else:
                found[each["name"]] = pod.uid if "fieldRef" in source else each.get("value", "")
        return "", found

    async def _tell(self, pod: _Pod, phase: str, state: Mapping[str, Any]) -> None:
        container = {
            "name": pod.body["spec"]["containers"][0]["name"],
            "image": "none",
            "imageID": "none",
            "ready": phase == "Running",
            "restartCount": 0,
            "state": state,
        }
        status = {"phase": phase, "containerStatuses": [container]}
        change = {"metadata": {"uid": pod.uid}, "status": status}
        # It is gone, or another one has its name: then there is nobody to tell of.
        with contextlib.suppress(ApiError):
            await self._api.ask("PATCH", f"{self._path(pod)}/status", change, MERGE)

    def _path(self, pod: _Pod) -> str:
        return self._recorder.path("pods", pod.body["metadata"]["name"])


async def _then(leave: asyncio.Event, process: SimulatedAgent) -> None:
    await leave.wait()
    process.stop()


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel until they are gone: one that is cancelled as its wait ends may not notice."""
    for task in tasks:
        while not task.done():
            task.cancel()
            await asyncio.wait((task,), timeout=END_SECONDS)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
