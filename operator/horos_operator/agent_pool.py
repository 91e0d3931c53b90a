"""AgentPool: who gets one of a namespace's slots, who waits and in which order, who is asked to leave. Pure.

What needs a pod is sorted by class: urgent before what only wants to be there, then by priority. Inside a
class it is fair over parents: whose children have the fewest slots goes first, agents without a parent each
count for themselves, and among equals whoever came first. One slot in TURNS goes to whoever waits longest,
whatever its parent has, or a parent whose one child never rests could wait for ever with the next.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final

TURNS: Final = 4


@dataclass(frozen=True, slots=True)
class Need:
    """An agent that needs a pod and has none. `since` is in seconds since the epoch.

    `urgent`: it has work; else it was never awake, or wants to stay resident. `exiting`: its last pod is not
    gone yet, so it waits for that. `held_back`: it is not its time yet (it failed lately), so it waits behind
    everybody else and nobody leaves for it.
    """

    agent: str
    since: float
    urgent: bool = True
    priority: int = 0
    parent: str = ""
    exiting: bool = False
    held_back: bool = False


class PodPart(StrEnum):
    """What a live pod is doing."""

    STARTING = "starting"
    STUCK = "stuck"
    """It waits for something that is missing, for longer than a slot is kept for that."""
    WORKING = "working"
    IDLE = "idle"
    LEAVING = "leaving"
    """It will end without being asked (again): deleted, retired, or asked to leave already."""


@dataclass(frozen=True, slots=True)
class LivePod:
    """A pod that is not terminal. `idle_since` is in seconds since the epoch, for an idle one.

    `stays`: its agent wants to be resident (idleSeconds 0), or would come back at once (it is in error).
    """

    agent: str
    part: PodPart
    idle_since: float = 0.0
    stays: bool = False
    parent: str = ""


@dataclass(frozen=True, slots=True)
class PoolSeen:
    """Everything that a decision is made from.

    `limit` None: there is no pool. `evicts`: idle ones may be asked to leave. `granted` are the agents whose
    pods are being made and not yet in `pods`, with their parents; `foreign` counts the pods of others that
    the quota counts, `fresh` how many of these it has not counted for long: they may be pods that have just
    ended, so nobody leaves for them. `turn` is how many slots were given so far. `full`: a quota tighter than
    the limit refuses pods again and again.
    """

    needs: Sequence[Need]
    pods: Sequence[LivePod] = ()
    limit: int | None = None
    evicts: bool = True
    granted: Sequence[tuple[str, str]] = ()
    foreign: int = 0
    fresh: int = 0
    turn: int = 0
    full: bool = False

    @property
    def most(self) -> int | None:
        """How many may run as things stand, pods of others included: no more than now where it is full."""
        if self.limit is None or not self.full:
            return self.limit
        return min(self.limit, len(self.pods) + len(self.granted) + self.foreign)


@dataclass(frozen=True, slots=True)
class PoolDecision:
    """Who gets a slot now, who waits in which place, who is asked to leave, whose pod is given up."""

    start: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    evict: tuple[str, ...] = ()
    give_up: tuple[str, ...] = ()


class AgentPool:
    """The rule of one namespace's pool. It remembers nothing: the same seen, the same decided."""

    def decide(self, seen: PoolSeen) -> PoolDecision:
        """Give the free slots to those who are first, and make room for as many of the others as can be."""
        granted = {agent for agent, _ in seen.granted}
        needs = [each for each in seen.needs if each.agent not in granted]
        free = self._free(seen)
        order = self._in_order([each for each in needs if not each.held_back], seen)
        ready = [each for each in order if not each.exiting]
        start = ready if free is None else ready[: max(0, free)]
        started = {each.agent for each in start}
        waiting = [each for each in order if each.agent not in started]
        later = sorted((each for each in needs if each.held_back), key=_rank)
        give_up, evict = self._make_room(seen, waiting, len(start))
        return PoolDecision(
            start=tuple(each.agent for each in start),
            waiting=tuple(each.agent for each in (*waiting, *later)),
            evict=evict,
            give_up=give_up,
        )

    def _free(self, seen: PoolSeen) -> int | None:
        if seen.most is None:
            return None
        return seen.most - seen.foreign - len(seen.pods) - len(seen.granted)

    def _in_order(self, needs: Sequence[Need], seen: PoolSeen) -> list[Need]:
        shares: Counter[str] = Counter(each.parent for each in seen.pods if each.parent)
        shares.update(parent for _, parent in seen.granted if parent)
        order: list[Need] = []
        for _, of_class in groupby(sorted(needs, key=_rank), key=_class):
            order += _fair(list(of_class), shares, seen.turn + len(order))
        return order

    def _make_room(
        self, seen: PoolSeen, waiting: Sequence[Need], starting: int
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Name the stuck pods to give up and the idle ones to ask, as many as are needed and no more."""
        if seen.most is None:
            return (), ()
        capacity = max(0, seen.most - seen.foreign + seen.fresh)
        leaving = sum(each.part is PodPart.LEAVING for each in seen.pods)
        taken = len(seen.pods) + len(seen.granted) + starting - leaving
        urgent = min(capacity, sum(each.urgent for each in waiting))
        anybody = min(capacity, len(waiting))
        stuck = sorted(each.agent for each in seen.pods if each.part is PodPart.STUCK)
        give_up = stuck[: max(0, taken + anybody - capacity)]
        short = max(0, taken - len(give_up) + urgent - capacity)
        idle = sorted(
            (each for each in seen.pods if each.part is PodPart.IDLE),
            key=lambda pod: (pod.stays, pod.idle_since, pod.agent),
        )
        evict = [each.agent for each in idle[:short]] if seen.evicts else []
        return tuple(give_up), tuple(evict)


def _class(need: Need) -> tuple[bool, int]:
    return (not need.urgent, -need.priority)


def _rank(need: Need) -> tuple[bool, int, float, str]:
    return (*_class(need), need.since, need.agent)


def _fair(needs: Sequence[Need], shares: Counter[str], turn: int) -> list[Need]:
    """Order one class, those who came first in front; `shares` counts on for the classes behind it."""
    by_share = _by_share(needs, shares)
    in_time, in_share = iter(needs), iter(by_share)
    taken: set[str] = set()
    order: list[Need] = []
    for place in range(turn, turn + len(needs)):
        source = in_time if place % TURNS == TURNS - 1 else in_share
        following = next(each for each in source if each.agent not in taken)
        taken.add(following.agent)
        order.append(following)
    return order


def _by_share(needs: Sequence[Need], shares: Counter[str]) -> list[Need]:
    """A child stands behind those whose parents have fewer slots, siblings in front of it included."""
    ranked: dict[int, list[Need]] = defaultdict(list)
    for need in needs:
        ranked[shares[need.parent] if need.parent else 0].append(need)
        if need.parent:
            shares[need.parent] += 1
    return [need for share in sorted(ranked) for need in ranked[share]]
