"""Who leads when several operators run: what a candidate makes of the Lease that they share. Pure.

The way of client-go's tools/leaderelection: the times in the Lease are another machine's and never compared
with ours; a candidate takes the Lease when its own clock says that the text has not changed for as long as
its holder asked for. The holder counts from the moment it *sent* its last renewal that succeeded, which
nobody can have seen before; it stops long before anybody may take over. Each write names the version it was
made from, so that of two candidates one wins. Clocks need not agree, they only have to run about as fast.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Lease:
    """The Lease as the API server showed it, or as it is to be written.

    `holder` is empty when it was given back; `seconds` is how long the holder asked to be left alone; the
    times are texts for people. `version` is '' for one that does not exist yet.
    """

    version: str
    holder: str
    seconds: float
    acquired: str
    renewed: str
    transitions: int

    def says_the_same(self, other: "Lease | None") -> bool:
        """Whether nobody has renewed it; a new label on it is no renewal."""
        return other is not None and replace(other, version=self.version) == self


@dataclass(frozen=True, slots=True)
class Rules:
    """Seconds. `renew` is how long a leader acts after its last renewal, `lease` when others may take over.

    What lies between the two is for clocks that run at different speeds, and for a write that was already
    on its way. `retry` is how often a leader renews and the others look, `request` how long one try may take.
    """

    lease: float = 10.0
    renew: float = 6.0
    retry: float = 2.0
    request: float = 2.0
    error: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.error <= self.retry < self.renew < self.lease:
            raise ValueError(f"expected 0 < error <= retry < renew < lease, found {self}")


@dataclass(frozen=True, slots=True)
class Look:
    """Ask the API server for the Lease."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write the Lease as it is here, if it still has this version."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so many seconds, and look again."""

    seconds: float


Step: TypeAlias = Look | Write | Wait


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one process knows. Times are seconds of its own clock, which must not stand still in a pause.

    `not_before`: until then somebody else may lead; `renewed`: when the last write that succeeded was sent;
    `fresh`: whether what is known may be written to without looking again.
    """

    me: str
    lease: Lease | None = None
    not_before: float = -math.inf
    renewed: float = -math.inf
    fresh: bool = False

    def until(self, rules: Rules) -> float:
        """The moment from which on this process must not act."""
        return self.renewed + rules.renew

    def saw(self, lease: Lease | None, now: float, rules: Rules) -> "Candidate":
        """The API server showed this Lease, or said that there is none; `now` is after its answer.

        A Lease that somebody has deleted does not free us from waiting for whoever held it.
        """
        not_before = self.not_before
        if lease is not None and lease.holder in {"", self.me}:
            not_before = -math.inf
        elif lease is not None and not lease.says_the_same(self.lease):
            not_before = now + (lease.seconds or rules.lease)
        return replace(self, lease=lease, not_before=not_before, fresh=True)

    def wrote(self, lease: Lease, asked: float) -> "Candidate":
        """A write succeeded; `asked` is before it was sent, `lease` what the API server made of it."""
        return replace(self, lease=lease, not_before=-math.inf, renewed=asked, fresh=True)

    def unsure(self) -> "Candidate":
        """The Lease may have changed: a write met another version, or an answer did not come."""
        return replace(self, fresh=False)

    def waited(self) -> "Candidate":
        """Time has passed: whose Lease it is knows it still, everybody else has to look again."""
        return self if _mine(self) else self.unsure()


def decide(candidate: Candidate, now: float, wall: float, rules: Rules) -> Step:
    """What to do next. `wall` is seconds since the epoch, only for people who read the Lease."""
    if not candidate.fresh:
        return Look()
    due = candidate.renewed + rules.retry if _mine(candidate) else candidate.not_before
    if due > now:
        return Wait(min(rules.retry, due - now))
    return Write(_held(candidate, wall, rules))


def _mine(candidate: Candidate) -> bool:
    return candidate.lease is not None and candidate.lease.holder == candidate.me


def released(candidate: Candidate, wall: float) -> Lease | None:
    """The Lease given back, for whoever comes next to take at once; None when it is not this process'."""
    lease = candidate.lease
    if lease is None or lease.holder != candidate.me:
        return None
    return replace(lease, holder="", seconds=1.0, renewed=_later(lease.renewed, wall))


def _held(candidate: Candidate, wall: float, rules: Rules) -> Lease:
    lease = candidate.lease
    if lease is None:
        time = _microtime(wall)
        return Lease("", candidate.me, rules.lease, time, time, 0)
    time = _later(lease.renewed, wall)
    if lease.holder == candidate.me:
        return replace(lease, seconds=rules.lease, renewed=time)
    return Lease(lease.version, candidate.me, rules.lease, time, time, lease.transitions + 1)


def _later(than: str, wall: float) -> str:
    """The time as text, and never the same text again: a wall clock that stands must not hide a renewal."""
    text = _microtime(wall)
    if text > than:
        return text
    try:
        before = datetime.fromisoformat(than)
    except ValueError:
        return text
    return _text(before + timedelta(microseconds=1))


def _microtime(wall: float) -> str:
    return _text(datetime.fromtimestamp(wall, UTC))


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
