"""A selection of the points that `make crash` runs all of, and the rule that no script goes without one."""

import random
import re

import pytest

from tests.crash.points import SCRIPT_TIMES, Point, parts, points_of, scripts, without_point, writing_scripts
from tests.crash.runs import Workshop
from tests.crash.world import World

SEED = "selection"
EACH = 3
"""Points of each kind of call."""
_WRITES = re.compile(
    r"call\('(?:X(?:ADD|DEL|ACK|READGROUP|GROUP)|[HZ](?:SET|DEL|ADD|REM|INCRBY)|RPUSH|SET|UNLINK)'"
)


@pytest.mark.asyncio(loop_scope="module")
async def test_killed_at_some_points_nothing_is_lost_or_repeated(workshop: Workshop) -> None:
    quiet = await workshop.run(SEED)
    assert quiet.passed, str(quiet)
    points = list(points_of(quiet.calls))
    assert without_point(points) == []
    runs = await workshop.run_all(SEED, selection(points))
    assert [str(run) for run in runs if not run.passed] == []


def selection(points: list[Point]) -> list[Point]:
    """Choose a few of each event, always the same."""
    chance, chosen = random.Random(SEED), list[Point]()
    for event in sorted({point.event for point in points}):
        of_event = [point for point in points if point.event == event]
        chosen += chance.sample(of_event, min(EACH, len(of_event)))
    return chosen


def test_a_script_without_a_point_is_named() -> None:
    assert without_point([]) == writing_scripts()
    some = [Point("lead", "append", 1, when) for when in SCRIPT_TIMES]
    assert set(without_point(some)) == set(writing_scripts()) - {"append"}
    assert "append" in without_point(some[1:])


def test_what_says_that_it_only_reads_does() -> None:
    texts = scripts()
    reading = set(texts) - set(writing_scripts()) - parts()
    assert reading, "is the header still the same?"
    assert {name for name in reading if _WRITES.search(texts[name])} == set()
    assert all(_WRITES.search(texts[name]) for name in ("append", "claim", "reap"))


def test_a_point_is_named_by_its_text() -> None:
    point = Point("lead", "append", 3, "lost")
    assert Point.parse(str(point)) == point
    with pytest.raises(ValueError, match="not a point"):
        Point.parse("lead:append:3:sometimes")


def test_a_point_is_hit_once() -> None:
    world = World.__new__(World)
    world.point, world.hit, world.kills = Point("lead", "next", 2, "lost"), False, 0
    assert not world.is_point("lead", "next", 1, "lost")
    assert not world.is_point("lead", "next", 2, "before")
    assert world.is_point("lead", "next", 2, "lost")
    assert not world.is_point("lead", "next", 2, "lost")
