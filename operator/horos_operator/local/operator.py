"""LocalOperator: the operator's loops over a LocalCluster, for one process and one folder."""

import asyncio
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from horos_api.conditions import ConditionStatus, ConditionType, Reason
from horos_api.names import key_prefix
from horos_bus.connection import Bus
from horos_operator.assembly import Ground, Probes, assemble, watch_target
from horos_operator.credentials import redis_url as with_secrets
from horos_operator.duties import begin_to_lead, duties, whenever_leading
from horos_operator.elector import Leadership
from horos_operator.facts import pod_facts
from horos_operator.health import Health
from horos_operator.local.cluster import LocalCluster
from horos_operator.local.data import DataFolders
from horos_operator.local.environment import Values
from horos_operator.local.files import FolderInUseError, FolderLock, FolderUnusableError, make_folder
from horos_operator.local.kinds import AGENTS, CONFIG_MAP, PLURALS, PODS, SECRET, VERSIONS
from horos_operator.local.kubelet import Kubelet, Machine
from horos_operator.local.objects import Objects
from horos_operator.local.store import Body, Listener, ObjectStore
from horos_operator.local.written import Written
from horos_operator.metrics import Metrics
from horos_operator.parts import Parts
from horos_operator.settings import Settings
from horos_operator.supervision import without_end
from horos_operator.sweeps import sweep_for_ever
from horos_operator.watched import tellings

__all__ = ["FolderInUseError", "FolderUnusableError", "LocalOperator", "local_settings"]

INSTALL: Final = "local"
NAMESPACE: Final = "default"
FOR_EVER: Final = 10 * 365 * 86_400.0
"""Seconds that the one operator of a folder leads: nobody else may, while it has the folder's lock."""

NO_TROUBLE: Final = frozenset(
    {
        *(Reason.RESIDENT, Reason.STARTING, Reason.HIBERNATED, Reason.QUEUED, Reason.REPLACING),
        *(Reason.SUSPENDING, Reason.SUSPENDED, Reason.TERMINATED, Reason.TASK_DONE, Reason.DELETING),
    }
)
"""Reasons of an agent that is not Ready, or not Accepted, and lacks nothing."""
NOT_THERE: Final = frozenset({Reason.SECRET_MISSING, Reason.CONFIG_MAP_MISSING})

log = logging.getLogger("horos.operator")


def local_settings(redis_url: str, **fields: Any) -> Settings:
    """Build the settings of an operator without a cluster.

    `fields` are those of Settings that differ: `model_name`, `model_base_url`, `model_context_window_tokens`;
    `install` (part of every Redis key) is `local`, and `namespace` (of documents that name none)
    `default`, unless they say otherwise. Raises pydantic.ValidationError.
    """
    own = {"install": INSTALL, "namespace": NAMESPACE, "agent_image": "a process of this machine"}
    return Settings.model_validate({**own, "redis_url": redis_url, **fields})


class LocalOperator:
    """Runs what the folder's objects ask for, until it is closed.

        async with LocalOperator(local_settings(redis_url), Path(".horos")) as operator:
            await operator.apply(documents)

    Redis must answer, and may go and come back. Entering raises FolderInUseError and FolderUnusableError;
    what an earlier process left in the folder goes on at once. Whoever enters it must close it in the same
    task. `environment` is this process' own unless it is given: what agents need of it, and HOROS_SECRET_..
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        redis_url: str = "",
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self._redis_url = redis_url or settings.redis_url
        values = Values(
            secrets=DataFolders(folder, SECRET, environment),
            config_maps=DataFolders(folder, CONFIG_MAP, environment),
            machine=environment,
        )
        self._store = ObjectStore(folder / "objects")
        self._objects = Objects(self._store)
        self.cluster = LocalCluster(self._store, self._objects, values.secrets)
        self._written = Written(self._store, self._objects, values)
        self._values = values
        self._changes: asyncio.Queue[tuple[str, Body, bool]] = asyncio.Queue()
        self._acting: list[asyncio.Task[None]] = []
        self._pods: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._open = False

    async def __aenter__(self) -> Self:
        make_folder(self.folder)
        self._lock = await asyncio.to_thread(FolderLock.take, self.folder)
        self._lifeline = os.pipe()
        try:
            self._store.load()
            await with_secrets(self.cluster, self.settings)
            self._bus = Bus.open(self._redis_url, key_prefix(self.settings.install, self.settings.namespace))
        except BaseException:
            self._give_back()
            raise
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._begin()
        self._open = True
        return self

    def _begin(self) -> None:
        machine = Machine(self.folder, self._values, self._lifeline[0], self._lock.file)
        kubelet = Kubelet(self._objects, machine, time.time)
        self._store.listen(kubelet.told)
        # What was there before is told as if it had just come, as watches do.
        for plural, body in self._store.everything():
            self._changes.put_nowait((plural, body, False))
        self._store.listen(lambda plural, body, gone: self._changes.put_nowait((plural, body, gone)))
        self.cluster.begin()
        ground = Ground(self.settings, self.cluster, self._bus, self._redis_url, Leadership())
        health = Health(time.monotonic, silence_seconds=math.inf)
        self._parts = assemble(ground, Probes(health, Metrics()))
        work = {
            name: partial(whenever_leading, self._parts, duty) for name, duty in duties(self._parts).items()
        }
        work |= {"sweep": partial(sweep_for_ever, self._parts)}
        start = self._tasks.create_task
        self._pods = start(kubelet.run(), name="pods")
        self._watch = start(without_end("the watch", self._tell), name="watch")
        self._acting = [start(without_end(name, each), name=name) for name, each in work.items()]
        self._acting.append(start(_lead(self._parts), name="lead"))

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def apply(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Create or change objects as `kubectl apply` does: kinds of horos.dev, Secret, ConfigMap.

        All documents are checked before the first is stored, so that bad input changes nothing. Raises
        RefusedError, whose message has one line for each problem: which document, field, value, expectation.
        Fields of an earlier `apply` that a document has no more are removed; what others set stays.
        """
        self._written.apply(documents, self.settings.namespace)

    async def delete(self, kind: str, namespace: str, name: str) -> bool:
        """Delete an object and what it owns, in the background as the API server does; False: none there.

        Raises RefusedError for a kind that is not known.
        """
        return self._written.delete(kind, namespace, name)

    def listen(self, listener: Listener) -> None:
        """Let this one be told of every change of an object from now on, pods included."""
        self._store.listen(listener)

    def objects(self, kind: str) -> list[Body]:
        """Every object of a kind (`Agent`, `AgentPool`..) as it is stored, status included."""
        return self._store.all(PLURALS[kind])

    def object(self, kind: str, namespace: str, name: str) -> Body | None:
        """One object as it is stored, None when there is none."""
        return self._store.find(PLURALS[kind], namespace, name)

    def problems(self) -> dict[str, str]:
        """What keeps agents from working now: `namespace/name` to the message of the condition that says so.

        Of an Agent that is not Accepted, or not Ready for a reason that is no mere waiting for its process.
        """
        return {
            f"{body['metadata']['namespace']}/{body['metadata']['name']}": problem
            for body in self._store.all(AGENTS)
            if (problem := _problem(body, self._store.all(PODS)))
        }

    def bus(self, namespace: str = NAMESPACE) -> Bus:
        """The door to the messages of a namespace; closed with the operator."""
        return self._bus.at(key_prefix(self.settings.install, namespace))

    async def aclose(self) -> None:
        """Stop deciding, let each agent's process leave (SIGTERM, killed after 10 s), give the folder back.

        Nothing is deleted: another LocalOperator on the folder goes on from there.
        """
        if not self._open:
            return
        self._open = False
        try:
            await _cancelled(self._acting)
            # Only now: whoever decides would put new processes in the place of those that leave.
            await _cancelled([task for task in (self._pods, self._watch) if task])
            await self._tasks.__aexit__(None, None, None)
        finally:
            await self._bus.aclose()
            self._give_back()

    def _give_back(self) -> None:
        for end in self._lifeline:
            os.close(end)
        self._lock.release()

    async def _tell(self) -> None:
        """Be the watch: every change goes the way that events of a cluster go."""
        tell = tellings(watch_target(self._parts))
        while True:
            plural, body, gone = await self._changes.get()
            tell[VERSIONS[plural], plural](body, gone)


async def _lead(parts: Parts) -> None:
    """Lead once the caches are complete."""
    await parts.synced.wait()
    parts.leadership.hold(parts.leadership.clock() + FOR_EVER)
    begin_to_lead(parts)


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _problem(agent: Body, pods: Sequence[Body]) -> str:
    """Say what keeps an Agent from working, '' when nothing does as far as its status says."""
    conditions = {each["type"]: each for each in (agent.get("status") or {}).get("conditions") or ()}
    for kind in (ConditionType.ACCEPTED, ConditionType.READY):
        found = conditions.get(kind, {})
        if found.get("status") != ConditionStatus.FALSE or found.get("reason") in NO_TROUBLE:
            continue
        if found.get("reason") in NOT_THERE:
            # The process itself knows where on this machine it looks for it.
            return next(filter(None, (_waits_for(agent, pod) for pod in pods)), str(found["message"]))
        return str(found["message"])
    return ""


def _waits_for(agent: Body, pod: Body) -> str:
    owners = pod["metadata"].get("ownerReferences") or ()
    if not any(owner["uid"] == agent["metadata"]["uid"] for owner in owners):
        return ""
    return pod_facts(pod).waiting_message
