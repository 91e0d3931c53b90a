"""What an AgentPool is told of needs, pods and quotas."""

import dataclasses

import pytest

from horos_api.agent_state import AgentState
from horos_bus.agent_view import AgentView
from horos_bus.operating import Waiting
from horos_operator.agent_pool import Need, PodPart
from horos_operator.agent_pools import agent_pool_facts
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.needs import Cause
from horos_operator.observe import Caches
from horos_operator.pool_seen import (
    FOREIGN_SECONDS,
    Foreign,
    crowd,
    foreign_pods,
    limit_of,
    live_pods,
    needs,
    pool_seen,
)
from horos_operator.slots import Outcome, Slots
from tests.controller.facts import NOW, agent, agent_pool, held, pod, quota, spec, view

WORK = [Waiting("ada", NOW - 9)]


def slots() -> Slots:
    return Slots(lambda: NOW, lambda _: None)


def caches(of: AgentFacts | None, *pods: PodFacts) -> Caches:
    made = Caches()
    if of is not None:
        made.put_agent(of)
    for each in pods:
        made.put_pod(each)
    return made


def needed(known: Caches, ledger: Slots | None = None) -> list[Need]:
    return needs(crowd("research", known, WORK), ledger or slots())


def test_who_is_in_work_and_has_no_pod_needs_one() -> None:
    of = agent(spec(priority=3, parentName="boss"))

    def known(*pods: PodFacts) -> Caches:
        made = caches(of, *pods)
        made.put_agent(agent(name="boss", uid="uid-of-boss"))
        return made

    assert needed(known()) == [Need("ada", NOW - 9, True, 3, "boss")]
    assert needed(known(pod())) == []
    assert needed(known(pod(phase="Succeeded", running=False))) == [Need("ada", NOW - 9, True, 3, "boss")]
    assert needed(caches(of)) == [], "whose parent is gone gets no pod, and takes no slot"


@pytest.mark.parametrize(
    "of",
    [
        None,
        agent(spec(operatingMode="Suspended")),
        agent(spec(operatingMode="Terminated")),
        agent(deleting=True),
        agent(spec=None, problem="unreadable"),
    ],
)
def test_who_shall_not_run_needs_none(of: AgentFacts | None) -> None:
    assert needed(caches(of)) == []


def test_who_waits_for_its_last_pod_to_go_says_so() -> None:
    for last in (pod(deleting=True), pod(owner_uid="earlier")):
        assert needed(caches(agent(), last)) == [Need("ada", NOW - 9, exiting=True)]


def test_who_wishes_for_a_pod_without_work_comes_after_work() -> None:
    ledger = slots()
    birth = Outcome(slot=False, cause=Cause.BIRTH, live=False, claimed=False, again=None)
    bob = agent(name="bob", uid="uid-of-bob")
    ledger.settle(bob, birth)
    known = caches(agent())
    known.put_agent(bob)
    assert needed(known, ledger) == [Need("ada", NOW - 9), Need("bob", NOW, urgent=False)]
    # Who has both is in work.
    ledger.settle(agent(), birth)
    assert needed(known, ledger) == [Need("ada", NOW - 9), Need("bob", NOW, urgent=False)]


def test_who_gave_its_slot_up_waits_since_then_and_not_yet() -> None:
    ledger = slots()
    ledger.gave_up(agent(), ("SecretMissing", "create it"))
    assert needed(caches(agent()), ledger) == [Need("ada", NOW, held_back=True)]
    assert needed(caches(agent(generation=2)), ledger) == [Need("ada", NOW)]


def part(of: PodFacts, known: AgentView | None, *, asked: bool = True) -> PodPart:
    views = {"ada": known} if known else {}
    seen = crowd("research", caches(agent(), of), ())
    (found,) = live_pods(seen, agent_pool(), slots(), views if asked else None, NOW)
    return found.part


def test_each_pod_has_its_part() -> None:
    mine = pod()
    assert part(mine, held(mine, rested=NOW - 50)) is PodPart.IDLE
    assert part(mine, held(mine, in_work=True)) is PodPart.WORKING
    assert part(mine, held(mine, turn="1-0")) is PodPart.WORKING
    assert part(mine, held(mine), asked=False) is PodPart.WORKING
    assert part(mine, None) is PodPart.WORKING
    assert part(mine, view(epoch=0)) is PodPart.STARTING
    assert part(mine, view(epoch=1)) is PodPart.LEAVING
    assert part(mine, held(mine, evict=True)) is PodPart.LEAVING
    assert part(mine, held(mine, state=AgentState.PAUSED)) is PodPart.LEAVING
    # After its turn, which may last: until then others are asked.
    assert part(mine, held(mine, evict=True, turn="1-0")) is PodPart.WORKING
    assert part(mine, held(mine, state=AgentState.PAUSED, turn="1-0")) is PodPart.WORKING
    assert part(mine, held(mine, state=AgentState.ERROR, evict=True, turn="1-0")) is PodPart.LEAVING
    assert part(pod(deleting=True), held(mine)) is PodPart.LEAVING
    assert part(pod(agent="nobody"), None) is PodPart.LEAVING


def test_a_pod_is_stuck_when_it_has_waited_a_minute_for_what_is_missing() -> None:
    waits = {"phase": "Pending", "running": False}
    secret = pod(waiting_reason="CreateContainerConfigError", created=NOW - 60, **waits)
    assert part(secret, view()) is PodPart.STUCK
    assert part(dataclasses.replace(secret, created=NOW - 59), view()) is PodPart.STARTING
    assert part(pod(unschedulable="no node", created=NOW - 60, **waits), view()) is PodPart.STUCK
    assert (
        part(pod(waiting_reason="ContainerCreating", created=NOW - 600, **waits), view()) is PodPart.STARTING
    )


def test_an_agent_in_error_keeps_its_slot_for_half_a_minute() -> None:
    mine = pod()
    troubled = {"state": AgentState.ERROR, "turn": "1-0", "in_work": True}
    assert part(mine, held(mine, claimed=NOW - 29, **troubled)) is PodPart.WORKING
    assert part(mine, held(mine, claimed=NOW - 30, **troubled)) is PodPart.IDLE


def test_who_would_come_back_at_once_leaves_last() -> None:
    mine = pod()

    def stays(known: AgentView, of: AgentFacts, idle_seconds: int = 300) -> bool:
        seen = crowd("research", caches(of, mine), ())
        pool = agent_pool(idleSeconds=idle_seconds)
        (found,) = live_pods(seen, pool, slots(), {"ada": known}, NOW)
        return found.stays

    idle = held(mine, rested=NOW - 50)
    assert not stays(idle, agent())
    assert stays(idle, agent(spec(idleSeconds=0)))
    assert stays(idle, agent(), idle_seconds=0)
    assert not stays(idle, agent(spec(idleSeconds=9)), idle_seconds=0)
    assert stays(held(mine, state=AgentState.ERROR), agent())


def test_what_the_quota_counts_beyond_our_pods_are_pods_of_others() -> None:
    assert foreign_pods(1, agent_pool(), quota(used=3)) == 2
    assert foreign_pods(3, agent_pool(), quota(used=2)) == 0
    assert foreign_pods(1, agent_pool(), quota(used=None)) == 0
    assert foreign_pods(1, agent_pool(), quota(used=3, owner_uid="an earlier pool")) == 0
    assert foreign_pods(1, agent_pool(), None) == 0


def test_what_is_counted_beyond_our_pods_is_fresh_until_it_has_lasted() -> None:
    foreign = Foreign()
    assert foreign.fresh(2, NOW) == 2, "this operator has only begun to look"
    assert foreign.fresh(2, NOW + 1) == 2
    assert foreign.fresh(2, NOW + FOREIGN_SECONDS) == 0
    assert foreign.fresh(3, NOW + FOREIGN_SECONDS + 1) == 1
    assert foreign.fresh(0, NOW + FOREIGN_SECONDS + 2) == 0
    assert foreign.fresh(3, NOW + FOREIGN_SECONDS + 3) == 3, "it has not lasted"
    assert foreign.fresh(3, NOW + 3 * FOREIGN_SECONDS) == 0


def test_the_limit_is_the_pools_or_what_its_quota_says_while_it_cannot_be_read() -> None:
    metadata = {"namespace": "research", "name": "default", "uid": "u", "resourceVersion": "1"}
    unreadable = agent_pool_facts({"metadata": metadata, "spec": {"maxRunning": "x"}})
    assert limit_of(agent_pool(maxRunning=7), quota(hard=2)) == 7
    assert limit_of(unreadable, quota(hard=2)) == 2
    assert limit_of(unreadable, None) is None


def test_a_pod_that_is_being_made_is_counted_once_whatever_is_heard_of_it_first() -> None:
    ledger, of = slots(), agent_pool(maxRunning=2)
    ledger.grant(("research", "ada"))
    for known, used in ((caches(agent()), 1), (caches(agent(), pod()), 1), (caches(agent(), pod()), 0)):
        known.put_quota(quota(owner_uid=of.uid, used=used))
        around = crowd("research", known, WORK)
        case = pool_seen([], live_pods(around, of, ledger, None, NOW), around, of, ledger)
        assert (len(case.pods) + len(case.granted), case.foreign) == (1, 0)


def test_a_pod_of_an_agent_that_cannot_be_read_is_not_leaving() -> None:
    mine = pod()
    around = crowd("research", caches(agent(spec=None, problem="unreadable"), mine), ())
    (found,) = live_pods(around, agent_pool(), slots(), {"ada": held(mine)}, NOW)
    assert found.part is PodPart.IDLE
