"""The part of a kubelet that kwok does not play: containers that live as their agents do, and then end."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import orjson

from horos_api.names import LABEL_COMPONENT
from horos_bus.message_service import MessageService
from horos_bus.records import Identity
from horos_operator.kube.connection import MERGE_PATCH, KubeConnection, KubeError
from horos_runtime.lifetime import ExitCode
from tests.simulator.agent import Manner, SimulatedAgent
from tests.simulator.door import Doors
from tests.simulator.pods import FakePod, fake_pod, is_fake

PODS: Final = f"/api/v1/pods?labelSelector={quote(f'{LABEL_COMPONENT}=agent')}"
AGAIN_SECONDS: Final = 0.5
REQUESTS_AT_ONCE: Final = 16
KILLED: Final = 137


class _Life:
    """A container that runs: its agent, and the task that it is. `pod` is the pod as last seen."""

    def __init__(self, pod: FakePod) -> None:
        self.pod = pod
        self.agent: SimulatedAgent | None = None
        self.task: asyncio.Task[None] | None = None
        self.stopping = False

    def stop(self) -> None:
        """Send SIGTERM."""
        self.stopping = True
        if self.agent is not None:
            self.agent.stop()


class Simulator:
    """Plays the agents of all fake pods in the namespaces that `serves` names, in one process.

    kwok makes a bound pod Running; from there on it is ours: the agent claims and lives, the pod ends with it
    (Succeeded or Failed, by its exit code), a deleted one stops first and is then removed.
    """

    def __init__(
        self,
        connection: KubeConnection,
        manner: Manner,
        serves: Callable[[str], bool] = lambda namespace: True,
        redis: str = "",
    ) -> None:
        self._connection = connection
        self._manner = manner
        self._serves = serves
        self._redis = redis
        self._lives: dict[str, _Life] = {}
        self._over: set[str] = set()
        self._requests = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self.watching = asyncio.Event()
        self.ended = self.turns = 0

    @property
    def living(self) -> int:
        """How many containers run."""
        return len(self._lives)

    async def run(self) -> None:
        """Play until cancelled. An API server that is away is waited for."""
        async with asyncio.TaskGroup() as self._tasks:
            self._doors = Doors(self._connection, self._tasks, self._redis)
            try:
                while True:
                    try:
                        await self._follow(await self._list())
                    except KubeError:
                        await asyncio.sleep(AGAIN_SECONDS)
            finally:
                await self._doors.aclose()

    async def kill(self, namespace: str, name: str) -> None:
        """End a pod's process as SIGKILL does, in the middle of whatever it does; raises LookupError."""
        found = [
            life for life in self._lives.values() if (life.pod.namespace, life.pod.name) == (namespace, name)
        ]
        if not found:
            raise LookupError(f"no pod {namespace}/{name} runs here; there are {self.living} others")
        life = found[0]
        self._vanish(life.pod.uid)
        self._over.add(life.pod.uid)
        await self._report(life.pod, KILLED)
        if life.pod.deleting:
            await self._remove(life.pod)

    async def _list(self) -> str:
        """Take in everything there is; returns the version from which to watch."""
        found = await self._connection.request("GET", PODS)
        pods = [fake_pod(each) for each in found["items"] if self._is_ours(each)]
        for uid in {*self._lives, *self._over} - {pod.uid for pod in pods}:
            self._vanish(uid)
        for pod in pods:
            self._see(pod)
        self.watching.set()
        return str(found["metadata"]["resourceVersion"])

    async def _follow(self, version: str) -> None:
        """Watch until the server ends it or says that the version is too old."""
        path = f"{PODS}&watch=1&allowWatchBookmarks=true&timeoutSeconds=240&resourceVersion="
        while True:
            rest = b""
            async with aclosing(self._connection.stream("GET", path + version)) as chunks:
                async for chunk in chunks:
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        event = orjson.loads(line)
                        if event["type"] == "ERROR":
                            return
                        version = event["object"]["metadata"]["resourceVersion"]
                        self._hear(event)

    def _hear(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "BOOKMARK" or not self._is_ours(event["object"]):
            return
        pod = fake_pod(event["object"])
        if event["type"] == "DELETED":
            self._vanish(pod.uid)
        else:
            self._see(pod)

    def _is_ours(self, body: Mapping[str, Any]) -> bool:
        return is_fake(body) and self._serves(body["metadata"]["namespace"])

    def _see(self, pod: FakePod) -> None:
        life = self._lives.get(pod.uid)
        if life is not None:
            life.pod = pod
            if pod.deleting:
                life.stop()
        elif pod.deleting:
            self._tasks.create_task(self._remove(pod))
        elif pod.phase == "Running" and pod.uid not in self._over:
            self._lives[pod.uid] = life = _Life(pod)
            life.task = self._tasks.create_task(self._live(life))

    def _vanish(self, uid: str) -> None:
        """The pod is gone from the API server: whatever still runs of it is killed."""
        self._over.discard(uid)
        life = self._lives.pop(uid, None)
        if life is not None and life.task is not None:
            life.task.cancel()

    async def _live(self, life: _Life) -> None:
        pod = life.pod
        door = await self._doors.of(pod.namespace)
        messages = MessageService(door.bus, Identity(pod.agent, pod.agent_uid, pod.uid))
        life.agent = SimulatedAgent(messages, door.wakes, pod.agent, pod.uid, self._manner)
        if life.stopping:
            life.agent.stop()
        code = await life.agent.live(pod.ticket)
        # News of how the pod was before may still come; nobody lives twice.
        self._over.add(pod.uid)
        self.ended += 1
        self.turns += life.agent.turns
        await self._report(pod, code)
        if life.pod.deleting:
            await self._remove(pod)
        self._lives.pop(pod.uid, None)

    async def _report(self, pod: FakePod, code: int) -> None:
        """Say in the pod's status that its container has ended."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        reason = "Completed" if code == ExitCode.LEFT else "Error"
        state = {"terminated": {"exitCode": int(code), "reason": reason, "startedAt": now, "finishedAt": now}}
        container = {
            "name": pod.container,
            "image": "simulated",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": state,
        }
        phase = "Succeeded" if code == ExitCode.LEFT else "Failed"
        await self._send(
            "PATCH",
            f"{pod.path}/status",
            {"metadata": {"uid": pod.uid}, "status": {"phase": phase, "containerStatuses": [container]}},
            MERGE_PATCH,
        )

    async def _remove(self, pod: FakePod) -> None:
        """Confirm a deletion: nothing of the pod runs any more."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": pod.uid},
        }
        await self._send("DELETE", pod.path, options, "application/json")

    async def _send(self, method: str, path: str, body: object, content_type: str) -> None:
        """Write until it is written, or there is nothing left to write to."""
        while True:
            try:
                async with self._requests:
                    await self._connection.request(method, path, body, content_type)
                    return
            except KubeError as error:
                if error.status in {404, 409, 422}:
                    return
                await asyncio.sleep(max(AGAIN_SECONDS, error.retry_after))
