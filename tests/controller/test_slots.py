"""The ledger of slots, on a clock that the test moves."""

import dataclasses

import pytest

from horos_operator.needs import Cause
from horos_operator.slots import Outcome, Slots
from tests.controller.facts import agent

ADA = ("research", "ada")
TROUBLE = ("SecretMissing", "create it")
NOTHING = Outcome(slot=False, cause=None, live=False, claimed=False, again=None)
WORKS = dataclasses.replace(NOTHING, cause=Cause.WORK)


class Ledger(Slots):
    """A ledger with its clocks, what it asked to be decided anew; `put_back` is by how much its wall was."""

    def __init__(self) -> None:
        self.now, self.put_back = 1000.0, 0.0
        self.touched: list[str] = []
        super().__init__(lambda: self.now - self.put_back, self.touched.append, lambda: self.now)


@pytest.fixture
def slots() -> Ledger:
    return Ledger()


def test_in_a_pool_only_who_was_granted_a_slot_starts(slots: Ledger) -> None:
    assert not slots.may_start(ADA, limited=True)
    assert slots.may_start(ADA, limited=False)
    slots.grant(ADA)
    assert slots.may_start(ADA, limited=True)
    assert slots.granted("research") == {"ada"}
    slots.made(ADA)
    assert slots.granted("research") == set()
    assert slots.turn("research") == 1


def test_a_pass_that_needed_no_pod_gives_the_slot_back_at_once(slots: Ledger) -> None:
    slots.grant(ADA)
    slots.settle(agent(), dataclasses.replace(NOTHING, slot=True))
    assert slots.granted("research") == set()
    assert slots.touched == ["research"]
    assert not slots.held_back(agent())


def test_a_pass_that_learned_nothing_forgets_nothing_and_waits_a_while(slots: Ledger) -> None:
    birth = dataclasses.replace(NOTHING, cause=Cause.BIRTH)
    slots.settle(agent(), birth)
    slots.now += 50
    slots.grant(ADA)
    slots.settle(agent(), dataclasses.replace(NOTHING, slot=True, known=False))
    assert slots.granted("research") == set()
    assert slots.wishes("research") == {"ada": 1000.0}
    assert slots.held_back(agent())
    slots.gave_up(agent(), TROUBLE)
    slots.settle(agent(), dataclasses.replace(NOTHING, known=False))
    assert slots.trouble(ADA) == TROUBLE


def test_a_pass_that_began_before_the_grant_leaves_it_to_the_next(slots: Ledger) -> None:
    slots.grant(ADA)
    slots.settle(agent(), WORKS)
    assert slots.granted("research") == {"ada"}


def test_who_cannot_use_its_slot_yet_is_held_back_for_so_long_or_until_an_edit(slots: Ledger) -> None:
    slots.grant(ADA)
    slots.settle(agent(), dataclasses.replace(WORKS, slot=True, again=8.0))
    assert slots.granted("research") == set()
    assert slots.held_back(agent())
    assert not slots.held_back(agent(generation=2))
    slots.now += 8
    assert not slots.held_back(agent())


def test_a_pass_that_failed_lets_others_have_its_slot_meanwhile(slots: Ledger) -> None:
    slots.grant(ADA)
    # At first it keeps it: whether its pod was made is not known.
    slots.failed(ADA, 1, 0.5)
    assert slots.granted("research") == {"ada"}
    slots.failed(ADA, 1, 2.0)
    assert slots.granted("research") == set()
    assert slots.held_back(agent())
    slots.now += 2
    assert not slots.held_back(agent())


def test_a_quota_without_room_is_asked_again_after_a_pause_that_doubles(slots: Ledger) -> None:
    delays = []
    for _ in range(8):
        slots.grant(ADA)
        delays.append(slots.no_room(ADA, "full"))
        assert slots.granted("research") == set()
        # Others that tried at the same moment make it no longer.
        assert slots.no_room(("research", "bob"), "full") == pytest.approx(delays[-1])
        slots.now += delays[-1]
    assert delays == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])
    assert slots.queued(ADA) == "full"
    slots.made(ADA)
    assert slots.no_room(ADA, "full") == pytest.approx(0.2)
    assert not slots.may_start(ADA, limited=False)
    assert slots.reopen("research")
    assert slots.may_start(ADA, limited=False)
    assert not slots.reopen("other")


def test_births_and_those_who_stay_are_remembered_since_they_were_seen_first(slots: Ledger) -> None:
    birth = dataclasses.replace(NOTHING, cause=Cause.BIRTH)
    slots.settle(agent(), birth)
    slots.now += 5
    slots.settle(agent(), birth)
    assert slots.wishes("research") == {"ada": 1000.0}
    assert slots.touched == ["research"]
    slots.settle(agent(), dataclasses.replace(birth, live=True))
    assert slots.wishes("research") == {}


def test_a_slot_given_up_is_wanted_again_later_each_time_and_until_the_claim(slots: Ledger) -> None:
    slots.give_up(ADA)
    assert slots.gives_up(ADA)
    for delay in (60, 120, 240, 480, 600, 600):
        slots.gave_up(agent(), TROUBLE)
        assert not slots.gives_up(ADA)
        assert slots.trouble(ADA) == TROUBLE
        assert slots.not_before(ADA) == slots.now
        slots.now += delay - 1
        assert slots.held_back(agent())
        slots.now += 1
        assert not slots.held_back(agent())
    slots.settle(agent(), dataclasses.replace(WORKS, live=True, claimed=True))
    assert slots.trouble(ADA) is None


def test_an_agent_that_is_gone_leaves_nothing(slots: Ledger) -> None:
    slots.grant(ADA)
    slots.settle(agent(), dataclasses.replace(NOTHING, cause=Cause.BIRTH))
    slots.gave_up(agent(), TROUBLE)
    slots.forget_agent(ADA)
    assert (slots.granted("research"), slots.wishes("research")) == (set(), {})
    assert slots.trouble(ADA) is None


def test_no_pause_gets_longer_when_the_wall_clock_is_put_back(slots: Ledger) -> None:
    slots.gave_up(agent(), TROUBLE)
    assert slots.no_room(ADA, "full") == 0.2
    slots.put_back = 3600.0
    slots.now += 60
    assert slots.room_in("research") == 0
    assert slots.may_start(ADA, limited=False)
    assert not slots.held_back(agent())
    slots.grant(ADA)
    slots.settle(agent(), dataclasses.replace(WORKS, slot=True, again=8.0))
    slots.put_back = 7200.0
    slots.now += 8
    assert not slots.held_back(agent())


def test_a_quota_is_taken_to_be_full_when_it_has_refused_three_times_in_a_row(slots: Ledger) -> None:
    for _ in range(2):
        slots.now += slots.no_room(ADA, "full")
        assert not slots.full("research")
    slots.no_room(ADA, "full")
    assert slots.full("research")
    slots.reopen("research")
    assert not slots.full("research"), "it is asked again"
    slots.made(ADA)
    slots.no_room(ADA, "full")
    assert not slots.full("research")


def test_of_namespaces_without_agents_nothing_is_kept(slots: Ledger) -> None:
    for number in range(100):
        slots.grant((f"gone-{number}", "ada"))
    slots.grant(ADA)
    slots.keep({"research"})
    assert slots.granted("research") == {"ada"}
    assert [slots.turn(f"gone-{number}") for number in range(100)] == [0] * 100
