"""Runs a child process for each pod of a LocalCluster, as kubelet runs containers, and says how it is."""

import asyncio
import logging
import shutil
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from horos_api.budgets import utc_time
from horos_api.names import Env
from horos_operator.cluster import OutdatedError
from horos_operator.local.environment import (
    MissingValueError,
    Values,
    container_environment,
    mounted_secrets,
)
from horos_operator.local.kinds import PODS
from horos_operator.local.liveness import HOST, free_port, until_lifeless
from horos_operator.local.logs import PodLog
from horos_operator.local.objects import Objects, Target
from horos_operator.local.store import Body
from horos_operator.supervision import guarded

RETRY_SECONDS: Final = 2.0
"""How soon a pod that lacks a Secret, or cannot be started, is tried again."""
GRACE_SECONDS: Final = 10.0
"""What a process is given to leave when all end."""

log = logging.getLogger("horos.operator")


@dataclass(frozen=True)
class Machine:
    """What processes need: the folder, where values come from, and what they must keep open.

    `lifeline` is the end of a pipe that a process reads to end with this one; `lock` is the folder's.
    """

    folder: Path
    values: Values
    lifeline: int
    lock: int


@dataclass
class _Pod:
    """One pod on its way: `leave` is set when it is being deleted, `now` when it gets no time for it.

    `port` is where its process is asked whether it lives.
    """

    body: Body
    port: int = 0
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    now: asyncio.Event = field(default_factory=asyncio.Event)


class Kubelet:
    """Brings processes to what the pods say; `told` gets every change of an object."""

    def __init__(self, objects: Objects, machine: Machine, wall: Callable[[], float]) -> None:
        self._objects = objects
        self._machine = machine
        self._wall = wall
        self._pods: dict[str, _Pod] = {}
        self._new: asyncio.Queue[_Pod] = asyncio.Queue()
        shutil.rmtree(machine.folder / PODS, ignore_errors=True)

    def told(self, plural: str, body: Body, gone: bool) -> None:
        """Hear of a change of an object; pods are what matters."""
        if plural != PODS or gone:
            return
        metadata = body["metadata"]
        pod = self._pods.get(metadata["uid"])
        if pod is None:
            pod = self._pods[metadata["uid"]] = _Pod(body)
            self._new.put_nowait(pod)
        pod.body = body
        if "deletionTimestamp" in metadata:
            pod.leave.set()
            if metadata.get("deletionGracePeriodSeconds") == 0:
                pod.now.set()

    async def run(self) -> None:
        """Run the processes of all pods until cancelled; then each gets its time to leave."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                pod = await self._new.get()
                name = pod.body["metadata"]["name"]
                tasks.create_task(self._live(pod), name=f"pod {name}")

    async def _live(self, pod: _Pod) -> None:
        name = pod.body["metadata"]["name"]
        try:
            # A pod that failed for a reason that nobody foresaw must not take the others with it.
            if not await guarded(f"pod {name}", lambda: self._play(pod)):
                self._tell_end(pod, 128, "this program could not run it: see its log")
                await pod.leave.wait()
            self._objects.remove(PODS, pod.body)
        finally:
            del self._pods[pod.body["metadata"]["uid"]]
            shutil.rmtree(self._place(pod), ignore_errors=True)

    async def _play(self, pod: _Pod) -> None:
        """Start the process, wait for its end or for being told to end it, and tell what happens."""
        process = None
        while process is None and not pod.leave.is_set():
            process = await self._started(pod)
        if process is None:
            return
        self._tell(pod, {"phase": "Running", "containerStatuses": [_container({"running": {}})]})
        try:
            await _first(process.wait(), pod.leave.wait(), self._lifeless(pod))
            if process.returncode is None:
                await self._end(process, pod)
        finally:
            if process.returncode is None:  # cancelled: all of them end
                await _terminated(process, GRACE_SECONDS)
        self._tell_end(pod, process.returncode or 0, self._log(pod).last_words())
        await pod.leave.wait()

    async def _started(self, pod: _Pod) -> Process | None:
        try:
            environment = container_environment(pod.body, self._machine.values)
            return await self._start(pod, environment)
        except MissingValueError as error:
            self._tell_waiting(pod, "CreateContainerConfigError", str(error))
        except OSError as error:
            self._tell_waiting(pod, "RunContainerError", f"the process cannot be started: {error}")
        await _first(asyncio.sleep(RETRY_SECONDS), pod.leave.wait())
        return None

    async def _start(self, pod: _Pod, environment: dict[str, str]) -> Process:
        place = self._place(pod)
        secrets = place / "secrets"
        secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
        (place / "tmp").mkdir(exist_ok=True)
        namespace = pod.body["metadata"]["namespace"]
        for name in mounted_secrets(pod.body):
            if not (secrets / name).is_symlink():
                # A link, so that a Secret that comes or changes later is seen.
                (secrets / name).symlink_to(self._machine.values.secrets.place(namespace, name).absolute())
        pod.port = free_port()
        own = {
            Env.SECRETS_DIR: str(secrets.absolute()),
            "TMPDIR": str((place / "tmp").absolute()),
            Env.HEALTH_HOST: HOST,
            Env.HEALTH_PORT: str(pod.port),
        }
        machine = self._machine
        with self._log(pod).opened() as output:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "horos_operator.local.child", str(machine.lifeline)),
                env=environment | own,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(machine.lifeline, machine.lock),
                start_new_session=True,  # Ctrl-C is for whoever runs the agents, not for each of them
            )

    async def _lifeless(self, pod: _Pod) -> None:
        """Wait until a process gives no sign of life, and have it killed."""
        await until_lifeless(pod.body["spec"]["containers"][0]["livenessProbe"], pod.port)
        log.warning("pod %s gives no sign of life: its process is killed", pod.body["metadata"]["name"])
        pod.now.set()

    async def _end(self, process: Process, pod: _Pod) -> None:
        grace = float(pod.body["metadata"].get("deletionGracePeriodSeconds", GRACE_SECONDS))
        if not pod.now.is_set():
            process.terminate()
            await _first(process.wait(), pod.now.wait(), asyncio.sleep(grace))
        if process.returncode is None:
            process.kill()
        await process.wait()

    def _log(self, pod: _Pod) -> PodLog:
        return PodLog(self._machine.folder, pod.body)

    def _place(self, pod: _Pod) -> Path:
        return self._machine.folder / PODS / str(pod.body["metadata"]["uid"])

    def _tell_waiting(self, pod: _Pod, reason: str, message: str) -> None:
        waiting = {"waiting": {"reason": reason, "message": message}}
        self._tell(pod, {"phase": "Pending", "containerStatuses": [_container(waiting)]})

    def _tell_end(self, pod: _Pod, code: int, last_words: str) -> None:
        # As a container's: a signal is counted from 128.
        exit_code = 128 - code if code < 0 else code
        ended = {
            "exitCode": exit_code,
            "reason": "Error" if exit_code else "Completed",
            "message": last_words if exit_code else "",
            "finishedAt": utc_time(self._wall()),
        }
        phase = "Failed" if exit_code else "Succeeded"
        self._tell(pod, {"phase": phase, "containerStatuses": [_container({"terminated": ended})]})

    def _tell(self, pod: _Pod, status: dict[str, Any]) -> None:
        metadata = pod.body["metadata"]
        target = Target(PODS, metadata["namespace"], metadata["name"], metadata["uid"])
        try:
            self._objects.change(target, lambda body: {**body, "status": status})
        except OutdatedError:
            log.warning("pod %s is gone, and its process is not", metadata["name"])


def _container(state: dict[str, Any]) -> dict[str, Any]:
    return {"name": "agent", "state": state}


async def _terminated(process: Process, grace: float) -> None:
    """Ask a process to leave, and end it when it does not in time."""
    process.terminate()
    try:
        async with asyncio.timeout(grace):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _first(*waits: Any) -> None:
    """Wait for the first of several; the others are given up."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
