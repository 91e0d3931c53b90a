"""Pods on dead nodes: what tells of them, and that they are written off in time and not before."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from horos_bus.connection import Bus
from horos_operator.actions import CreatePod, DeletePod, Reap, RemoveFinalizer
from horos_operator.credentials import BusCredentials
from horos_operator.facts import PodFacts, pod_facts
from horos_operator.hands import Hands
from horos_operator.kube.cluster import KubeCluster
from horos_operator.lost_pods import LOST_SECONDS, seconds_to_loss, why_lost
from horos_operator.observation import BusSeen, Observation
from horos_operator.observe import Caches
from horos_operator.plan import Plan
from tests.controller.facts import NOW, SETTINGS, agent, held, plan_of, pod, seen, view
from tests.controller.lease_server import serving

SILENT = "its node is not ready"
LATE = "it should have ended long ago, and its node does not say so"


def read(*, deleted: str = "", phase: str = "Running", **conditions: str) -> PodFacts:
    """A pod as the API server shows it; `conditions` are status and time, `True 2026-11-30T05:00:00Z`."""
    metadata: dict[str, Any] = {"namespace": "research", "name": "ada-1", "uid": "u", "resourceVersion": "1"}
    if deleted:
        metadata["deletionTimestamp"] = deleted
    told = [
        {"type": kind, "status": words.split()[0], "lastTransitionTime": words.split()[1]}
        for kind, words in conditions.items()
    ]
    return pod_facts({"metadata": metadata, "status": {"phase": phase, "conditions": told}})


def decided(*pods: PodFacts, now: float = NOW, known: Any = None) -> Plan:
    return plan_of(seen(agent(), *pods, known=known, now=now))


def test_the_node_controller_says_not_ready_of_one_whose_containers_are() -> None:
    lost = read(Ready="False 2026-11-30T05:00:00Z", ContainersReady="True 2026-11-30T04:00:00Z")
    assert lost.silent_since == 1796014800.0


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"Ready": "True 2026-11-30T05:00:00Z", "ContainersReady": "True 2026-11-30T05:00:00Z"},
        {"Ready": "False 2026-11-30T05:00:00Z", "ContainersReady": "False 2026-11-30T05:00:00Z"},
        {"Ready": "False 2026-11-30T05:00:00Z"},
    ],
)
def test_what_kubelet_says_itself_is_no_silence(conditions: dict[str, str]) -> None:
    assert read(**conditions).silent_since == 0.0


def test_a_pod_that_is_deleted_says_until_when_it_has_ended() -> None:
    assert read(deleted="2026-11-30T05:00:00Z").leaves_by == 1796014800.0
    assert read().leaves_by == 0.0


@pytest.mark.parametrize(
    ("changes", "ago", "why"),
    [
        ({"silent_since": NOW}, LOST_SECONDS - 1, ""),
        ({"silent_since": NOW}, LOST_SECONDS, SILENT),
        ({"deleting": True, "leaves_by": NOW}, LOST_SECONDS - 1, ""),
        ({"deleting": True, "leaves_by": NOW}, LOST_SECONDS, LATE),
        ({"deleting": True, "leaves_by": NOW + 60, "silent_since": NOW}, LOST_SECONDS, SILENT),
        ({"deleting": True, "leaves_by": NOW, "phase": "Failed"}, 3600, ""),
    ],
)
def test_it_is_written_off_half_a_minute_later(changes: dict[str, Any], ago: float, why: str) -> None:
    assert why_lost(pod(**changes), NOW + ago) == why


def test_it_is_looked_at_when_its_time_is_over() -> None:
    silent, going = pod("ada-1", silent_since=NOW - 10), pod("ada-2", deleting=True, leaves_by=NOW + 5)
    assert seconds_to_loss((silent, going), NOW) == LOST_SECONDS - 10
    assert seconds_to_loss((going,), NOW) == LOST_SECONDS + 5
    assert seconds_to_loss((pod(),), NOW) is None


def test_a_holder_is_left_alone_while_its_node_may_come_back() -> None:
    silent = pod(silent_since=NOW - 1)
    assert decided(silent, known=held(silent)) == Plan((), LOST_SECONDS - 1)


def test_a_lost_holder_goes_at_once_is_reaped_and_followed_if_there_is_work() -> None:
    lost = pod(silent_since=NOW - LOST_SECONDS)
    gone = (DeletePod(lost, SILENT, force=True), Reap(lost.uid, "ada-1"))
    assert decided(lost, known=held(lost)).actions == gone
    *first, last = decided(lost, known=held(lost, in_work=True)).actions
    assert tuple(first) == gone
    assert isinstance(last, CreatePod)
    assert last.name == "ada-2"


def test_one_that_never_claimed_gives_its_name_to_the_next() -> None:
    lost = pod("ada-1", running=False, phase="Pending", deleting=True, leaves_by=NOW - LOST_SECONDS)
    first, second = decided(lost, known=view()).actions
    assert first == DeletePod(lost, LATE, force=True)
    assert isinstance(second, CreatePod)
    assert second.name == "ada-1"


def test_what_is_lost_of_an_earlier_life_or_of_a_deleted_agent_goes_too() -> None:
    earlier = pod("ada-9", owner_uid="earlier", silent_since=NOW - LOST_SECONDS)
    assert decided(earlier, known=view()).actions[0] == DeletePod(earlier, SILENT, force=True)
    leaving = seen(agent(deleting=True), earlier, known=None)
    assert plan_of(leaving).actions == (DeletePod(earlier, SILENT, force=True), RemoveFinalizer())
    orphans = Observation(None, (earlier, pod("ada-8", deleting=True, leaves_by=NOW + 5)), BusSeen(), NOW)
    assert plan_of(orphans) == Plan((DeletePod(earlier, SILENT, force=True),), LOST_SECONDS + 5)


def test_a_lost_pod_holds_its_slot_no_longer_also_while_redis_is_down() -> None:
    lost = pod(silent_since=NOW - LOST_SECONDS)
    down = Observation(agent(), (lost,), BusSeen(problem="down"), NOW)
    assert plan_of(down).actions == (DeletePod(lost, SILENT, force=True),)


async def test_to_write_off_deletes_this_very_pod_at_once_and_forgets_it(bus: Bus, tmp_path: Path) -> None:
    asked: list[Any] = []

    async def delete(request: web.Request) -> web.Response:
        asked.append((request.method, request.path, await request.json()))
        return web.json_response({"kind": "Status", "metadata": {}})

    made = web.Application()
    made.router.add_route("*", "/{path:.*}", delete)
    lost, caches = pod(silent_since=NOW - LOST_SECONDS, node="worker"), Caches()
    caches.put_pod(lost)
    async with serving(made, tmp_path) as connection:
        cluster = KubeCluster(connection)
        manager = Hands(cluster, caches, bus, BusCredentials(cluster, bus, SETTINGS, ""))
        await manager.carry_out(agent(), DeletePod(lost, SILENT, force=True))
    ((method, path, body),) = asked
    assert (method, path) == ("DELETE", "/api/v1/namespaces/research/pods/ada-1")
    assert (body["gracePeriodSeconds"], body["preconditions"]) == (0, {"uid": lost.uid})
    assert caches.pods(("research", "ada")) == ()
