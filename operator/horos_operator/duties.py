"""What only the operator that leads does: passes, statuses, and the chores of each second.

Each duty is one task for the life of the process, so that a change of leaders starts none and leaves none
behind: `Leadership.act` lets it run and cuts it off.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from horos_bus.connection import BusError, BusUnavailableError
from horos_bus.doorbells import Doorbells
from horos_bus.operating import BadOrder
from horos_operator.agent_factory import AgentFactory
from horos_operator.cluster import ClusterError, NotLeadingError
from horos_operator.group_keeper import GroupKeeper
from horos_operator.orders import drop, obey_agents, tell_relatives
from horos_operator.parts import Parts
from horos_operator.pool_status import PoolStatuses
from horos_operator.queue import Key
from horos_operator.shared_status import tell_shared
from horos_operator.society import Society
from horos_operator.status import QUIET_SECONDS

WORKERS: Final = 8
DIRTY_SECONDS: Final = 2.0
CHORE_SECONDS: Final = 1.0
ORDER_SECONDS: Final = 0.5
POOL_SECONDS: Final = 1.0
GROUP_SECONDS: Final = 0.5

log = logging.getLogger("horos.operator")


def duties(parts: Parts) -> dict[str, Callable[[], Awaitable[None]]]:
    """Every duty by its name; none of them ends by itself."""
    several = {f"worker-{number}": lambda: _work(parts) for number in range(WORKERS)}
    return {
        "dirty": lambda: _dirty(parts),
        "chores": lambda: _chores(parts),
        "orders": lambda: _orders(parts),
        "shared-statuses": lambda: _shared_statuses(parts),
        "doorbells": lambda: _doorbells(parts),
        "pools": lambda: _pools(parts),
        "pool-statuses": lambda: _pool_statuses(parts),
        "groups": lambda: _groups(parts),
        **several,
    }


async def whenever_leading(parts: Parts, duty: Callable[[], Awaitable[None]]) -> None:
    """Do one duty in each time of leadership."""
    while True:
        await parts.leadership.act(duty)


def begin_to_lead(parts: Parts) -> None:
    """Look at everything again: what this process remembers may have been changed by another leader."""
    parts.queue.clear()
    parts.manager.forget()
    parts.pools.forget()
    parts.witness.begin(time.time())
    for key in sorted(parts.caches.keys()):
        parts.queue.add(key, urgent=False)


async def _work(parts: Parts) -> None:
    """Take one key after the other."""
    while True:
        key = await parts.queue.get()
        await _pass(parts, key)


async def _pass(parts: Parts, key: Key) -> None:
    try:
        with parts.witness.metrics.passing():
            again = await parts.reconciler.look(key)
    except (NotLeadingError, asyncio.CancelledError):
        # Whoever leads next looks at everything, so nothing has to be remembered here.
        parts.queue.done(key)
        raise
    except (ClusterError, BusError) as error:
        delay = parts.queue.failed(key)
        parts.reconciler.failed(key, delay)
        if isinstance(error, ClusterError):
            parts.queue.rest(error.retry_after)
        log.warning("%s/%s: %s; looking again in %.1f s", *key, error, delay)
    except Exception:
        delay = parts.queue.failed(key)
        parts.reconciler.failed(key, delay)
        log.exception("%s/%s: the pass failed; looking again in %.1f s", *key, delay)
    else:
        parts.queue.done(key)
        if again is not None:
            parts.queue.add_after(key, again)
    tell_relatives(parts)


async def _dirty(parts: Parts) -> None:
    """Learn from the bus whose status has changed; a Redis that comes back is a reason to sweep."""
    failed: set[str] = set()
    down = False
    while True:
        there = await _in_each_namespace(parts, _hear_of_dirty, "the bus does not tell what changed", failed)
        if down and there:
            parts.sweep_now.set()
        down = not there
        await asyncio.sleep(DIRTY_SECONDS)


async def _doorbells(parts: Parts) -> None:
    """Hear who has gained work; all of it is looked at each second anyway."""
    doorbells, down = Doorbells(parts.bus, parts.settings.install), False
    try:
        while True:
            try:
                await parts.pools.hear(doorbells)
                down = False
            except BusError as error:
                if not down:
                    log.warning("the doorbells cannot be heard: %s", error)
                down = True
                await asyncio.sleep(CHORE_SECONDS)
    finally:
        await doorbells.aclose()


async def _pools(parts: Parts) -> None:
    """Give out slots."""
    while True:
        await parts.pools.look()
        await parts.pools.wait()


async def _pool_statuses(parts: Parts) -> None:
    """Keep the quotas of AgentPools, and tell how the pools stand."""
    priority_class = parts.settings.agent_priority_class
    statuses = PoolStatuses(parts.cluster, parts.caches, priority_class, parts.pools.standing)
    while True:
        await statuses.look()
        await asyncio.sleep(POOL_SECONDS)


async def _groups(parts: Parts) -> None:
    """Tell the bus who belongs to which group, and people in the status."""
    keeper = GroupKeeper(parts.manager)
    while True:
        await keeper.look()
        await asyncio.sleep(GROUP_SECONDS)


async def _hear_of_dirty(parts: Parts, namespace: str) -> None:
    for name in await parts.manager.control(namespace).dirty():
        # Nobody waits for a status: who needs a pod is told by doorbells.
        parts.queue.add((namespace, name), urgent=False)


async def _shared_statuses(parts: Parts) -> None:
    """Tell in the status of ModelConfigs and ToolServers who uses them, when that may have changed."""
    told, trouble = -1, ""
    while True:
        revision = parts.caches.revision
        try:
            if revision != told:
                await tell_shared(parts.cluster, parts.caches, time.time())
            told, trouble = revision, ""
        except NotLeadingError:
            raise
        except ClusterError as error:
            if error.message != trouble:
                log.warning("the status of what agents share has to wait: %s", error.message)
            trouble = error.message
        await asyncio.sleep(QUIET_SECONDS)


async def _chores(parts: Parts) -> None:
    """Each second: deadlines, delayed messages, and orders from the gateway. Twice at once does no harm."""
    failed: set[str] = set()
    while True:
        await _in_each_namespace(parts, _chores_of, "deadlines and orders have to wait", failed)
        await asyncio.sleep(CHORE_SECONDS)


async def _orders(parts: Parts) -> None:
    """Twice a second: what agents ask for. Twice at once does no harm."""
    society, failed = Society(parts.manager, AgentFactory(parts.settings)), set[str]()
    obey = partial(obey_agents, society)
    while True:
        await _in_each_namespace(parts, obey, "what agents have asked for has to wait", failed)
        await asyncio.sleep(ORDER_SECONDS)


async def _in_each_namespace(
    parts: Parts, work: Callable[[Parts, str], Awaitable[None]], trouble: str, failed: set[str]
) -> bool:
    """Do it in one namespace after the other; `failed` are those where it did not work last time.

    What agents and people leave on the bus of one namespace keeps no other from being served. False means
    that there is no bus at all, which is not asked for once more in each namespace.
    """
    namespaces = parts.caches.namespaces()
    failed &= namespaces
    for namespace in sorted(namespaces):
        known = namespace in failed
        failed.add(namespace)
        try:
            await work(parts, namespace)
            failed.discard(namespace)
        except NotLeadingError:
            raise
        except (BusError, ClusterError) as error:
            if not known:
                log.warning("%s: %s: %s", namespace, trouble, error)
            if isinstance(error, BusUnavailableError):
                return False
        except Exception:
            if not known:
                log.exception("%s: %s", namespace, trouble)
    return True


async def _chores_of(parts: Parts, namespace: str) -> None:
    control = parts.manager.control(namespace)
    for order in await control.mode_orders():
        if isinstance(order, BadOrder):
            await drop(parts, namespace, order)
        else:
            await parts.manager.obey(namespace, order)
            parts.queue.add((namespace, order.agent))
    # Last, since an entry that cannot be read is raised.
    await control.work_off_later()
