"""The duty that keeps AgentPools' ResourceQuotas and tells their statuses."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from horos_api.names import QUOTA
from horos_api.resources import OperatingMode
from horos_operator.agent_pools import AgentPoolFacts
from horos_operator.cluster import (
    Cluster,
    ClusterError,
    NameTakenError,
    NotLeadingError,
    OutdatedError,
    RefusedError,
)
from horos_operator.facts import AgentFacts
from horos_operator.observe import Caches
from horos_operator.pool_plan import (
    ChangeQuota,
    CreateQuota,
    DeleteQuota,
    PoolCounts,
    pool_status,
    quota_step,
)
from horos_operator.pools import Standing
from horos_operator.status import write_due

REFUSED_SECONDS: Final = 10.0
"""How soon a quota that was refused is tried again: no event tells that somebody made room for it."""

log = logging.getLogger("horos.operator")


@dataclass(slots=True)
class _Known:
    refusal: str = ""
    not_before: float = 0.0
    written: float = 0.0
    trouble: str = ""


class PoolStatuses:
    """Brings quotas and statuses of pools to what they should be. Methods raise NotLeadingError.

    `priority_class` is that of agents' pods, '' for none; `wall` gives seconds since the epoch.
    """

    def __init__(
        self,
        cluster: Cluster,
        caches: Caches,
        priority_class: str,
        standing: Callable[[str], Standing | None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._priority_class = priority_class
        self._standing = standing
        self._wall = wall
        self._known: dict[str, _Known] = {}

    async def look(self) -> None:
        """Look at every namespace that has a pool, or a quota of one."""
        namespaces = self._caches.pools.namespaces()
        for gone in self._known.keys() - namespaces:
            del self._known[gone]
        for namespace in sorted(namespaces):
            known = self._known.setdefault(namespace, _Known())
            try:
                await self._keep_quota(namespace, known)
                await self._tell(namespace, known)
                known.trouble = ""
            except NotLeadingError:
                raise
            except ClusterError as error:
                if error.message != known.trouble:
                    log.warning("%s: the pool's quota and status have to wait: %s", namespace, error.message)
                known.trouble = error.message
            except Exception:
                # One namespace must not keep the others from their quotas.
                log.exception("%s: the pool's quota and status could not be looked at", namespace)

    async def _keep_quota(self, namespace: str, known: _Known) -> None:
        pools = self._caches.pools
        step = quota_step(pools.pool(namespace), pools.quota(namespace), self._priority_class)
        if step is None:
            known.refusal = ""
            return
        if 0 < known.not_before - self._wall() <= REFUSED_SECONDS:
            return  # more than that is a clock that was put back
        try:
            match step:
                case CreateQuota(body=body):
                    self._caches.put_quota(await self._cluster.create_quota(body))
                case ChangeQuota(quota=quota, body=body):
                    self._caches.put_quota(await self._cluster.change_quota(quota, body))
                case DeleteQuota(quota=quota):
                    await self._cluster.delete_quota(quota)
                    self._caches.drop_quota(quota)
        except NameTakenError:
            self._refused(
                known, namespace, f"a ResourceQuota {QUOTA} that is not the operator's is in the way"
            )
        except RefusedError as error:
            self._refused(known, namespace, error.message)
        except OutdatedError:
            return  # its own event tells what it has become
        else:
            log.info("%s: %s %s", namespace, type(step).__name__, QUOTA)
            known.refusal, known.not_before = "", 0.0

    def _refused(self, known: _Known, namespace: str, why: str) -> None:
        if known.refusal != why:
            log.warning("%s: the quota of AgentPool default cannot be kept: %s", namespace, why)
        known.refusal, known.not_before = why, self._wall() + REFUSED_SECONDS

    async def _tell(self, namespace: str, known: _Known) -> None:
        pool = self._caches.pools.pool(namespace)
        standing = self._standing(namespace) or self._unwatched(namespace, pool)
        if pool is None or standing is None:
            return
        quota = self._caches.pools.quota(namespace)
        if quota is None and pool.spec is not None and self._priority_class and not known.refusal:
            return  # it is about to be made (anew)
        now = self._wall()
        counts = self._counts(namespace, standing)
        wanted = pool_status(pool, quota, counts, known.refusal, now)
        if write_due(pool.status, wanted, now - known.written) != 0:
            return
        try:
            self._caches.put_pool(await self._cluster.write_agent_pool_status(pool, wanted))
        except OutdatedError:
            return  # it is gone or another one: its own events tell the rest
        known.written = now

    def _unwatched(self, namespace: str, pool: AgentPoolFacts | None) -> Standing | None:
        """A namespace without agents has nobody to decide about, and a pool that says so."""
        empty = pool is not None and not self._caches.agents_within(namespace)
        return Standing() if empty else None

    def _counts(self, namespace: str, standing: Standing) -> PoolCounts:
        live = {pod.agent for pod in self._caches.pods_within(namespace) if not pod.dead}
        alive = sum(_alive(each) for each in self._caches.agents_within(namespace) if each.name not in live)
        asleep = max(0, alive - standing.queued - standing.unborn)
        return PoolCounts(standing.running, standing.queued, asleep, standing.over)


def _alive(agent: AgentFacts) -> bool:
    """Whether it is neither suspended nor over."""
    running = agent.spec is not None and agent.spec.operating_mode is OperatingMode.RUNNING
    return running and not agent.deleting and agent.status.get("state") != "terminated"
