"""What the leading operator remembers about slots: who was given one, who wants one, who has to wait a while.

All of it is lost with the process, and that is safe: what is needed is on the bus, what runs is in the
cluster, and its quota holds the limit against whatever was forgotten.
"""

import time
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import Final

from horos_operator.facts import AgentFacts
from horos_operator.needs import Cause
from horos_operator.queue import Key

FIRST_ROOM_SECONDS: Final = 0.2
LONGEST_ROOM_SECONDS: Final = 10.0
FULL_AFTER: Final = 3
"""After so many refusals in a row a quota is taken to be tighter than the limit, and not just late."""
KEPT_SECONDS: Final = 1.0
"""A pass that is tried again so soon keeps its slot meanwhile."""
FIRST_GIVE_UP_SECONDS: Final = 60.0
LONGEST_GIVE_UP_SECONDS: Final = 600.0


@dataclass(slots=True)
class _Held:
    """An agent that is not its turn before `until`, unless its Agent is edited (another `generation`).

    `until` is a time of the clock that only grows, `since` one in seconds since the epoch.
    """

    until: float
    generation: int
    since: float = 0.0
    gave_up: int = 0
    trouble: tuple[str, str] | None = None


@dataclass(slots=True)
class _Room:
    """What a quota said last, and until when nobody asks it again."""

    why: str
    until: float
    failures: int


@dataclass(slots=True)
class _Namespace:
    granted: set[str] = field(default_factory=set)
    wishes: dict[str, tuple[Cause, float]] = field(default_factory=dict)
    held: dict[str, _Held] = field(default_factory=dict)
    giving_up: set[str] = field(default_factory=set)
    room: _Room | None = None
    turn: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a pass over an agent ended: why it needs a pod, and what it has now.

    `slot`: it had one when it began; `live`: a pod that is not terminal; `claimed`: it holds the agent;
    `again`: seconds until the next look; `known`: the bus said why it needs a pod, or that it needs none.
    """

    slot: bool
    cause: Cause | None
    live: bool
    claimed: bool
    again: float | None
    known: bool = True


class Slots:
    """The ledger. `touch` is told which namespace to decide anew.

    `wall` gives seconds since the epoch, for what is compared with what the bus tells; `clock` seconds on any
    scale that only grows, for pauses: a wall clock that is put back must not make anybody wait for that long.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        touch: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._clock = clock
        self._touch = touch
        self._namespaces: dict[str, _Namespace] = {}

    def _of(self, namespace: str) -> _Namespace:
        return self._namespaces.setdefault(namespace, _Namespace())

    def forget(self) -> None:
        """Begin anew: another operator has led meanwhile."""
        self._namespaces.clear()

    def keep(self, namespaces: Set[str]) -> None:
        """Forget every other namespace: it has no agents any more."""
        for gone in self._namespaces.keys() - namespaces:
            del self._namespaces[gone]

    # What a pass asks and tells. ----------------------------------------------------------------------------

    def may_start(self, key: Key, *, limited: bool) -> bool:
        """Whether the agent may be given a pod now. `limited`: it needs a grant, its namespace has a pool."""
        here = self._of(key[0])
        return key[1] in here.granted if limited else self.room_in(key[0]) <= 0

    def queued(self, key: Key) -> str:
        """What an agent without a slot waits for."""
        here = self._of(key[0])
        held = here.held.get(key[1])
        if held is not None and held.gave_up and held.until > self._clock():
            return "its pod waited in vain for what it needs and gave its slot to others; it is tried again"
        if here.room is not None:
            return here.room.why
        return here.why or "it waits for a slot of the AgentPool"

    def gives_up(self, key: Key) -> bool:
        """Whether the pod that does not start has to give its slot to somebody else."""
        return key[1] in self._of(key[0]).giving_up

    def trouble(self, key: Key) -> tuple[str, str] | None:
        """What was missing when its last pod did so, if it has not been claimed since: reason and message."""
        held = self._of(key[0]).held.get(key[1])
        return held.trouble if held is not None else None

    def gave_up(self, agent: AgentFacts, trouble: tuple[str, str]) -> None:
        """Its pod is being deleted for that: its agent waits behind the others, longer with each time."""
        here = self._of(agent.namespace)
        before = here.held.get(agent.name)
        times = before.gave_up + 1 if before is not None else 1
        delay = min(LONGEST_GIVE_UP_SECONDS, FIRST_GIVE_UP_SECONDS * 2.0 ** min(times - 1, 16))
        until, since = self._clock() + delay, self._wall()
        here.held[agent.name] = _Held(until, agent.generation, since, times, trouble)
        here.giving_up.discard(agent.name)

    def made(self, key: Key) -> None:
        """Its pod is made and in the caches, where it counts from now on."""
        here = self._of(key[0])
        here.granted.discard(key[1])
        here.giving_up.discard(key[1])
        here.room = None

    def no_room(self, key: Key, why: str) -> float:
        """A quota refused its pod: it keeps its place. Returns in how many seconds anybody tries again."""
        here = self._of(key[0])
        here.granted.discard(key[1])
        if self.room_in(key[0]) > 0:
            return self.room_in(key[0])  # of several at once, the first has told
        failures = here.room.failures if here.room is not None else 0
        delay = min(LONGEST_ROOM_SECONDS, FIRST_ROOM_SECONDS * 2.0 ** min(failures, 16))
        here.room = _Room(why, self._clock() + delay, failures + 1)
        return delay

    def failed(self, agent: Key, generation: int, delay: float) -> None:
        """Its pass failed: another one has its slot until it is looked at again.

        After the first failure it keeps it: the pod may have been made all the same.
        """
        here = self._of(agent[0])
        if agent[1] in here.granted and delay > KEPT_SECONDS:
            here.granted.discard(agent[1])
            self._hold(here, agent[1], generation, delay)
            self._touch(agent[0])

    def settle(self, agent: AgentFacts, outcome: Outcome) -> None:
        """Its pass is over: give back a slot that it did not use, note what it wishes for without work."""
        here, name = self._of(agent.namespace), agent.name
        # A slot that was granted while the pass ran already is for the next one.
        granted, wish = outcome.slot and name in here.granted, here.wishes.get(name)
        if granted:
            here.granted.discard(name)
        if not outcome.known:
            # What it wished for and waits for stays, and another one has its slot meanwhile.
            if granted:
                self._hold(here, name, agent.generation, KEPT_SECONDS)
                self._touch(agent.namespace)
            return
        if outcome.cause is None or outcome.claimed:
            here.held.pop(name, None)
            here.giving_up.discard(name)
        elif granted and not outcome.live:
            self._hold(here, name, agent.generation, outcome.again or 1.0)
        if outcome.cause in {Cause.BIRTH, Cause.RESIDENCE} and not outcome.live:
            since = wish[1] if wish else self._wall()
            here.wishes[name] = (outcome.cause, since)
        else:
            here.wishes.pop(name, None)
        if granted or wish != here.wishes.get(name):
            self._touch(agent.namespace)

    def forget_agent(self, key: Key) -> None:
        """Its Agent is gone."""
        here = self._of(key[0])
        here.granted.discard(key[1])
        here.giving_up.discard(key[1])
        for of in (here.wishes, here.held):
            of.pop(key[1], None)
        self._touch(key[0])

    def _hold(self, here: _Namespace, name: str, generation: int, delay: float) -> None:
        before = here.held.get(name)
        until = self._clock() + delay
        if before is None:
            here.held[name] = _Held(until, generation)
        else:
            before.until, before.generation = max(until, before.until), generation

    # What the pool asks and decides. ------------------------------------------------------------------------

    def room_in(self, namespace: str) -> float:
        """In how many seconds a pod may be tried in a namespace; 0 is now."""
        room = self._of(namespace).room
        return max(0.0, room.until - self._clock()) if room is not None else 0.0

    def full(self, namespace: str) -> bool:
        """Whether a quota refuses again and again, so that no more than what runs now can be had."""
        room = self._of(namespace).room
        return room is not None and room.failures >= FULL_AFTER and self.room_in(namespace) > 0

    def reopen(self, namespace: str) -> bool:
        """Something has ended or a quota was counted anew: try at once. Returns whether anybody waited."""
        room = self._of(namespace).room
        if room is None:
            return False
        room.until = self._clock()
        return True

    def grant(self, key: Key) -> None:
        """Give the agent a slot, until its pass has used it or not."""
        here = self._of(key[0])
        here.granted.add(key[1])
        here.turn += 1

    def granted(self, namespace: str) -> set[str]:
        """Who has a slot and no pod in the caches yet."""
        return set(self._of(namespace).granted)

    def turn(self, namespace: str) -> int:
        """How many slots were given."""
        return self._of(namespace).turn

    def wishes(self, namespace: str) -> dict[str, float]:
        """Who has no work and wants a pod all the same, since when in seconds since the epoch."""
        return {name: since for name, (_, since) in self._of(namespace).wishes.items()}

    def held(self, namespace: str) -> frozenset[str]:
        """Whom `held_back` and `not_before` may say something about."""
        return frozenset(self._of(namespace).held)

    def held_back(self, agent: AgentFacts) -> bool:
        """Whether it is not its time yet; an edit makes it so."""
        held = self._of(agent.namespace).held.get(agent.name)
        return held is not None and held.generation == agent.generation and held.until > self._clock()

    def not_before(self, key: Key) -> float:
        """Since when the agent waits at the earliest: when it gave up its slot last, else 0."""
        held = self._of(key[0]).held.get(key[1])
        return held.since if held is not None else 0.0

    def give_up(self, key: Key) -> None:
        """Ask for the slot of a pod that does not start."""
        self._of(key[0]).giving_up.add(key[1])

    def explain(self, namespace: str, why: str) -> None:
        """Say for people what those who wait are waiting for; '' is nothing."""
        self._of(namespace).why = why
