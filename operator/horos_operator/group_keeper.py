"""The duty that keeps Groups: gathers from caches and bus, lets the pure plan decide, and carries it out."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from horos_api.names import FINALIZER
from horos_bus.connection import BusError
from horos_bus.group_service import GroupService
from horos_operator.cluster import ClusterError, NotLeadingError, OutdatedError, RefusedError
from horos_operator.groups import (
    AddFinalizer,
    DeleteKeys,
    GroupAction,
    GroupFacts,
    GroupSeen,
    Project,
    RemoveFinalizer,
    group_status,
    membership,
    plan,
    those_there,
)
from horos_operator.hands import Hands, LookAgainError
from horos_operator.status import write_due

SHORTEST_REST: Final = 0.2
LONGEST_REST: Final = 5.0
"""Between two looks at a namespace: three times as long as the last one took, within these bounds."""
RETRY_SECONDS: Final = 2.0
"""How soon what did not work is tried again, should no event come."""
REFUSED_SECONDS: Final = 30.0
"""How soon what the API server refused is tried again: an admission rule changes without an event to us."""

log = logging.getLogger("horos.operator")


@dataclass(slots=True)
class _Known:
    """What is remembered of one group. `written`: when its status was written last."""

    projected: str = ""
    written: float = -math.inf
    trouble: str = ""


@dataclass(slots=True)
class _Record:
    """What is remembered of one namespace: what was seen when it was looked at, and when to look again."""

    revision: int = -1
    sweep: int = -1
    not_before: float = -math.inf
    again: float = math.inf
    groups: dict[str, _Known] = field(default_factory=dict)
    trouble: str = ""


class GroupKeeper:
    """Keeps the groups of every namespace for one time of leadership. Methods raise NotLeadingError.

    `wall` gives seconds since the epoch, `clock` seconds on any scale that only grows.
    """

    def __init__(
        self,
        manager: Hands,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manager = manager
        self._cluster = manager.cluster
        self._agents = manager.caches
        self._groups = manager.caches.groups
        self._wall = wall
        self._clock = clock
        self._records: dict[str, _Record] = {}

    async def look(self) -> None:
        """Bring every group to what its spec asks for, wherever something may have changed."""
        namespaces = self._groups.namespaces()
        for gone in self._records.keys() - namespaces:
            del self._records[gone]
        for namespace in sorted(namespaces):
            record = self._records.setdefault(namespace, _Record())
            if self._is_due(namespace, record):
                await self._look_at(namespace, record)

    def _is_due(self, namespace: str, record: _Record) -> bool:
        now = self._clock()
        changed = (record.revision, record.sweep) != (self._groups.revision(namespace), self._groups.sweeps)
        return now >= record.again or (changed and now >= record.not_before)

    async def _look_at(self, namespace: str, record: _Record) -> None:
        began = self._clock()
        # Noted before anything is read: what changes meanwhile is looked at once more.
        record.revision = self._groups.revision(namespace)
        if record.sweep != self._groups.sweeps:
            record.sweep, record.groups = self._groups.sweeps, {}
        try:
            again = await self._keep(namespace, record)
            record.trouble = ""
        except NotLeadingError:
            raise
        except ClusterError as error:
            self._failed(namespace, record, error.message)
            again = max(RETRY_SECONDS, error.retry_after)
        except Exception:
            # What is wrong in one namespace keeps no other from its groups.
            if record.trouble != "unforeseen":
                log.exception("%s: the groups could not be looked at", namespace)
            record.trouble, again = "unforeseen", RETRY_SECONDS
        now = self._clock()
        record.again = now + again
        record.not_before = now + min(LONGEST_REST, max(SHORTEST_REST, 3 * (now - began)))

    async def _keep(self, namespace: str, record: _Record) -> float:
        """Look at each group; returns in how many seconds to look again without any change."""
        there = those_there(self._agents.agents_within(namespace))
        problem, on_bus = await self._ask_the_bus(namespace)
        groups = self._groups.of(namespace)
        for gone in record.groups.keys() - {each.name for each in groups}:
            del record.groups[gone]
        again = RETRY_SECONDS if problem else math.inf
        for group in groups:
            known = record.groups.setdefault(group.name, _Known())
            belongs = membership(group.spec, there) if group.spec else None
            seen = GroupSeen(group, belongs, on_bus.get(group.name, ""), known.projected, problem)
            again = min(again, await self._pass(seen, known))
            await asyncio.sleep(0)
        return again

    async def _ask_the_bus(self, namespace: str) -> tuple[str, Mapping[str, str]]:
        try:
            return "", await self._service(namespace).groups()
        except BusError as error:
            return str(error), {}

    def _service(self, namespace: str) -> GroupService:
        return self._manager.groups(namespace)

    async def _pass(self, seen: GroupSeen, known: _Known) -> float:
        """Make one pass over one group. What is in the way of one holds up no other."""
        group = seen.group
        try:
            for action in plan(seen):
                await self._carry_out(group, action, known)
            known.trouble = ""
            return await self._tell(seen, known)
        except (LookAgainError, OutdatedError) as error:
            log.info("group %s/%s: %s", group.namespace, group.name, error)
            await self._ask_again(group)
            return 0.0
        except BusError as error:
            self._failed(f"group {group.namespace}/{group.name}", known, str(error))
            return RETRY_SECONDS
        except NotLeadingError:
            raise
        except ClusterError as error:
            self._failed(f"group {group.namespace}/{group.name}", known, error.message)
            refused = isinstance(error, RefusedError)
            return REFUSED_SECONDS if refused else max(RETRY_SECONDS, error.retry_after)

    async def _carry_out(self, group: GroupFacts, action: GroupAction, known: _Known) -> None:
        # After each sweep the bus is told once more, only to make sure.
        sure = isinstance(action, Project) and not action.new
        level = logging.DEBUG if sure else logging.INFO
        log.log(level, "group %s/%s: %s", group.namespace, group.name, type(action).__name__)
        # An earlier step may have changed its version.
        group = self._groups.group((group.namespace, group.name)) or group
        bus = self._service(group.namespace)
        match action:
            case AddFinalizer():
                await self._set_finalizers(group, (*group.finalizers, FINALIZER))
            case DeleteKeys(uid=uid):
                if uid != group.uid:
                    await self._make_sure_it_is_there(group)
                await bus.delete(group.name, uid)
                known.projected = ""
            case Project(belongs=belongs, digest=digest, new=new):
                if new:
                    await self._make_sure_it_is_there(group)
                assert group.spec is not None
                spec = group.spec
                outcome = await bus.put(
                    group.name, group.uid, spec.wake, spec.retain_messages, belongs.members
                )
                if outcome == "EXISTS":
                    raise LookAgainError("another life has the name on the bus")
                known.projected = digest
            case RemoveFinalizer():
                rest = tuple(each for each in group.finalizers if each != FINALIZER)
                await self._set_finalizers(group, rest)

    async def _set_finalizers(self, group: GroupFacts, finalizers: tuple[str, ...]) -> None:
        self._groups.remember(await self._cluster.set_group_finalizers(group, finalizers))

    async def _make_sure_it_is_there(self, group: GroupFacts) -> None:
        """A cache that lags behind takes a later life for an earlier one, and a list may be an old one."""
        fresh = await self._ask_again(group)
        if fresh is None or fresh.uid != group.uid or fresh.deleting:
            raise LookAgainError("it has gone or was replaced meanwhile; its keys would stay for ever")

    async def _ask_again(self, group: GroupFacts) -> GroupFacts | None:
        """Ask the API server itself for the Group of this name, and remember the answer."""
        fresh = await self._cluster.group(group.namespace, group.name)
        if fresh is None or fresh.uid != group.uid:
            self._groups.drop(group)
        if fresh is not None:
            self._groups.put(fresh)
        return fresh

    async def _tell(self, seen: GroupSeen, known: _Known) -> float:
        """Write the status if it differs and the last write is long enough ago."""
        group = self._groups.group((seen.group.namespace, seen.group.name))
        if group is None or group.deleting or group.generation != seen.group.generation:
            return math.inf  # another look follows, or there is nobody to tell
        now = self._wall()
        wanted = group_status(seen, now)
        due = write_due(group.status, wanted, now - known.written)
        if due is None or due > 0:
            return math.inf if due is None else due
        self._groups.remember(await self._cluster.write_group_status(group, wanted))
        known.written = now
        return math.inf

    def _failed(self, what: str, known: _Known | _Record, why: str) -> None:
        if known.trouble != why:
            log.warning("%s: what was asked for has to wait: %s", what, why)
        known.trouble = why
