"""Hibernation, the pool's queue and its quota: the operator's process against a real API server and nodes."""

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from horos_api.messages import NewMessage, SendOutcome
from horos_api.names import key_prefix
from horos_bus import sender
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_operator.lost_pods import LOST_SECONDS
from tests.controller.conftest import CONTROL_PLANE, Stage
from tests.controller.test_on_cluster import restricted
from tests.e2e.cluster import eventually, kubectl, run
from tests.e2e.model import ScriptedModel

pytestmark = pytest.mark.cluster

PRIORITY_CLASS = "horos-agents-of-tests"


@pytest.fixture(scope="module")
def stage(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    kubectl("apply", "-f", "-", given=_PRIORITY_CLASS)
    made = Stage(tmp_path_factory.mktemp("operator"), PRIORITY_CLASS)
    made.set_up()
    try:
        made.start_operator()
        eventually("the operator has made the password", lambda: made.own.get("secret", "horos-redis"))
        made.start_redis()
        ScriptedModel(made.own).start()
        yield made
    finally:
        made.tear_down()


_PRIORITY_CLASS = f"""
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {{name: {PRIORITY_CLASS}}}
value: 0
"""


@pytest.fixture
def empty(stage: Stage) -> Stage:
    """No Agents and no pool, whatever an earlier test left."""
    stage.agents.kubectl("delete", "agentpools", "--all", "--wait=false")
    stage.agents.kubectl("delete", "agents", "--all", "--wait=false")
    eventually("no Agents", lambda: stage.agents.all("agents") == [])
    eventually("no pods", lambda: stage.agents.all("pods", "horos.dev/agent") == [], 60)
    ScriptedModel(stage.own).play({"text": "done"}, repeat="last")
    return stage


def pool(stage: Stage, **spec: Any) -> None:
    metadata = {"name": "default"}
    stage.agents.apply(
        {"apiVersion": "horos.dev/v1alpha1", "kind": "AgentPool", "metadata": metadata, "spec": spec}
    )


def apply(stage: Stage, name: str, **spec: Any) -> None:
    model = {"name": "scripted", "baseUrl": ScriptedModel(stage.own).base_url}
    stage.apply(name, **{"idleSeconds": 1, "model": model, **spec})


async def _with_bus(stage: Stage, use: Any) -> Any:
    bus = Bus.open(stage.bus_url(), key_prefix(stage.name, stage.name))
    try:
        return await use(bus)
    finally:
        await bus.aclose()


def send(stage: Stage, to: str) -> str:
    mid = uuid.uuid4().hex
    message = NewMessage(mid=mid, to=to, body="hello")
    assert asyncio.run(_with_bus(stage, lambda bus: sender.send(bus, message))) == SendOutcome.OK
    return mid


def answered(stage: Stage, *mids: str) -> bool:
    async def all_of(bus: Bus) -> bool:
        return all([await sender.reply(bus, mid) for mid in mids])

    return bool(asyncio.run(_with_bus(stage, all_of)))


def queue(stage: Stage) -> list[str]:
    found: list[str] = asyncio.run(_with_bus(stage, lambda bus: Control(bus).queue()))
    return found


def status_of_pool(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = stage.agents.get("agentpool", "default").get("status", {})
    return found


def reason_of_pool(stage: Stage) -> str:
    conditions = status_of_pool(stage).get("conditions") or [{}]
    reason: str = conditions[0].get("reason", "")
    return reason


def scheduled(stage: Stage, agent: str) -> tuple[str, str]:
    condition = stage.agents.condition(agent, "Scheduled")
    return condition.get("status", ""), condition.get("reason", "")


def live(stage: Stage) -> list[str]:
    pods = stage.agents.all("pods", "horos.dev/agent")
    ended = {"Succeeded", "Failed"}
    return sorted(pod["metadata"]["labels"]["horos.dev/agent"] for pod in pods
                  if pod["status"].get("phase") not in ended)  # fmt: skip


def test_an_idle_agent_hibernates_stays_ready_and_comes_back_for_a_message(empty: Stage) -> None:
    stage = empty
    apply(stage, "ada")
    stage.until("ada", "Hibernated", 90)
    eventually("no pod is left", lambda: stage.pods("ada") == [])
    told = stage.agents.get("agent", "ada")["status"]
    assert "podName" not in told
    assert scheduled(stage, "ada") == ("True", "Hibernated")
    before = stage.agents.get("agent", "ada")["metadata"]["resourceVersion"]
    mid = send(stage, "ada")
    eventually("it has answered", lambda: answered(stage, mid), 60)
    eventually("its pod is gone again", lambda: stage.pods("ada") == [])
    eventually("told", lambda: stage.agents.get("agent", "ada")["status"]["usage"]["turns"] == 1)
    after = stage.agents.get("agent", "ada")
    assert after["metadata"]["resourceVersion"] != before
    assert [c["status"] for c in after["status"]["conditions"]] == ["True", "True", "True"]
    changed = {c["lastTransitionTime"] for c in after["status"]["conditions"] if c["type"] == "Ready"}
    assert changed == {c["lastTransitionTime"] for c in told["conditions"] if c["type"] == "Ready"}


def test_a_pool_of_one_lets_one_after_the_other_and_tells_the_places(empty: Stage) -> None:
    stage = empty
    pool(stage, maxRunning=1, idleSeconds=300)
    names = ["a1", "a2", "a3"]
    for name in names:
        apply(stage, name, idleSeconds=300)
    mids = [send(stage, name) for name in eventually("all are known", lambda: _known(stage, names))]
    seen: list[list[str]] = []
    most = 0
    deadline = time.monotonic() + 120
    while not answered(stage, *mids):
        assert time.monotonic() < deadline, stage.log.read_text()[-3000:]
        most = max(most, len(live(stage)))
        seen.append(queue(stage))
    assert most == 1
    assert max(map(len, seen)) == 2
    eventually("the pool tells", lambda: status_of_pool(stage).get("hibernated") == 2)
    assert status_of_pool(stage)["running"] == 1
    assert queue(stage) == []


def _known(stage: Stage, names: list[str]) -> list[str]:
    found = asyncio.run(_with_bus(stage, lambda bus: Control(bus).agents()))
    return names if set(names) <= set(found) else []


def test_the_quota_is_made_repaired_changed_and_removed_with_its_pool(empty: Stage) -> None:
    stage = empty
    pool(stage, maxRunning=3)

    def hard(wanted: str) -> dict[str, Any] | None:
        made = stage.agents.get("resourcequota", "horos-agents")
        return made if made["spec"]["hard"] == {"pods": wanted} else None

    made = eventually("the quota", lambda: hard("3"))
    assert made is not None
    assert made["metadata"]["ownerReferences"][0]["kind"] == "AgentPool"
    eventually("it is told", lambda: reason_of_pool(stage) == "Enforced")
    stage.agents.kubectl("patch", "resourcequota", "horos-agents", "-p", '{"spec":{"hard":{"pods":"99"}}}')
    eventually("it is repaired", lambda: hard("3"))
    stage.agents.kubectl("delete", "resourcequota", "horos-agents")
    eventually("it is made again", lambda: hard("3"))
    pool(stage, maxRunning=5)
    eventually("it is changed", lambda: hard("5"))
    stage.agents.kubectl("delete", "agentpool", "default")
    eventually("it goes", lambda: stage.agents.all("resourcequotas") == [])


def test_a_quota_of_somebody_else_with_the_name_is_left_alone_and_told(empty: Stage) -> None:
    stage = empty
    theirs = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "horos-agents"},
        "spec": {"hard": {"pods": "50"}},
    }
    eventually("the name is free", lambda: stage.agents.all("resourcequotas") == [])
    stage.agents.apply(theirs)
    pool(stage, maxRunning=3)
    eventually("it is told", lambda: reason_of_pool(stage) == "QuotaRefused")
    assert stage.agents.get("resourcequota", "horos-agents")["spec"]["hard"] == {"pods": "50"}
    stage.agents.kubectl("delete", "resourcequota", "horos-agents")
    eventually("it is ours", lambda: reason_of_pool(stage) == "Enforced", 60)


def test_a_limit_lowered_below_use_ends_no_turn_and_lets_the_idle_leave(empty: Stage) -> None:
    stage = empty
    pool(stage, maxRunning=3, idleSeconds=300)
    names = ["a1", "a2", "a3"]
    for name in names:
        apply(stage, name, idleSeconds=300)
    for name in names:
        stage.until(name, "Resident", 90)
    pool(stage, maxRunning=1, idleSeconds=300)
    eventually("two have left", lambda: len(live(stage)) == 1)
    left = set(names) - set(live(stage))
    assert all(scheduled(stage, name)[0] == "True" for name in left)
    eventually("told", lambda: status_of_pool(stage).get("hibernated") == 2)
    mid = send(stage, sorted(left)[0])
    eventually("it is answered all the same", lambda: answered(stage, mid), 60)
    assert len(live(stage)) == 1


def test_pods_of_others_in_the_quota_keep_agents_waiting_and_are_told(empty: Stage) -> None:
    stage = empty
    pool(stage, maxRunning=1)
    eventually("the quota", lambda: status_of_pool(stage).get("quota", {}).get("hard") == 1)
    container = {"name": "other", "image": stage.images["agent"], "command": ["sleep", "600"]}
    stage.agents.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "foreign"},
            "spec": {"priorityClassName": PRIORITY_CLASS, "containers": [restricted(container)]},
        }
    )
    eventually("it is counted", lambda: status_of_pool(stage).get("quota", {}).get("used") == 1)
    apply(stage, "ada")
    eventually("it waits", lambda: scheduled(stage, "ada") == ("False", "Queued"))
    eventually("it says why", lambda: "no agents" in stage.agents.condition("ada", "Scheduled")["message"])
    assert live(stage) == []
    stage.agents.kubectl("delete", "pod", "foreign", "--grace-period=0", "--force")
    eventually("it starts", lambda: stage.agents.condition("ada", "Ready").get("status") == "True", 60)


def test_a_quota_of_somebody_else_is_waited_for_in_a_namespace_without_a_pool(empty: Stage) -> None:
    stage = empty
    theirs = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "tight"},
        "spec": {"hard": {"pods": "0"}},
    }
    stage.agents.apply(theirs)
    eventually(
        "counted", lambda: stage.agents.get("resourcequota", "tight")["status"]["hard"] == {"pods": "0"}
    )
    apply(stage, "ada")
    eventually("it waits", lambda: scheduled(stage, "ada") == ("False", "Queued"))
    told = stage.agents.condition("ada", "Scheduled")
    assert told["message"] == "ResourceQuota tight has no room for another pod"
    stage.agents.kubectl("delete", "resourcequota", "tight")
    eventually("it starts", lambda: stage.agents.condition("ada", "Ready").get("status") == "True", 60)


def test_a_pod_that_waits_a_minute_for_its_secret_gives_its_slot_to_others(empty: Stage) -> None:
    stage = empty
    pool(stage, maxRunning=1)
    model = {"baseUrl": ScriptedModel(stage.own).base_url, "apiKeySecretRef": {"name": "late", "key": "k"}}
    apply(stage, "stuck", model=model)
    stage.until("stuck", "SecretMissing")
    apply(stage, "ada")
    eventually("it waits", lambda: scheduled(stage, "ada") == ("False", "Queued"))
    eventually("it starts", lambda: stage.agents.condition("ada", "Ready").get("status") == "True", 120)
    eventually("the other one waits", lambda: scheduled(stage, "stuck") == ("False", "Queued"))
    assert stage.agents.condition("stuck", "Ready")["reason"] == "SecretMissing"
    stage.agents.kubectl("create", "secret", "generic", "late", "--from-literal=k=v")
    # An edit is tried at once; otherwise it would be after a minute.
    apply(stage, "stuck", model=model, instructions="x")
    eventually("it is well", lambda: stage.agents.condition("stuck", "Ready").get("status") == "True", 50)


class Node:
    """A node of the cluster that is not the control plane's, and its kubelet."""

    def __init__(self) -> None:
        found = json.loads(kubectl("get", "nodes", "-l", f"!{CONTROL_PLANE},!horos.dev/fake", "-o", "json"))
        self.name: str = found["items"][0]["metadata"]["name"]

    def kubelet(self, verb: str) -> None:
        run("docker", "exec", self.name, "systemctl", verb, "kubelet")

    def ready(self) -> str:
        conditions = json.loads(kubectl("get", "node", self.name, "-o", "json"))["status"]["conditions"]
        status: str = next(each["status"] for each in conditions if each["type"] == "Ready")
        return status

    def taints(self) -> list[str]:
        spec = json.loads(kubectl("get", "node", self.name, "-o", "json"))["spec"]
        return [each["key"] for each in spec.get("taints", [])]

    def leaving(self) -> list[str]:
        chosen = f"spec.nodeName={self.name}"
        pods = json.loads(kubectl("get", "pods", "-A", "--field-selector", chosen, "-o", "json"))["items"]
        return [each["metadata"]["name"] for each in pods if "deletionTimestamp" in each["metadata"]]


@pytest.fixture
def node() -> Iterator[Node]:
    """A node whose kubelet may be stopped; the next test finds it as it was."""
    made = Node()
    try:
        yield made
    finally:
        made.kubelet("start")
        eventually(f"{made.name} is ready", lambda: made.ready() == "True", 120)
        eventually(f"{made.name} takes pods", lambda: made.taints() == [])
        eventually("what was left on it is gone", lambda: made.leaving() == [], 90)


def _on(stage: Stage, agent: str) -> str:
    pods = stage.agents.pods_of(agent)
    assert len(pods) == 1, [pod["metadata"]["name"] for pod in pods]
    return str(pods[0]["spec"].get("nodeName"))


def test_agents_of_a_node_that_dies_answer_from_elsewhere_within_the_same_quota(
    empty: Stage, node: Node
) -> None:
    stage, names = empty, ["ada", "bob"]
    pool(stage, maxRunning=2)
    others = ("-l", CONTROL_PLANE)
    kubectl("cordon", *others)
    try:
        for name in names:
            apply(stage, name, idleSeconds=0)
        for name in names:
            stage.until(name, "Resident", 120)
    finally:
        kubectl("uncordon", *others)
    assert {_on(stage, name) for name in names} == {node.name}
    node.kubelet("stop")
    eventually(f"{node.name} is not ready", lambda: node.ready() == "Unknown", 120)

    def elsewhere() -> bool:
        return all(node.name != _on(stage, name) for name in names)

    # The quota has room for two: the lost pods are gone for the API server, and not only marked.
    eventually("both have a pod elsewhere", elsewhere, LOST_SECONDS + 90)
    mids = [send(stage, name) for name in names]
    eventually("both have answered", lambda: answered(stage, *mids), 60)
    assert len(stage.agents.all("pods", "horos.dev/agent")) == 2
