"""A world in which candidates stand for one Lease: clocks differ, messages are lost or late, processes die.

Time is simulated and every decision is the product's own; the only thing played is the API server, which is a
Lease that is written to if the version fits.
"""

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from horos_operator.leadership import Candidate, Lease, Look, Rules, Wait, Write, decide

RULES = Rules()
LEAST_WAIT = 0.001
"""No process sleeps for less: a wait for the last bit of a large number might not move a clock at all."""


@dataclass(frozen=True)
class Clock:
    """A clock that shows something else than the others, and runs at a speed of its own."""

    shows: float
    speed: float = 1.0
    wall: float = 1_000_000.0
    wall_stands: bool = False

    def at(self, time: float) -> float:
        return self.shows + self.speed * time

    def wall_at(self, time: float) -> float:
        return self.wall if self.wall_stands else self.wall + time

    def until(self, local: float) -> float:
        return (local - self.shows) / self.speed


@dataclass(frozen=True)
class Fate:
    """What happens to one exchange with the API server. None: the message is lost."""

    there: float | None = 0.01
    back: float | None = 0.01
    pause: float = 0.0
    """How long the process is stopped before it learns of the answer, or of its absence."""


@dataclass(frozen=True)
class Belief:
    """For as long as this one believes to lead."""

    who: str
    begins: float
    ends: float


@dataclass
class Process:
    name: str
    clock: Clock
    candidate: Candidate
    fates: "itertools.chain[Fate]"
    dies: float


@dataclass
class World:
    """Run it with `run`; `beliefs` is what the candidates believed."""

    clocks: Sequence[Clock]
    fates: Sequence[Sequence[Fate]]
    dies: Sequence[float] = ()
    rules: Rules = RULES
    lease: Lease | None = None
    beliefs: list[Belief] = field(default_factory=list)
    writes: int = 0

    def __post_init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        dies = [*self.dies, *itertools.repeat(float("inf"), len(self.clocks))]
        for number, clock in enumerate(self.clocks):
            name = f"operator-{number}"
            own = itertools.chain(self.fates[number], itertools.repeat(Fate()))
            process = Process(name, clock, Candidate(name), own, dies[number])
            self._at(0.001 * number, lambda now, process=process: self._step(process, now))

    def run(self, until: float) -> "World":
        while self._heap and self._heap[0][0] <= until:
            now, _, event = heapq.heappop(self._heap)
            event(now)
        return self

    def leaders(self, now: float) -> set[str]:
        return {each.who for each in self.beliefs if each.begins <= now < each.ends}

    def overlaps(self) -> list[tuple[Belief, Belief]]:
        """Pairs of different candidates that believed to lead at the same time."""
        return [
            (one, other)
            for one, other in itertools.combinations(self.beliefs, 2)
            if one.who != other.who and one.begins < other.ends and other.begins < one.ends
        ]

    def _at(self, time: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self._heap, (time, next(self._order), event))

    def _step(self, process: Process, now: float) -> None:
        if now >= process.dies:
            return
        clock = process.clock
        match decide(process.candidate, clock.at(now), clock.wall_at(now), self.rules):
            case Wait(seconds=seconds):
                assert seconds > 0
                process.candidate = process.candidate.waited()
                waited = max(seconds, LEAST_WAIT) / clock.speed
                self._at(now + waited, lambda then: self._step(process, then))
            case Look():
                self._exchange(process, now, lambda: self.lease)
            case Write(lease=lease):
                self._exchange(process, now, lambda: self._write(lease), wrote=True)

    def _exchange(
        self, process: Process, now: float, ask: Callable[[], Lease | None], *, wrote: bool = False
    ) -> None:
        fate = next(process.fates)
        asked = process.clock.at(now)
        deadline = now + self.rules.request / process.clock.speed

        def arrives(then: float) -> None:
            answer = ask()
            if fate.back is not None and then + fate.back < deadline:
                self._at(then + fate.back + fate.pause, lambda at: learns(answer, at))
            else:
                self._at(max(deadline, then) + fate.pause, nothing)

        def learns(answer: Lease | None, then: float) -> None:
            if then >= process.dies:
                return None
            if wrote and answer is None:
                return nothing(then)
            if wrote and answer is not None:
                process.candidate = process.candidate.wrote(answer, asked)
                ends = process.clock.until(process.candidate.until(self.rules))
                if ends > then:
                    self.beliefs.append(Belief(process.name, then, ends))
            else:
                process.candidate = process.candidate.saw(answer, process.clock.at(then), self.rules)
            return self._step(process, then)

        def nothing(then: float) -> None:
            process.candidate = process.candidate.unsure()
            self._at(then + self.rules.error / process.clock.speed, lambda at: self._step(process, at))

        if fate.there is None:
            self._at(deadline + fate.pause, nothing)
        elif now + fate.there < deadline:
            self._at(now + fate.there, arrives)
        else:
            # It comes, but after its sender has stopped waiting for an answer.
            self._at(now + fate.there, lambda _: ask() and None)
            self._at(deadline + fate.pause, nothing)

    def _write(self, lease: Lease) -> Lease | None:
        """Keep it if its version fits; None stands for the conflict."""
        if lease.version != (self.lease.version if self.lease is not None else ""):
            return None
        self.writes += 1
        self.lease = replace(lease, version=str(self.writes))
        return self.lease
