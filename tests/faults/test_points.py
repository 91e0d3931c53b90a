"""A selection of the points that `make faults` runs all of, on the cluster."""

import random
from pathlib import Path

import pytest

from tests.faults.points import Point, points_of, without_point
from tests.faults.runs import Workshop

SEED = "selection"
KILLED, REFUSED, DROPPED = 8, 3, 3
"""How many points of each sort."""

pytestmark = pytest.mark.cluster


async def test_at_some_points_nothing_is_lost_or_doubled(cluster: None, tmp_path: Path) -> None:
    async with Workshop.open(tmp_path, lanes=6) as workshop:
        quiet = await workshop.quiet()
        assert quiet.passed, str(quiet)
        points = list(points_of(quiet.writes, quiet.told))
        assert without_point(points) == []
        runs = await workshop.run_all(selection(points), quiet.end)
    assert [str(run) for run in runs if not run.passed] == []


def selection(points: list[Point]) -> list[Point]:
    """Choose a few of each sort, of as many sorts of writes as can be; always the same."""
    chance = random.Random(SEED)
    killed = [point for point in points if point.kills]
    dropped = [point for point in points if point.when == "dropped"]
    refused = [point for point in points if point not in killed and point not in dropped]
    chosen: list[Point] = []
    for sort, count in ((killed, KILLED), (refused, REFUSED), (dropped, DROPPED)):
        kinds = sorted({point.event for point in sort})
        for event in chance.sample(kinds, min(count, len(kinds))):
            chosen += chance.sample([point for point in sort if point.event == event], 1)
    return chosen
