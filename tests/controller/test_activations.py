"""How an activation is measured: which stage when, and what is rather not measured."""

import dataclasses
from typing import Any

import pytest

from horos_operator.activations import STAGES, Activated, Activations, Granted
from horos_operator.facts import PodFacts
from horos_operator.observation import BusSeen
from tests.controller.facts import NOW, agent, pod, seen, view

KEY = ("research", "ada")
ADA = agent()
PENDING = {"phase": "Pending", "running": False}


class Stage:
    """An operator that leads since `began`; `pass_at` is one pass, so many seconds after NOW."""

    def __init__(self, began: float = NOW - 60) -> None:
        self.activations = Activations()
        self.activations.begin(began)

    def pass_at(
        self, after: float, *pods: PodFacts, creates: bool = False, **known: Any
    ) -> list[Granted | Activated]:
        bus = dataclasses.replace(seen(ADA, *pods, known=view(**known)), now=NOW + after)
        return list(self.activations.saw(KEY, bus, creates=creates))


def test_each_stage_is_measured_from_the_need_and_told_when_it_is_over() -> None:
    stage, need = Stage(), {"since": NOW - 1}
    assert stage.pass_at(0, **need, creates=True) == []
    assert stage.pass_at(0.2, pod(**PENDING), **need) == [Granted("research", 1.0)]
    assert stage.pass_at(0.3, pod(**PENDING, node="n"), **need) == []
    assert stage.pass_at(0.3, pod(**PENDING, node="n"), **need) == []
    assert stage.pass_at(0.9, pod(node="n"), **need) == []
    claimed = {"holder": "uid-of-ada-1", "epoch": 1, "claimed": NOW + 1.5}
    (whole,) = stage.pass_at(2, pod(node="n"), **claimed)
    assert isinstance(whole, Activated)
    assert whole.namespace == "research"
    expected = {"granted": 1.0, "created": 1.2, "scheduled": 1.3, "running": 1.9, "claimed": 2.5}
    assert whole.seconds == pytest.approx(expected)
    assert tuple(whole.seconds) == STAGES
    assert stage.pass_at(3, pod(node="n"), **claimed) == []


def test_a_stage_that_no_pass_saw_counts_with_the_next_one() -> None:
    stage, need = Stage(), {"since": NOW - 1}
    assert stage.pass_at(0.5, pod(node="n"), **need) == [Granted("research", 1.5)]
    (whole,) = stage.pass_at(2, holder="uid-of-ada-1", epoch=1, claimed=NOW + 0.7)
    assert isinstance(whole, Activated)
    assert whole.seconds == pytest.approx(
        {"granted": 1.5, "created": 1.5, "scheduled": 1.5, "running": 1.5, "claimed": 1.7}
    )


def test_late_passes_and_two_clocks_put_no_stage_behind_the_claim_or_before_the_need() -> None:
    stage = Stage()
    stage.pass_at(0, since=NOW + 0.3, creates=True)
    assert stage.pass_at(0.1, pod(**PENDING), since=NOW + 0.3) == [Granted("research", 0.0)]
    stage.pass_at(5, pod(), since=NOW + 0.3)
    (whole,) = stage.pass_at(6, pod(), holder="uid-of-ada-1", epoch=1, claimed=NOW + 1.3)
    assert isinstance(whole, Activated)
    assert whole.seconds == pytest.approx(
        {"granted": 0.0, "created": 0.0, "scheduled": 1.0, "running": 1.0, "claimed": 1.0}
    )


def test_a_pod_that_is_refused_keeps_the_agent_waiting() -> None:
    stage, need = Stage(), {"since": NOW - 1}
    assert stage.pass_at(0, **need, creates=True) == []
    assert stage.pass_at(30, **need, creates=True) == []
    assert stage.pass_at(30.1, pod(**PENDING), **need) == [Granted("research", 31.0)]


def test_a_pod_that_fails_does_not_begin_the_wait_anew() -> None:
    stage, need = Stage(), {"since": NOW - 1}
    stage.pass_at(0, **need, creates=True)
    stage.pass_at(0.5, pod(node="n"), **need)
    stage.pass_at(2, pod(phase="Failed", running=False), **need)
    assert stage.pass_at(4, **need, creates=True) == []
    assert stage.pass_at(4.5, pod(**PENDING), **need) == []
    (whole,) = stage.pass_at(9, pod(node="n"), holder="uid-of-ada-1", epoch=1, claimed=NOW + 8)
    assert isinstance(whole, Activated)
    assert whole.seconds["granted"] == 1.0
    assert whole.seconds["claimed"] == 9.0


def test_the_pod_before_that_is_still_leaving_is_no_pod_of_this_activation() -> None:
    stage, leaving = Stage(), pod("ada-3")
    assert stage.pass_at(0, leaving, since=NOW - 1, epoch=3, creates=True) == []
    assert stage.pass_at(1, leaving, since=NOW - 1, epoch=3) == []
    assert stage.pass_at(2, leaving, pod("ada-4"), since=NOW - 1, epoch=3) == [Granted("research", 1.0)]


def test_what_began_before_this_leadership_is_not_measured() -> None:
    stage = Stage(began=NOW)
    assert stage.pass_at(1, pod(), since=NOW - 1) == []
    assert stage.pass_at(2, pod(), holder="uid-of-ada-1", epoch=1, claimed=NOW + 1) == []
    assert stage.pass_at(5, pod("ada-2"), since=NOW + 4, epoch=1) == [Granted("research", 1.0)]
    stage.activations.begin(NOW + 6)
    assert stage.pass_at(8, pod("ada-2"), holder="uid-of-ada-2", epoch=2, claimed=NOW + 7) == []


def test_before_it_leads_nothing_is_measured() -> None:
    stage = Stage()
    stage.activations = Activations()
    assert stage.pass_at(1, pod(), since=NOW) == []


def test_an_activation_that_is_over_before_anybody_looked_again_is_measured_and_the_next_one_begins() -> None:
    stage = Stage()
    stage.pass_at(0, since=NOW - 1, creates=True)
    (whole, grant) = stage.pass_at(9, pod("ada-2"), since=NOW + 8, epoch=1, claimed=NOW + 2)
    assert isinstance(whole, Activated)
    assert whole.seconds == dict.fromkeys(STAGES, 3.0)
    assert grant == Granted("research", 1.0)


def test_what_a_resident_agent_has_to_do_is_no_need() -> None:
    stage = Stage()
    awake = {"holder": "uid-of-ada-1", "epoch": 1, "claimed": NOW - 5, "since": NOW - 1}
    assert stage.pass_at(0, pod(), **awake) == []
    assert stage.pass_at(1, pod(), **{**awake, "holder": "uid-of-ada-2", "claimed": NOW + 0.5}) == []
    # It has left with something to do, and needs a process from then on.
    left = {"epoch": 1, "claimed": NOW - 5, "since": NOW + 2}
    assert stage.pass_at(3, pod("ada-2"), **left) == [Granted("research", 1.0)]


def test_an_agent_that_works_at_once_stays_in_work_and_its_activation_is_over_all_the_same() -> None:
    stage, need = Stage(), {"since": NOW - 1}
    stage.pass_at(0, **need, creates=True)
    stage.pass_at(0.5, pod(), **need)
    busy = {**need, "holder": "uid-of-ada-1", "epoch": 1, "claimed": NOW + 0.7}
    (whole,) = stage.pass_at(1, pod(), **busy)
    assert isinstance(whole, Activated)
    assert whole.seconds["claimed"] == pytest.approx(1.7)
    assert stage.pass_at(2, pod(), **busy) == []


def test_a_need_that_goes_without_a_claim_is_forgotten() -> None:
    stage = Stage()
    stage.pass_at(0, since=NOW - 1, claimed=NOW - 50)
    assert stage.pass_at(1, claimed=NOW - 50) == []
    assert stage.pass_at(2, claimed=NOW + 1.5, holder="x", epoch=1) == []


def test_a_silent_bus_ends_no_activation() -> None:
    stage = Stage()
    stage.pass_at(0, since=NOW - 1, creates=True)
    silent = dataclasses.replace(seen(ADA, pod()), bus=BusSeen(problem="away"), now=NOW + 1)
    assert list(stage.activations.saw(KEY, silent, creates=False)) == []
    assert stage.pass_at(2, pod(), since=NOW - 1) == [Granted("research", 1.0)]


def test_another_life_of_the_name_begins_its_own_activation() -> None:
    stage = Stage()
    stage.pass_at(0, since=NOW - 1, creates=True)
    later = dataclasses.replace(
        seen(agent(uid="later"), known=view(uid="later", claimed=NOW + 1)), now=NOW + 2
    )
    assert list(stage.activations.saw(KEY, later, creates=False)) == []
    stage.pass_at(3, since=NOW + 2)
    stage.activations.forget(KEY)
    assert stage.pass_at(5, claimed=NOW + 4, epoch=1, holder="x") == []
