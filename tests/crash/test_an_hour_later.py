"""A person decides an hour after the agent has gone to sleep: the call is made, once, or never."""

import pytest

from tests.crash.an_hour_later import approve, points
from tests.crash.points import Point
from tests.crash.runs import Workshop

pytestmark = pytest.mark.asyncio(loop_scope="module")
SAMPLE = ("ada:claim:1:lost", "ada:append:1:lost", "ada:commit:1:before")


async def test_approved_an_hour_later_the_tool_runs_once(workshop: Workshop) -> None:
    run = await approve(workshop)
    assert run.passed, str(run)
    assert run.calls["ada", "claim"] == 2, "it hibernated in between"


async def test_approved_two_hours_later_it_is_too_late(workshop: Workshop) -> None:
    run = await approve(workshop, hours=2)
    assert run.passed, str(run)


@pytest.mark.parametrize("point", SAMPLE)
async def test_killed_as_it_makes_the_call_it_makes_it_once(workshop: Workshop, point: str) -> None:
    assert Point.parse(point) in points()
    run = await approve(workshop, Point.parse(point))
    assert run.passed, str(run)
