"""Looks at everything now and then, also in those that do not lead: it fills caches and changes nothing."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, TypeVar

from horos_bus.connection import BusError, CredentialsRefusedError
from horos_operator.cluster import ClusterError
from horos_operator.parts import Parts
from horos_operator.vigil import Listed

RETRY_SECONDS: Final = 3.0
LONGEST_RETRY: Final = 15.0

log = logging.getLogger("horos.operator")


class _Seen(Protocol):
    """What facts of every kind have."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def version(self) -> int: ...


_SeenT = TypeVar("_SeenT", bound=_Seen)


async def sweep_for_ever(parts: Parts) -> None:
    """Notice deletions that no event told, keys that Redis lost, and watches that have gone silent."""
    wait = 0.0
    while True:
        parts.sweep_now.clear()
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
            wait = min(LONGEST_RETRY, wait * 2 or RETRY_SECONDS)
            wait = max(wait, error.retry_after if isinstance(error, ClusterError) else 0.0)
        except Exception:
            parts.health.stuck("the sweep fails in a way that nobody foresaw: see the operator's log")
            raise
        else:
            parts.health.swept()
            wait = 0.0
        try:
            async with asyncio.timeout(wait or parts.settings.sweep_seconds):
                await parts.sweep_now.wait()
        except TimeoutError:
            continue


async def _sweep(parts: Parts) -> None:
    before = parts.caches.uids()
    # What is shared first: an Agent that is seen before what it names would be told that it is missing.
    configs, servers = await parts.cluster.model_configs(), await parts.cluster.tool_servers()
    # Pools, too: without its pool a namespace has no limit.
    pools, quotas = await parts.cluster.agent_pools(), await parts.cluster.quotas()
    pods, agents = await parts.cluster.pods(), await parts.cluster.agents()
    # After the Agents: a member that is not seen yet would be told as missing.
    groups = await parts.cluster.groups()
    kinds: dict[str, Sequence[_Seen]] = {
        "modelconfigs": configs,
        "toolservers": servers,
        "agentpools": pools,
        "resourcequotas": quotas,
        "pods": pods,
        "agents": agents,
        "groups": groups,
    }
    listed = frozenset(each.uid for of_a_kind in kinds.values() for each in of_a_kind)
    known = parts.caches.versions()
    for kind, of_a_kind in kinds.items():
        parts.health.vigil.listed(kind, _listed(of_a_kind), known)
    _put(configs, parts.caches.put_config)
    _put(servers, parts.caches.put_server)
    _put(pools, parts.caches.put_pool)
    _put(quotas, parts.caches.put_quota)
    keys = {parts.caches.put_agent(each) for each in agents} | {parts.caches.put_pod(each) for each in pods}
    _put(groups, parts.caches.groups.put)
    keys |= parts.caches.forget_missing(before, listed)
    parts.caches.groups.doubt()
    parts.manager.forget()
    parts.witness.there(parts.caches.namespaces(), time.monotonic())
    parts.synced.set()
    for key in sorted(keys | parts.caches.keys()):
        parts.ask(key, urgent=False)
    # Last, so that a Redis that is down at the start is told in every status.
    await parts.bus.ping()


def _put(objects: Iterable[_SeenT], remember: Callable[[_SeenT], object]) -> None:
    for each in objects:
        remember(each)


def _listed(objects: Iterable[_Seen]) -> dict[str, Listed]:
    return {each.uid: Listed(f"{each.namespace}/{each.name}", each.uid, each.version) for each in objects}
