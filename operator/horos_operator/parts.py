"""What the loops of the operator's process share."""

import asyncio
from dataclasses import dataclass, field

from horos_bus.connection import Bus
from horos_operator.cluster import Cluster
from horos_operator.elector import Leadership
from horos_operator.hands import Hands
from horos_operator.health import Health
from horos_operator.metrics import Metrics
from horos_operator.observe import Caches
from horos_operator.pools import PoolKeeper
from horos_operator.queue import Key, KeyQueue
from horos_operator.reconcile import Reconciler
from horos_operator.settings import Settings
from horos_operator.wakes import Wakes
from horos_operator.witness import Witness


@dataclass
class Parts:
    """One of each. `synced` is set when the first sweep has filled the caches.

    `cluster` and what `manager` and `reconciler` hold may change things while `leadership` says so; `bus` is
    for whoever only asks whether Redis is there.
    """

    settings: Settings
    cluster: Cluster
    bus: Bus
    caches: Caches
    queue: KeyQueue
    manager: Hands
    reconciler: Reconciler
    pools: PoolKeeper
    wakes: Wakes
    health: Health
    leadership: Leadership
    synced: asyncio.Event
    sweep_now: asyncio.Event
    witness: Witness = field(default_factory=lambda: Witness(Metrics()))

    def ask(self, key: Key, *, urgent: bool = True) -> None:
        """Ask for a pass over an agent, if this process leads.

        Whoever begins to lead looks at everything. Nobody takes a follower's keys: those of agents that are
        gone would pile up.
        """
        if self.leadership.leads:
            self.queue.add(key, urgent=urgent)
