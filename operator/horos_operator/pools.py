"""The duty that gives out slots: hears doorbells and changes, lets AgentPool decide, and carries it out.

One decision a namespace at a time and not too often; what it costs says how soon the next one may follow.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from horos_bus.agent_view import AgentView
from horos_bus.connection import BusError
from horos_bus.control import LIMIT_SECONDS
from horos_bus.doorbells import Doorbells
from horos_bus.operating import Waiting
from horos_operator.agent_pool import AgentPool, Need, PoolDecision, PoolSeen
from horos_operator.agent_pools import AgentPoolFacts
from horos_operator.cluster import NotLeadingError
from horos_operator.hands import Hands
from horos_operator.plan import EXIT_SECONDS
from horos_operator.pool_seen import Crowd, Foreign, crowd, live_pods, needs, pool_seen
from horos_operator.queue import KeyQueue
from horos_operator.slots import Slots
from horos_operator.wakes import Wakes

DEBOUNCE_SECONDS: Final = 0.05
LONGEST_REST: Final = 0.5
NET_SECONDS: Final = 1.0
"""How often everything is looked at, whatever was heard; people are told their places no more often."""
QUEUED_LATER: Final = 2.0
"""An agent that waits for longer is looked at once, so that its status says so."""
HANGS_LATER: Final = EXIT_SECONDS + 1.0
"""An agent that has had work for longer is looked at: the pod of its last life may hang."""
RETELL_SECONDS: Final = 10.0
RETELL_LIMIT_SECONDS: Final = LIMIT_SECONDS / 6
UNTOLD: Final = -1
"""No limit was told to people, not even that there is none."""

log = logging.getLogger("horos.operator")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a pool stood at its last decision: live pods, who has work and waits, who waits without."""

    running: int = 0
    queued: int = 0
    unborn: int = 0
    over: bool = False


@dataclass(slots=True)
class _Record:
    """What is remembered of one namespace between two decisions."""

    work: Sequence[Waiting] = ()
    read_at: float = -math.inf
    decided_at: float = -math.inf
    rest: float = DEBOUNCE_SECONDS
    rung: bool = True
    touched: bool = True
    told: tuple[str, ...] | None = None
    limit: int | None = UNTOLD
    told_at: float = -math.inf
    limit_at: float = -math.inf
    waiting: frozenset[str] = frozenset()
    kicked: dict[str, float] = field(default_factory=dict)
    served: dict[str, float] = field(default_factory=dict)
    foreign: Foreign = field(default_factory=Foreign)
    standing: Standing = field(default_factory=Standing)
    trouble: str = ""


class PoolKeeper:
    """Keeps every namespace's pool while this operator leads.

    `wall` gives seconds since the epoch, `clock` seconds on any scale that only grows.
    """

    def __init__(  # noqa: PLR0913 - the clocks have defaults
        self,
        manager: Hands,
        slots: Slots,
        queue: KeyQueue,
        wakes: Wakes,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manager = manager
        self._caches = manager.caches
        self._slots = slots
        self._queue = queue
        self._wakes = wakes
        self._wall = wall
        self._clock = clock
        self._pool = AgentPool()
        self._records: dict[str, _Record] = {}

    def forget(self) -> None:
        """Begin anew: another operator has led meanwhile."""
        self._slots.forget()
        self._records.clear()

    def standing(self, namespace: str) -> Standing | None:
        """How a pool stands; None before its first decision."""
        record = self._records.get(namespace)
        return record.standing if record is not None and record.decided_at > -math.inf else None

    async def hear(self, doorbells: Doorbells) -> None:
        """Wait once for doorbells, two seconds at most. Raises BusError."""
        for namespace in await doorbells.ring(self._caches.namespaces(), 2000):
            self._wakes.ring(namespace)

    async def look(self) -> None:
        """Decide wherever it is time."""
        now = self._clock()
        namespaces = self._caches.namespaces()
        self._note(namespaces)
        for namespace, record in sorted(self._records.items()):
            if _due(record) <= now:
                await self._look_at(namespace, record)

    async def wait(self) -> None:
        """Wait until it may be time again."""
        soonest = min((_due(each) for each in self._records.values()), default=math.inf)
        await self._wakes.wait(max(0.0, min(NET_SECONDS, soonest - self._clock())))

    def _note(self, namespaces: set[str]) -> None:
        touched, rung, freed = self._wakes.take()
        self._slots.keep(namespaces)
        for gone in self._records.keys() - namespaces:
            if self._records[gone].limit in (UNTOLD, None):
                del self._records[gone]  # else people have to be told that there is no limit any more
        for namespace in namespaces:
            record = self._records.setdefault(namespace, _Record())
            if namespace in freed and self._slots.reopen(namespace):
                record.kicked = {}
            record.rung |= namespace in rung
            record.touched |= namespace in touched or namespace in freed or record.rung

    async def _look_at(self, namespace: str, record: _Record) -> None:
        began = self._clock()
        record.touched = False
        try:
            if record.rung or began - record.read_at >= NET_SECONDS:
                record.rung = False
                record.work = await self._manager.control(namespace).work()
                record.read_at = began
            self._watch_those_with_pods(namespace, record)
            pool = self._caches.pools.pool(namespace)
            if pool is None:
                await self._let_all_start(namespace, record)
            else:
                await self._decide(namespace, record, pool)
            record.trouble = ""
        except NotLeadingError:
            raise
        except BusError as error:
            if not record.trouble:
                log.warning("%s: nobody is given a slot: %s", namespace, error)
            record.trouble, record.rung = str(error), True
            # A Redis that comes back may have lost what people were told.
            record.told, record.limit = None, UNTOLD
        except Exception:
            # What is wrong with one namespace keeps no other from its slots.
            if not record.trouble:
                log.exception("%s: nobody is given a slot", namespace)
            record.trouble, record.rung = "unforeseen", True
        record.decided_at = self._clock()
        cost = record.decided_at - began
        record.rest = min(LONGEST_REST, max(DEBOUNCE_SECONDS, 3 * cost))

    def _watch_those_with_pods(self, namespace: str, record: _Record) -> None:
        """No event tells that a retired pod does not exit: whoever has one and gains work gets a pass."""
        served = {
            each.agent: each.since
            for each in record.work
            if any(not pod.dead for pod in self._caches.pods((namespace, each.agent)))
        }
        for name, since in served.items():
            if record.served.get(name) != since:
                self._queue.add_after((namespace, name), HANGS_LATER)
        record.served = served

    async def _let_all_start(self, namespace: str, record: _Record) -> None:
        """Without a pool, each agent that has come into work needs a pass, once."""
        self._slots.explain(namespace, "")
        seen = crowd(namespace, self._caches, record.work)
        found = {each.agent: each.since for each in needs(seen, self._slots) if each.urgent}
        for name, since in found.items():
            if record.kicked.get(name) != since:
                self._queue.add((namespace, name))
        record.kicked = found
        record.waiting = frozenset()
        await self._tell(namespace, record, (), None)

    async def _decide(self, namespace: str, record: _Record, pool: AgentPoolFacts) -> None:
        record.kicked = {}
        seen = crowd(namespace, self._caches, record.work)
        wanted = needs(seen, self._slots)
        fresh = partial(record.foreign.fresh, now=self._clock())
        case, decided = self._decided(seen, wanted, pool, fresh)
        if _would_evict(case, decided):
            views = await self._manager.control(namespace).views(sorted({pod.agent for pod in seen.pods}))
            # What has happened during the question is for the next decision: an event has told of it.
            case, decided = self._decided(seen, wanted, pool, fresh, views)
        await self._carry_out(namespace, record, case, decided)

    def _decided(
        self,
        seen: Crowd,
        wanted: list[Need],
        pool: AgentPoolFacts,
        fresh: Callable[[int], int],
        views: Mapping[str, AgentView] | None = None,
    ) -> tuple[PoolSeen, PoolDecision]:
        pods = live_pods(seen, pool, self._slots, views, self._wall())
        case = pool_seen(wanted, pods, seen, pool, self._slots)
        case = replace(case, fresh=fresh(case.foreign))
        return case, self._pool.decide(case)

    async def _carry_out(
        self, namespace: str, record: _Record, case: PoolSeen, decided: PoolDecision
    ) -> None:
        # While a quota refuses, nobody is granted what cannot be used: all keep their places.
        start = decided.start if self._slots.room_in(namespace) <= 0 else ()
        waiting = decided.waiting if start else (*decided.start, *decided.waiting)
        self._slots.explain(namespace, _why(case) if waiting else "")
        for name in start:
            self._slots.grant((namespace, name))
            self._queue.add((namespace, name))
        for name in decided.give_up:
            self._slots.give_up((namespace, name))
            self._queue.add((namespace, name))
        for name in waiting:
            if name not in record.waiting:
                self._queue.add_after((namespace, name), QUEUED_LATER)
        urgent = {each.agent for each in case.needs if each.urgent}
        over = case.limit is not None and len(case.pods) > case.limit
        record.waiting = frozenset(waiting)
        queued = len(urgent & record.waiting)
        record.standing = Standing(len(case.pods), queued, len(record.waiting) - queued, over)
        for name in decided.evict:
            log.info("%s/%s: is asked to leave its slot to others", namespace, name)
            await self._manager.evict(namespace, name)
        await self._tell(namespace, record, waiting, case.limit)

    async def _tell(
        self, namespace: str, record: _Record, waiting: tuple[str, ...], limit: int | None
    ) -> None:
        """Tell people the places and the limit: once a second, but at once that somebody waits."""
        control, now = self._manager.control(namespace), self._clock()
        old = limit is not None and now - record.limit_at >= RETELL_LIMIT_SECONDS
        if old or limit != record.limit:
            await control.tell_limit(limit)
            record.limit, record.limit_at = limit, now
        told_for = now - record.told_at
        # The same again now and then: an agent that is deleted and made anew has lost its place on the bus.
        pause = (RETELL_SECONDS if waiting else math.inf) if waiting == record.told else NET_SECONDS
        if record.told is not None and told_for < pause and (record.told or waiting == record.told):
            return
        # From then on, whoever becomes idle rings the doorbell.
        await control.tell_queue(waiting)
        record.told, record.told_at = waiting, now


def _due(record: _Record) -> float:
    """When to decide: soon if there was news, else each second."""
    soon = record.touched or record.rung
    return record.decided_at + (record.rest if soon else NET_SECONDS)


def _would_evict(case: PoolSeen, decided: PoolDecision) -> bool:
    """Whether it matters who is idle: somebody with work waits, or more run than may."""
    if not case.evicts or case.most is None:
        return False
    needed = {each.agent for each in case.needs if each.urgent and not each.held_back}
    over = len(case.pods) + len(case.granted) + case.foreign - case.fresh > case.most
    return over or not needed.isdisjoint(decided.waiting)


def _why(case: PoolSeen) -> str:
    """Say what those who wait are waiting for, in words that stay while the counts change."""
    if case.limit == 0:
        return "AgentPool default lets no agent run: maxRunning is 0"
    if case.foreign and case.limit is not None and len(case.pods) + len(case.granted) < case.limit:
        return "pods that are no agents take slots of AgentPool default"
    return f"all slots of AgentPool default are taken (maxRunning: {case.limit})"
