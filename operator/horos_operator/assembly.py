"""Puts the operator's parts together over whatever cluster there is; others run their loops."""

import asyncio
import time
from dataclasses import dataclass
from functools import partial

from horos_api import metrics as words
from horos_bus.connection import Bus
from horos_operator.agent_factory import AgentFactory
from horos_operator.cluster import Cluster
from horos_operator.credentials import BusCredentials
from horos_operator.elector import Leadership
from horos_operator.hands import Hands
from horos_operator.health import Health
from horos_operator.metrics import Metrics
from horos_operator.observe import Caches
from horos_operator.parts import Parts
from horos_operator.pools import PoolKeeper
from horos_operator.queue import KeyQueue
from horos_operator.reconcile import Reconciler
from horos_operator.settings import Settings
from horos_operator.slots import Slots
from horos_operator.wakes import Wakes
from horos_operator.watched import Watch
from horos_operator.witness import Witness


@dataclass(frozen=True)
class Ground:
    """What an operator stands on.

    `cluster` asks `leadership` before it writes; `bus` does not yet, and is open at `redis_url`.
    """

    settings: Settings
    cluster: Cluster
    bus: Bus
    redis_url: str
    leadership: Leadership


@dataclass(frozen=True)
class Probes:
    """What the probes' port tells."""

    health: Health
    metrics: Metrics


def assemble(ground: Ground, probes: Probes) -> Parts:
    """Build one of each part, for the loops to share."""
    settings, cluster, caches = ground.settings, ground.cluster, Caches()
    guarded = ground.bus.guarded(ground.leadership.check)
    credentials = BusCredentials(cluster, guarded, settings, ground.redis_url)
    manager = Hands(cluster, caches, guarded, credentials)
    queue, wakes = KeyQueue(time.monotonic), Wakes()
    slots = Slots(time.time, wakes.touch)
    witness = Witness(probes.metrics)
    parts = Parts(
        settings=settings,
        cluster=cluster,
        bus=ground.bus,
        caches=caches,
        queue=queue,
        manager=manager,
        reconciler=Reconciler(manager, AgentFactory(settings), time.time, witness, slots),
        pools=PoolKeeper(manager, slots, queue, wakes),
        wakes=wakes,
        health=probes.health,
        leadership=ground.leadership,
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


def watch_target(parts: Parts) -> Watch:
    """Say where a watch's events go."""

    def heard(kind: str, uid: str, version: int) -> None:
        parts.health.vigil.heard(kind, uid, version)
        parts.witness.metrics.heard(kind)

    return Watch(parts.caches, parts.ask, heard, parts.wakes, partial(parts.ask, urgent=False))
