"""A message while its agent leaves: some of the moments that `make crash` tries all of, some random ones."""

import random

import pytest

from tests.crash.hibernation import WAYS, Way, moments_of, talk, visit_all
from tests.crash.runs import Workshop

pytestmark = pytest.mark.asyncio(loop_scope="module")
ALWAYS = {
    "idle": ("ada:retire:before", "ada:retire:executed", "ada:subscription:closed", "ada:process:ended"),
    "evicted": ("operator:ctl:before", "operator:ctl:executed", "ada:retire:executed", "bob:next:executed"),
}
MORE = 4
SENDS = 32


@pytest.mark.parametrize("way", WAYS)
async def test_a_message_at_any_moment_of_leaving_is_answered(workshop: Workshop, way: Way) -> None:
    places = await moments_of(workshop, way)
    moments = [place.moment for place in places]
    assert set(ALWAYS[way]) <= set(moments)
    chosen = {*ALWAYS[way], *random.Random("sample").sample(moments, MORE)}
    visits = await visit_all(workshop, [place for place in places if place.moment in chosen])
    assert [str(visit) for visit in visits if not visit.passed] == []
    assert len(visits) == len(chosen)


async def test_messages_around_retiring_are_answered_each_once(workshop: Workshop) -> None:
    done = await talk(workshop, "pytest", SENDS)
    assert done.found == [], str(done)
    assert done.count == SENDS
    assert done.where["as it retires"] > 0
    assert done.processes > SENDS // 8, "nobody came back"
