"""The places where a process can die: generated from the folder of scripts and from what a quiet run does."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

from tests.crash.proxy import When

_NEEDS: Final = re.compile(r"-- NEEDS (.*)")
_READS: Final = re.compile(r"^--.*\bReads only\b", re.MULTILINE)
SCRIPT_TIMES: Final[tuple[When, ...]] = ("before", "lost", "after", "again")
FENCED: Final = (
    *("claim", "next", "charge", "append", "commit", "emit", "fail", "retire"),
    *("elicit", "withdraw", "report"),
)
"""What a runtime calls, and what a stopped one may therefore be about to call when it goes on."""
STEP_TIMES: Final[tuple[When, ...]] = ("before", "after")
STEPS: Final = ("model", "tool")
"""Boundaries inside a turn that are no command: the model was asked or has answered, a tool runs or ran."""
MOST: Final[Mapping[str, int]] = {
    "append": 9,
    "charge": 3,
    "commit": 5,
    "next": 3,
    "emit": 2,
    "model": 6,
    "tool": 3,
    "send": 4,
    "decide": 5,
    "post": 3,
}
"""How many calls of one kind are killed at, of the process with the richest life; one of the others'."""
RICH: Final = ("lead", "operator", "client", "judge")
WAITING: Final[Mapping[str, int]] = {"append": 6, "commit": 4, "model": 3, "tool": 4, "next": 2}
"""The same of gil, whose calls wait for people, and of hal, who talks in a group."""
FEW: Final = ("create", "configure", "delete", "reap", "group_put")
"""What the operator does for each agent alike: twice is enough."""


@dataclass(frozen=True, order=True)
class Point:
    """Die when `role` comes to its `number`th call of `event`."""

    role: str
    event: str
    number: int
    when: When

    def __str__(self) -> str:
        return f"{self.role}:{self.event}:{self.number}:{self.when}"

    @classmethod
    def parse(cls, text: str) -> "Point":
        """Read what `str` wrote."""
        role, event, number, when = text.split(":")
        times: dict[str, When] = {each: each for each in (*SCRIPT_TIMES, "stop")}
        if when not in times:
            raise ValueError(f"{text}: not a point")
        return cls(role, event, int(number), times[when])


def scripts() -> dict[str, str]:
    """All Lua files by name."""
    folder = resources.files("horos_bus") / "scripts"
    return {
        entry.name.removesuffix(".lua"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda each: each.name)
        if entry.name.endswith(".lua")
    }


def parts() -> set[str]:
    """Names of the files that are joined with others."""
    found = {"prelude"}
    for text in scripts().values():
        for needs in _NEEDS.findall(text):
            found.update(needs.split())
    return found


def writing_scripts() -> list[str]:
    """Names of all scripts that change something: no part of others, and no header that says `Reads only`."""
    return [name for name, text in scripts().items() if name not in parts() and not _READS.search(text)]


def points_of(calls: Mapping[tuple[str, str], int]) -> Iterator[Point]:
    """Make the list from what a run without faults has called: (role, event) to how often."""
    wanted = {*writing_scripts(), "subscribe"}
    for (role, event), count in sorted(calls.items()):
        most = _most(role, event)
        for number in range(1, min(count, most) + 1):
            times = SCRIPT_TIMES if event in wanted else STEP_TIMES if event in STEPS else ()
            if event in FENCED:
                times = (*times, "stop")
            for when in times:
                yield Point(role, event, number, when)


def _most(role: str, event: str) -> int:
    if role in ("gil", "hal"):
        return WAITING.get(event, 1)
    if role not in RICH:
        return 1
    if role == "operator":
        return 2 if event in FEW else 5
    return MOST.get(event, 1)


def without_point(points: list[Point]) -> list[str]:
    """Scripts that no point, or not a point of each kind, is made for."""
    kinds = Counter((point.event, point.when) for point in points)
    return [name for name in writing_scripts() if any(not kinds[name, when] for when in SCRIPT_TIMES)]
