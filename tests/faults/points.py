"""The places where something goes wrong: generated from what an undisturbed run of the story does."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

When = Literal["before", "lost", "stale", "cut", "429", "500", "409", "dropped"]
"""What happens at a point. The first three kill the operator with SIGKILL: before the write is passed on;
after it was carried out, without its answer; the same, and its successor's first lists are old ones.
`cut`: carried out, but the connection breaks instead of an answer. A number: it is not carried out, and this
is the answer. `dropped`: this watch event never comes."""
KILLS: Final[tuple[When, ...]] = ("before", "lost", "stale")
TROUBLES: Final[tuple[When, ...]] = ("cut", "429", "500", "409")
WATCHED: Final = (
    *("agents", "pods", "agentpools", "resourcequotas", "modelconfigs", "toolservers"),
    "groups",
)
"""Kinds whose events are dropped."""

MOST: Final[Mapping[str, int]] = {"agents.status": 12, "agentpools.status": 6, "leases.renew": 2}
"""How many calls of one sort are tried, evenly chosen; all of the others. Renewals are all alike."""
MOST_TROUBLES: Final = 3
"""Of these, how many calls are refused or cut in each way."""
MOST_TOLD: Final = 12
"""How many events of a kind are dropped, one in each run."""

REQUIRED: Final = (
    *("pods.create", "pods.delete-live", "pods.delete-ended"),
    *("agents.status", "agents.finalizer-on", "agents.finalizer-off", "agents.mode"),
    *("secrets.create-horos-gateway", "secrets.create-horos-redis", "secrets.create-horos-bus"),
    *("secrets.patch-horos-bus", "leases.create", "leases.renew"),
    *("resourcequotas.create", "resourcequotas.patch", "resourcequotas.delete"),
    *("agentpools.status", "modelconfigs.status", "toolservers.status"),
    *("agents.create", "agents.owner", "agents.delete", "groups.create"),
    *("groups.finalizer-on", "groups.finalizer-off", "groups.status"),
)
"""What the story must make the operator write, or some verb on some kind would have no point."""


@dataclass(frozen=True, order=True)
class Point:
    """Where and how: the `number`th write of an `event`, or the `number`th event that is told of a kind."""

    event: str
    number: int
    when: When

    def __str__(self) -> str:
        return f"{self.event}:{self.number}:{self.when}"

    @classmethod
    def parse(cls, text: str) -> "Point":
        """Read what `str` wrote."""
        event, number, when = (*text.split(":"), "", "")[:3]
        whens: dict[str, When] = {each: each for each in get_args(When)}
        if when not in whens or not number.isdecimal():
            raise ValueError(f"{text}: not a point")
        return cls(event, int(number), whens[when])

    @property
    def kills(self) -> bool:
        """Whether the operator is killed there."""
        return self.when in KILLS


def points_of(writes: Mapping[str, int], told: Mapping[str, int]) -> Iterator[Point]:
    """Make the list from what a run without faults wrote, and was told by watches, each to how often."""
    for event, count in sorted(writes.items()):
        for number in _spread(count, MOST.get(event, count)):
            yield from (Point(event, number, when) for when in KILLS)
        for number in _spread(count, MOST_TROUBLES):
            yield from (Point(event, number, when) for when in TROUBLES)
    for kind, count in sorted(told.items()):
        for number in _spread(count, MOST_TOLD):
            yield Point(f"{kind}.told", number, "dropped")


def _spread(count: int, most: int) -> list[int]:
    """Choose so many numbers of 1 to `count`, evenly."""
    if count <= most:
        return list(range(1, count + 1))
    return [1 + index * (count - 1) // (most - 1) for index in range(most)]


def without_point(points: Collection[Point]) -> list[str]:
    """What is required, and that no point, or not a point of each kind, is made for."""
    made = {(point.event, point.when) for point in points}
    whens = (*KILLS, *TROUBLES)
    return [event for event in REQUIRED if any((event, when) not in made for when in whens)]
