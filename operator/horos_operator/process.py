"""The operator's process: every loop it runs, under one task group."""

import asyncio
import contextlib
import logging
import platform
import time
import uuid
from dataclasses import dataclass
from functools import partial

from horos_api import metrics as words
from horos_api.names import LEASE, key_prefix
from horos_bus.connection import Bus
from horos_operator.agent_factory import AgentFactory
from horos_operator.agent_manager import AgentManager
from horos_operator.cluster import Cluster, ClusterError
from horos_operator.credentials import BusCredentials, redis_url
from horos_operator.duties import begin_to_lead, duties, whenever_leading
from horos_operator.elector import Elector, Leadership, LeaseDoor
from horos_operator.handlers import Watch, heed_signals, watch
from horos_operator.health import Health, serve_health
from horos_operator.kube.cluster import KubeCluster
from horos_operator.kube.connection import KubeConnection
from horos_operator.kube.counted import CountedConnection
from horos_operator.kube.lease import KubeLease
from horos_operator.leadership import Rules
from horos_operator.metrics import Metrics
from horos_operator.observe import Caches
from horos_operator.parts import Parts
from horos_operator.pools import PoolKeeper
from horos_operator.queue import KeyQueue
from horos_operator.reconcile import Reconciler
from horos_operator.settings import Settings
from horos_operator.slots import Slots
from horos_operator.supervision import REST_SECONDS, guarded, without_end
from horos_operator.sweeps import RETRY_SECONDS, sweep_for_ever
from horos_operator.wakes import Wakes
from horos_operator.witness import Witness

log = logging.getLogger("horos.operator")


@dataclass(frozen=True)
class _Probes:
    """What the probes' port tells."""

    health: Health
    metrics: Metrics


async def run(settings: Settings) -> None:
    """Run the operator until SIGTERM. A cluster or a Redis that is down is waited for, no reason to end.

    Raises KubeError with reason `BadConfig` when there are no usable credentials of the cluster.
    """
    health = Health(time.monotonic, silence_seconds=3 * settings.sweep_seconds + 60)
    metrics = Metrics()
    server = await serve_health(health, settings.http_host, settings.http_port, metrics.exposition)
    connection = await CountedConnection.open()
    connection.listen(metrics.asked)
    probes = _Probes(health, metrics)
    try:
        # These Secrets every replica makes: whoever is first is right, and nobody could follow without them.
        url = await _redis_url(KubeCluster(connection), settings, health)
        bus = Bus.open(url, key_prefix(settings.install, settings.namespace)).watched(metrics.bus_failed)
        try:
            door = KubeLease(connection, settings.namespace, LEASE)
            await _run_loops(_assemble(settings, connection, bus, url, probes), door)
        finally:
            await bus.aclose()
    finally:
        await connection.aclose()
        server.close()


async def _redis_url(cluster: Cluster, settings: Settings, health: Health) -> str:
    while True:
        try:
            return await redis_url(cluster, settings)
        except ClusterError as error:
            log.warning("the release's Secrets cannot be made yet: %s", error.message)
            health.attempted(error.message)
            await asyncio.sleep(max(RETRY_SECONDS, error.retry_after))


def _assemble(settings: Settings, connection: KubeConnection, bus: Bus, url: str, probes: _Probes) -> Parts:
    caches, leadership = Caches(), Leadership()
    cluster = KubeCluster(connection, settings.watched_namespaces, leadership.check)
    guarded = bus.guarded(leadership.check)
    manager = AgentManager(cluster, caches, guarded, BusCredentials(cluster, guarded, settings, url))
    queue, wakes = KeyQueue(time.monotonic), Wakes()
    slots = Slots(time.time, wakes.touch)
    witness = Witness(probes.metrics)
    parts = Parts(
        settings=settings,
        cluster=cluster,
        bus=bus,
        caches=caches,
        queue=queue,
        manager=manager,
        reconciler=Reconciler(manager, AgentFactory(settings), time.time, witness, slots),
        pools=PoolKeeper(manager, slots, queue, wakes),
        wakes=wakes,
        health=probes.health,
        leadership=leadership,
        synced=asyncio.Event(),
        sweep_now=asyncio.Event(),
        witness=witness,
    )
    _count(parts)
    return parts


def _count(parts: Parts) -> None:
    """Let scrapers read what changes without being told."""
    metrics = parts.witness.metrics
    metrics.read(words.LEADER, lambda: float(parts.leadership.leads))
    metrics.read(words.QUEUE_KEYS, lambda: float(len(parts.queue)))
    metrics.read(words.SWEEP_AGE, parts.health.sweep_age)
    limit = parts.settings.metrics_per_agent_limit
    metrics.read_agents(parts.witness.census, lambda: parts.leadership.leads, limit)


async def _run_loops(parts: Parts, door: LeaseDoor) -> None:
    told = asyncio.Event()
    heed_signals(told)
    async with asyncio.TaskGroup() as tasks:
        # All of them before Kopf starts: at its end it cancels every task that began after it.
        acting = [
            tasks.create_task(without_end(name, partial(whenever_leading, parts, duty)), name=name)
            for name, duty in duties(parts).items()
        ]
        sweeping = without_end("the sweep", partial(sweep_for_ever, parts))
        acting.append(tasks.create_task(sweeping, name="sweep"))
        standing = without_end("the election", partial(_stand, parts, door))
        election = tasks.create_task(standing, name="election")
        tasks.create_task(_watch_until_told_to_end(parts, told), name="watch")
        await told.wait()
        for task in acting:
            task.cancel()
        # Only whoever has stopped acting may give the Lease back.
        await asyncio.wait(acting)
        election.cancel()


async def _stand(parts: Parts, door: LeaseDoor) -> None:
    """Stand for election once there is something to lead with: complete caches."""
    await parts.synced.wait()
    me = f"{parts.settings.pod_name or platform.node()}_{uuid.uuid4().hex[:8]}"
    await Elector(door, parts.leadership, me, lambda: begin_to_lead(parts), Rules()).stand()


async def _watch_until_told_to_end(parts: Parts, told: asyncio.Event) -> None:
    """Keep Kopf running. Whatever it ends with, it is started again here, and lists everything anew."""

    def heard(kind: str, uid: str, version: int) -> None:
        parts.health.vigil.heard(kind, uid, version)
        parts.witness.metrics.heard(kind)

    target = Watch(parts.caches, parts.ask, heard, parts.wakes, partial(parts.ask, urgent=False))
    while not told.is_set():
        await guarded("the watch", lambda: watch(target, parts.settings.watched_namespaces, told))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                await told.wait()
        parts.sweep_now.set()
