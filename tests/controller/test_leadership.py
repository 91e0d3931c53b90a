"""Who leads: decisions on plain data, and candidates in a world where everything goes wrong."""

import dataclasses
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from horos_operator.leadership import Candidate, Lease, Look, Rules, Wait, Write, decide, released
from tests.controller.election import RULES, Clock, Fate, World

WALL = 1_700_000_000.25
THEN = "2023-11-14T22:13:20.250000Z"
BEFORE = "2023-11-14T22:13:10.000000Z"
THEIRS = Lease("7", "them", 10.0, BEFORE, BEFORE, 3)


def seen(lease: Lease | None, at: float = 100.0) -> Candidate:
    return Candidate("me").saw(lease, at, RULES)


def test_whoever_knows_nothing_looks() -> None:
    assert decide(Candidate("me"), 0.0, WALL, RULES) == Look()


def test_a_lease_that_does_not_exist_is_created() -> None:
    assert decide(seen(None), 100.0, WALL, RULES) == Write(Lease("", "me", 10.0, THEN, THEN, 0))


def test_a_lease_that_was_given_back_is_taken_at_once() -> None:
    free = dataclasses.replace(THEIRS, holder="")
    assert decide(seen(free), 100.0, WALL, RULES) == Write(Lease("7", "me", 10.0, THEN, THEN, 4))


def test_somebody_elses_lease_is_left_alone_until_it_has_not_changed_for_its_time() -> None:
    assert decide(seen(THEIRS), 100.0, WALL, RULES) == Wait(2.0)
    late = seen(THEIRS).waited()
    assert decide(late, 109.0, WALL, RULES) == Look()
    late = late.saw(THEIRS, 109.0, RULES)
    assert decide(late, 109.0, WALL, RULES) == Wait(1.0)
    assert decide(late, 110.0, WALL, RULES) == Write(Lease("7", "me", 10.0, THEN, THEN, 4))


def test_a_renewal_makes_others_wait_anew_and_a_label_does_not() -> None:
    renewed = seen(THEIRS).saw(dataclasses.replace(THEIRS, version="8", renewed=THEN), 109.0, RULES)
    assert decide(renewed, 118.0, WALL, RULES) == Wait(1.0)
    labelled = seen(THEIRS).saw(dataclasses.replace(THEIRS, version="8"), 109.0, RULES)
    assert decide(labelled, 110.0, WALL, RULES) == Write(Lease("8", "me", 10.0, THEN, THEN, 4))


def test_the_times_in_a_lease_are_never_compared_with_our_clock() -> None:
    old = dataclasses.replace(THEIRS, renewed="1999-01-01T00:00:00.000000Z")
    assert decide(seen(old), 100.0, WALL, RULES) == Wait(2.0)


def test_a_lease_that_its_holder_wants_for_longer_is_left_alone_for_longer() -> None:
    long = dataclasses.replace(THEIRS, seconds=60.0)
    assert decide(seen(long), 159.0, WALL, RULES) == Wait(1.0)
    without = dataclasses.replace(THEIRS, seconds=0.0)
    assert decide(seen(without), 109.0, WALL, RULES) == Wait(1.0)


def test_a_lease_that_somebody_deleted_does_not_end_its_holders_time() -> None:
    deleted = seen(THEIRS).saw(None, 101.0, RULES)
    assert decide(deleted, 109.0, WALL, RULES) == Wait(1.0)
    assert decide(deleted, 110.0, WALL, RULES) == Write(Lease("", "me", 10.0, THEN, THEN, 0))


def test_a_leader_renews_in_time_and_counts_from_when_it_asked() -> None:
    mine = Lease("8", "me", 10.0, BEFORE, BEFORE, 4)
    leading = seen(THEIRS).wrote(mine, asked=120.0)
    assert leading.until(RULES) == 126.0
    assert decide(leading.waited(), 121.5, WALL, RULES) == Wait(0.5)
    assert decide(leading.waited(), 122.0, WALL, RULES) == Write(dataclasses.replace(mine, renewed=THEN))


def test_a_leader_whose_renewal_got_no_answer_looks_and_still_stops_in_time() -> None:
    leading = seen(None).wrote(Lease("8", "me", 10.0, BEFORE, BEFORE, 0), asked=120.0).unsure()
    assert decide(leading, 122.0, WALL, RULES) == Look()
    arrived = leading.saw(Lease("9", "me", 10.0, BEFORE, THEN, 0), 123.0, RULES)
    assert arrived.until(RULES) == 126.0
    assert decide(arrived, 123.0, WALL, RULES) == Write(
        Lease("9", "me", 10.0, BEFORE, "2023-11-14T22:13:20.250001Z", 0)
    )


def test_a_renewal_never_looks_like_the_one_before_it_even_when_the_wall_clock_stands() -> None:
    first = Lease("1", "me", 10.0, THEN, THEN, 0)
    again = decide(seen(None).wrote(first, asked=1.0), 100.0, WALL, RULES)
    assert again == Write(dataclasses.replace(first, renewed="2023-11-14T22:13:20.250001Z"))
    odd = dataclasses.replace(first, renewed="yesterday")
    assert decide(seen(None).wrote(odd, asked=1.0), 100.0, WALL, RULES) == Write(first)


def test_only_an_own_lease_is_given_back() -> None:
    assert released(Candidate("me"), WALL) is None
    assert released(seen(THEIRS), WALL) is None
    mine = Lease("8", "me", 10.0, BEFORE, BEFORE, 4)
    assert released(seen(None).wrote(mine, 100.0), WALL) == Lease("8", "", 1.0, BEFORE, THEN, 4)


@pytest.mark.parametrize("wrong", [{"renew": 10.0}, {"retry": 6.0}, {"error": 0.0}, {"error": 3.0}])
def test_rules_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 < error <= retry < renew < lease"):
        Rules(**wrong)


def test_two_that_start_together_agree_on_one_and_it_stays() -> None:
    world = World([Clock(0.0), Clock(5000.0)], [[], []]).run(120.0)
    assert {each.who for each in world.beliefs} == {"operator-0"}
    assert world.leaders(119.0) == {"operator-0"}
    assert world.writes == pytest.approx(60, abs=2)


@pytest.mark.parametrize("dies", [30.0, 30.9, 31.9])
def test_another_leads_within_fifteen_seconds_of_a_death(dies: float) -> None:
    world = World([Clock(0.0), Clock(-77.0)], [[], []], dies=[dies]).run(60.0)
    assert world.overlaps() == []
    takeover = min(each.begins for each in world.beliefs if each.who == "operator-1")
    assert dies + 6.0 < takeover < dies + 13.0


lag = st.one_of(st.none(), st.sampled_from([0.01, 0.5, 1.9]), st.floats(0.001, 12.0))
fate = st.builds(Fate, lag, lag, st.one_of(st.just(0.0), st.floats(0.0, 15.0)))
clock = st.builds(
    Clock,
    shows=st.floats(-1e6, 1e6),
    speed=st.floats(0.9, 1.1),
    wall=st.floats(0.0, 2e9),
    wall_stands=st.booleans(),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    clocks = draw(st.lists(clock, min_size=2, max_size=3))
    fates = [draw(st.lists(fate, max_size=12)) for _ in clocks]
    return World(clocks, fates)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_never_two_at_once_and_one_in_the_end_whatever_happens(world: World) -> None:
    # The troubles last as long as there are fates: 12 exchanges, each of some 20 s at the most.
    world.run(300.0)
    assert world.overlaps() == []
    assert len(world.leaders(299.0)) == 1


@pytest.mark.parametrize(
    "careless",
    [
        dataclasses.replace(RULES, renew=9.99),
        dataclasses.replace(RULES, lease=6.5),
    ],
)
def test_the_world_is_hard_enough_that_a_thin_margin_fails_in_it(careless: Rules) -> None:
    # One runs slow and leads, the other runs fast: the margin is what keeps them apart.
    silent = [Fate(), Fate(), *[Fate(there=None)] * 20]
    slow, fast = Clock(0.0, speed=0.9), Clock(0.0, speed=1.1)
    assert World([slow, fast], [silent, []], rules=careless).run(60.0).overlaps() != []
    assert World([slow, fast], [silent, []]).run(60.0).overlaps() == []


def test_a_leader_that_was_stopped_past_its_lease_does_not_lead_when_it_goes_on() -> None:
    stopped = [Fate(), Fate(), Fate(pause=60.0)]
    world = World([Clock(0.0), Clock(9.0)], [stopped, []]).run(90.0)
    assert world.overlaps() == []
    own = [each for each in world.beliefs if each.who == "operator-0"]
    assert max(each.ends for each in own) < 15.0
    assert world.leaders(89.0) == {"operator-1"}
    assert math.isfinite(world.beliefs[-1].ends)
