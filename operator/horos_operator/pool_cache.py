"""AgentPools and the ResourceQuotas made for them, as last seen, by namespace."""

from collections.abc import Iterator

from horos_api.resources import IDLE_SECONDS
from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts
from horos_operator.pod_cache import Gone


class PoolCache:
    """One pool and one quota of ours a namespace. Older news than what is known is dropped."""

    def __init__(self, gone: Gone) -> None:
        self._gone = gone
        self._pools: dict[str, AgentPoolFacts] = {}
        self._quotas: dict[str, QuotaFacts] = {}

    def __iter__(self) -> Iterator[AgentPoolFacts | QuotaFacts]:
        yield from self._pools.values()
        yield from self._quotas.values()

    def namespaces(self) -> set[str]:
        """Every namespace with a pool, or with a quota that was made for one."""
        return {*self._pools, *self._quotas}

    def pool(self, namespace: str) -> AgentPoolFacts | None:
        """The pool of a namespace; None: it has no limit."""
        return self._pools.get(namespace)

    def quota(self, namespace: str) -> QuotaFacts | None:
        """The quota that was made for a namespace's pool, as far as we know."""
        return self._quotas.get(namespace)

    def put_pool(self, seen: AgentPoolFacts) -> bool:
        """Remember a pool; returns whether it means something new for the configuration of its agents."""
        known = self._pools.get(seen.namespace)
        if seen.uid in self._gone or (known is not None and known.version > seen.version):
            return False
        self._pools[seen.namespace] = seen
        return _idle_seconds(known) != _idle_seconds(seen)

    def drop_pool(self, seen: AgentPoolFacts) -> bool:
        """Forget a pool that is gone; a younger one stays. Returns whether it was the one that counted."""
        self._gone.add(seen.uid)
        known = self._pools.get(seen.namespace)
        if known is None or known.uid != seen.uid:
            return False
        del self._pools[seen.namespace]
        return True

    def put_quota(self, seen: QuotaFacts) -> None:
        """Remember a quota."""
        known = self._quotas.get(seen.namespace)
        if seen.uid not in self._gone and (known is None or known.version <= seen.version):
            self._quotas[seen.namespace] = seen

    def drop_quota(self, seen: QuotaFacts) -> None:
        """Forget a quota that is gone."""
        self._gone.add(seen.uid)
        known = self._quotas.get(seen.namespace)
        if known is not None and known.uid == seen.uid:
            del self._quotas[seen.namespace]

    def forget_missing(self, missing: frozenset[str]) -> set[str]:
        """Drop what a list no longer showed; returns the namespaces whose agents this concerns."""
        for quota in [each for each in self._quotas.values() if each.uid in missing]:
            self.drop_quota(quota)
        pools = [each for each in self._pools.values() if each.uid in missing]
        return {each.namespace for each in pools if self.drop_pool(each)}


def _idle_seconds(pool: AgentPoolFacts | None) -> int:
    return pool.spec.idle_seconds if pool is not None and pool.spec is not None else IDLE_SECONDS
