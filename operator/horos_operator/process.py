"""The operator's process: every loop it runs, under one task group."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Final

from horos_api.names import key_prefix
from horos_bus.connection import Bus, BusError, CredentialsRefusedError
from horos_operator.agent_factory import AgentFactory
from horos_operator.agent_manager import AgentManager
from horos_operator.cluster import Cluster, ClusterError
from horos_operator.credentials import BusCredentials, redis_url
from horos_operator.handlers import Watch, watch
from horos_operator.health import Health, serve_health
from horos_operator.kube.cluster import KubeCluster
from horos_operator.kube.connection import KubeConnection
from horos_operator.observe import Caches
from horos_operator.queue import Key, KeyQueue
from horos_operator.reconcile import Reconciler
from horos_operator.settings import Settings
from horos_operator.shared_status import tell_shared
from horos_operator.status import QUIET_SECONDS

WORKERS: Final = 8
RETRY_SECONDS: Final = 3.0
DIRTY_SECONDS: Final = 2.0
CHORE_SECONDS: Final = 1.0

log = logging.getLogger("horos.operator")


@dataclass
class Parts:
    """What the loops share. `synced` is set when the first sweep has filled the caches."""

    settings: Settings
    cluster: Cluster
    bus: Bus
    caches: Caches
    queue: KeyQueue
    manager: AgentManager
    reconciler: Reconciler
    health: Health
    synced: asyncio.Event
    sweep_now: asyncio.Event


async def run(settings: Settings) -> None:
    """Run the operator until SIGTERM. A cluster or a Redis that is down is waited for, no reason to end.

    Raises KubeError with reason `BadConfig` when there are no usable credentials of the cluster.
    """
    health = Health(time.monotonic, silence_seconds=3 * settings.sweep_seconds + 60)
    server = await serve_health(health, settings.http_host, settings.http_port)
    connection = await KubeConnection.open()
    try:
        cluster = KubeCluster(connection, settings.watched_namespaces)
        url = await _redis_url(cluster, settings, health)
        bus = Bus.open(url, key_prefix(settings.install, settings.namespace))
        try:
            await _run_loops(_assemble(settings, cluster, bus, url, health))
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
            await asyncio.sleep(RETRY_SECONDS)


def _assemble(settings: Settings, cluster: Cluster, bus: Bus, url: str, health: Health) -> Parts:
    caches = Caches()
    credentials = BusCredentials(cluster, bus, settings, url)
    manager = AgentManager(cluster, caches, bus, credentials)
    return Parts(
        settings=settings,
        cluster=cluster,
        bus=bus,
        caches=caches,
        queue=KeyQueue(time.monotonic),
        manager=manager,
        reconciler=Reconciler(manager, AgentFactory(settings), time.time),
        health=health,
        synced=asyncio.Event(),
        sweep_now=asyncio.Event(),
    )


async def _run_loops(parts: Parts) -> None:
    async with asyncio.TaskGroup() as tasks:
        loops = [
            tasks.create_task(_sweeps(parts), name="sweeps"),
            tasks.create_task(_dirty(parts), name="dirty"),
            tasks.create_task(_chores(parts), name="chores"),
            tasks.create_task(_shared_statuses(parts), name="shared-statuses"),
            *(tasks.create_task(_work(parts), name=f"worker-{number}") for number in range(WORKERS)),
        ]
        # Kopf owns the signals: its end is ours.
        await watch(Watch(parts.caches, parts.queue.add), parts.settings.watched_namespaces)
        for loop in loops:
            loop.cancel()


async def _work(parts: Parts) -> None:
    """Take one key after the other. Nothing is decided before the caches are complete."""
    await parts.synced.wait()
    while True:
        key = await parts.queue.get()
        await _pass(parts, key)


async def _pass(parts: Parts, key: Key) -> None:
    try:
        again = await parts.reconciler.look(key)
    except (ClusterError, BusError) as error:
        delay = parts.queue.failed(key)
        log.warning("%s/%s: %s; looking again in %.1f s", *key, error, delay)
    except Exception:
        delay = parts.queue.failed(key)
        log.exception("%s/%s: the pass failed; looking again in %.1f s", *key, delay)
    else:
        parts.queue.done(key)
        if again is not None:
            parts.queue.add_after(key, again)


async def _sweeps(parts: Parts) -> None:
    """Look at everything now and then: deletions that no event told, keys that Redis lost."""
    while True:
        parts.sweep_now.clear()
        wait = parts.settings.sweep_seconds
        try:
            await _sweep(parts)
        except CredentialsRefusedError as error:
            # They are read once: from the environment, or from the Secret that this process found or made.
            log.warning("sweep: %s", error)
            parts.health.stuck(str(error))
            wait = RETRY_SECONDS
        except (ClusterError, BusError) as error:
            log.warning("sweep: %s", error)
            parts.health.attempted(str(error))
            wait = RETRY_SECONDS
        else:
            parts.health.swept()
        try:
            async with asyncio.timeout(wait):
                await parts.sweep_now.wait()
        except TimeoutError:
            continue


async def _sweep(parts: Parts) -> None:
    before = parts.caches.uids()
    # What is shared first: an Agent that is seen before what it names would be told that it is missing.
    configs, servers = await parts.cluster.model_configs(), await parts.cluster.tool_servers()
    pods, agents = await parts.cluster.pods(), await parts.cluster.agents()
    listed = frozenset(each.uid for of_a_kind in (configs, servers, pods, agents) for each in of_a_kind)
    for config in configs:
        parts.caches.put_config(config)
    for server in servers:
        parts.caches.put_server(server)
    keys = {parts.caches.put_agent(each) for each in agents} | {parts.caches.put_pod(each) for each in pods}
    keys |= parts.caches.forget_missing(before, listed)
    parts.manager.forget()
    parts.synced.set()
    for key in sorted(keys | parts.caches.keys()):
        parts.queue.add(key)
    # Last, so that a Redis that is down at the start is told in every status.
    await parts.bus.ping()


async def _dirty(parts: Parts) -> None:
    """Learn from the bus whose status has changed; a Redis that comes back is a reason to sweep."""
    down = False
    while True:
        try:
            for namespace in sorted(parts.caches.namespaces()):
                for name in await parts.manager.control(namespace).dirty():
                    parts.queue.add((namespace, name))
            if down:
                parts.sweep_now.set()
            down = False
        except BusError as error:
            if not down:
                log.warning("the bus does not tell what changed: %s", error)
            down = True
        await asyncio.sleep(DIRTY_SECONDS)


async def _shared_statuses(parts: Parts) -> None:
    """Tell in the status of ModelConfigs and ToolServers who uses them, when that may have changed."""
    await parts.synced.wait()
    told, trouble = -1, ""
    while True:
        revision = parts.caches.revision
        try:
            if revision != told:
                await tell_shared(parts.cluster, parts.caches, time.time())
            told, trouble = revision, ""
        except ClusterError as error:
            if error.message != trouble:
                log.warning("the status of what agents share has to wait: %s", error.message)
            trouble = error.message
        await asyncio.sleep(QUIET_SECONDS)


async def _chores(parts: Parts) -> None:
    """Each second: deadlines, delayed messages, and orders from the gateway. Twice at once does no harm."""
    await parts.synced.wait()
    told: set[str] = set()
    while True:
        for namespace in sorted(parts.caches.namespaces()):
            try:
                await _chores_of(parts, namespace)
                told.discard(namespace)
            except (BusError, ClusterError) as error:
                if namespace not in told:
                    log.warning("%s: deadlines and orders have to wait: %s", namespace, error)
                told.add(namespace)
        await asyncio.sleep(CHORE_SECONDS)


async def _chores_of(parts: Parts, namespace: str) -> None:
    control = parts.manager.control(namespace)
    await control.work_off_later()
    for order in await control.orders():
        await parts.manager.obey(namespace, order)
        parts.queue.add((namespace, order.agent))
