"""What a person sees and does of processes, on real pods: hibernate, wake, the pool and its queue."""

import json
from typing import Any

from tests.e2e.cluster import Namespace, eventually, horos
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel


def pool_of_one(evict: str) -> dict[str, Any]:
    return {
        "apiVersion": "horos.dev/v1alpha1",
        "kind": "AgentPool",
        "metadata": {"name": "default"},
        "spec": {"maxRunning": 1, "evict": evict},
    }


def live(namespace: Namespace, name: str) -> dict[str, Any]:
    told = json.loads(horos("describe", name, "-n", namespace.name, "-o", "json").stdout)
    found: dict[str, Any] = told["live"]
    return found


def counted(namespace: Namespace) -> dict[str, int]:
    quota = namespace.get("agentpool", "default").get("status", {}).get("quota", {})
    return {each: quota.get(each, 0) for each in ("hard", "used")}


def test_an_agent_is_sent_to_sleep_and_woken_by_a_person(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    place = ("-n", namespace.name)
    agent("dora", idleSeconds=300)
    namespace.until_ready("dora")
    assert horos("wake", "dora", *place).stderr == "dora is resident already\n"
    slept = horos("hibernate", "dora", *place)
    assert slept.stderr == "dora is hibernated; the next message wakes it\n"
    eventually("its pod is gone", lambda: namespace.pods_of("dora") == [])
    assert horos("hibernate", "dora", *place).stderr == "dora is hibernated already\n"
    eventually("it says so", lambda: namespace.condition("dora", "Scheduled")["reason"] == "Hibernated")
    assert namespace.condition("dora", "Ready")["status"] == "True"
    assert horos("wake", "dora", *place).stderr.endswith("dora is resident\n")
    assert len(namespace.pods_of("dora")) == 1
    horos("hibernate", "dora", *place)
    model.play({"text": "Good morning."})
    answered = horos("send", "dora", "Good morning", "--wait", "--timeout", "120", *place)
    assert (answered.stdout, answered.stderr) == ("Good morning.\n", "dora is waking up\n")


def test_in_a_full_pool_a_person_sees_the_place_and_makes_room(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    place = ("-n", namespace.name)
    assert horos("pool", *place).stderr == f"no AgentPool in namespace {namespace.name}: no limit\n"
    agent("emil", idleSeconds=300)
    namespace.until_ready("emil")
    namespace.apply(pool_of_one("Never"))
    # Before that nothing keeps another agent from starting.
    eventually("the limit holds and emil is counted", lambda: counted(namespace) == {"hard": 1, "used": 1})
    agent("fay", idleSeconds=300)
    model.play({"text": "Here I am."})
    with namespace.asking("fay", "Hello?") as person:
        eventually("fay is the first", lambda: (live(namespace, "fay")["queue"] or {}).get("position") == 1)
        told = horos("pool", *place)
        assert told.stderr == ""
        assert told.stdout.startswith("Limit:      1 pod\n")
        assert "Quota:      1 of 1 pods in ResourceQuota horos-agents\n" in told.stdout
        assert [line.split()[:2] for line in told.stdout.splitlines() if line.startswith("1 ")] == [
            ["1", "fay"]
        ]
        late = horos("wake", "fay", *place, "--timeout", "0.5", check=False)
        assert (late.returncode, "fay is still 1st of 1 in the pool's queue after 0.5 s" in late.stderr) == (
            5,
            True,
        )
        assert not person.ended
        assert horos("hibernate", "emil", *place).stderr == "emil is hibernated; the next message wakes it\n"
        assert person.answer() == "Here I am.\n"
    assert len(namespace.pods_of("fay")) == 1
    namespace.kubectl("delete", "agentpool", "default")
    eventually("there is no limit", lambda: horos("pool", *place).stderr.endswith("no limit\n"))
