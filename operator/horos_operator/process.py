"""The operator's process: every loop it runs, under one task group."""

import asyncio
import contextlib
import logging
import platform
import time
import uuid
from functools import partial

from horos_api.names import LEASE, key_prefix
from horos_bus.connection import Bus
from horos_operator.assembly import Ground, Probes, assemble, watch_target
from horos_operator.cluster import Cluster, ClusterError
from horos_operator.credentials import redis_url
from horos_operator.duties import begin_to_lead, duties, whenever_leading
from horos_operator.elector import Elector, Leadership, LeaseDoor
from horos_operator.handlers import heed_signals, watch
from horos_operator.health import Health, serve_health
from horos_operator.kube.cluster import KubeCluster
from horos_operator.kube.connection import KubeConnection
from horos_operator.kube.counted import CountedConnection
from horos_operator.kube.lease import KubeLease
from horos_operator.leadership import Rules
from horos_operator.metrics import Metrics
from horos_operator.parts import Parts
from horos_operator.settings import Settings
from horos_operator.supervision import REST_SECONDS, guarded, without_end
from horos_operator.sweeps import RETRY_SECONDS, sweep_for_ever

log = logging.getLogger("horos.operator")


async def run(settings: Settings) -> None:
    """Run the operator until SIGTERM. A cluster or a Redis that is down is waited for, no reason to end.

    Raises KubeError with reason `BadConfig` when there are no usable credentials of the cluster.
    """
    health = Health(time.monotonic, silence_seconds=3 * settings.sweep_seconds + 60)
    metrics = Metrics()
    server = await serve_health(health, settings.http_host, settings.http_port, metrics.exposition)
    connection = await CountedConnection.open()
    connection.listen(metrics.asked)
    probes = Probes(health, metrics)
    try:
        # These Secrets every replica makes: whoever is first is right, and nobody could follow without them.
        url = await _redis_url(KubeCluster(connection), settings, health)
        bus = Bus.open(url, key_prefix(settings.install, settings.namespace)).watched(metrics.bus_failed)
        try:
            door = KubeLease(connection, settings.namespace, LEASE)
            await _run_loops(assemble(_ground(settings, connection, bus, url), probes), door)
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


def _ground(settings: Settings, connection: KubeConnection, bus: Bus, url: str) -> Ground:
    leadership = Leadership()
    cluster = KubeCluster(connection, settings.watched_namespaces, leadership.check)
    return Ground(settings, cluster, bus, url, leadership)


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
    target = watch_target(parts)
    while not told.is_set():
        await guarded("the watch", lambda: watch(target, parts.settings.watched_namespaces, told))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                await told.wait()
        parts.sweep_now.set()
