"""The operator's process against a real API server, kubelet and Redis, which is not there at first."""

import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.controller.conftest import Stage
from tests.e2e.cluster import CommandError, eventually

pytestmark = pytest.mark.cluster


def probed(stage: Stage, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{stage.probe_port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()
    except urllib.error.URLError as error:
        return 0, str(error)


def one_pod(stage: Stage, agent: str) -> dict[str, Any]:
    """The pod that lives; one that has ended may still be there for a moment."""
    pods = stage.agents.pods_of(agent)
    assert len(pods) == 1, [pod["metadata"]["name"] for pod in pods]
    return pods[0]


def test_redis_down_at_the_start_is_waited_for_and_told(stage: Stage) -> None:
    stage.apply("ada")
    stage.start_operator()
    told = stage.until("ada", "BusUnavailable")
    assert "Redis at 127.0.0.1" in told["message"]
    assert probed(stage, "/healthz") == (200, "ok")

    def not_ready() -> bool:
        # The agent's own pass can tell before the first sweep has ended.
        status, problem = probed(stage, "/readyz")
        assert status == 503
        return "cannot be reached" in problem

    eventually("/readyz names Redis", not_ready)
    assert stage.pods("ada") == []
    stage.start_redis()
    stage.until("ada", "Resident", seconds=120)
    eventually("the operator is ready", lambda: probed(stage, "/readyz") == (200, "ok"))


def test_the_pod_holds_the_agent_and_belongs_to_it(settled: Stage) -> None:
    stage = settled
    pod, agent = one_pod(stage, "ada"), stage.agents.get("agent", "ada")
    assert pod["metadata"]["name"] == agent["status"]["podName"]
    assert pod["metadata"]["ownerReferences"][0]["uid"] == agent["metadata"]["uid"]
    assert agent["metadata"]["finalizers"] == ["horos.dev/bus"]
    assert stage.redis("HGET", f"horos:{stage.name}:{{{stage.name}}}:a:ada:state", "holder") == [
        pod["metadata"]["uid"]
    ]


def test_a_restart_of_the_operator_writes_nothing(settled: Stage) -> None:
    stage = settled
    before = (one_pod(stage, "ada")["metadata"]["uid"], _written(stage, "ada"))
    assert stage.stop_operator() == 0
    stage.start_operator()
    eventually("the operator is ready", lambda: probed(stage, "/readyz") == (200, "ok"))
    # A second agent has been through the queue behind the first one: so that one has been looked at.
    stage.apply("after", operatingMode="Suspended")
    stage.until("after", "Suspended")
    assert (one_pod(stage, "ada")["metadata"]["uid"], _written(stage, "ada")) == before


def _written(stage: Stage, agent: str) -> str:
    version: str = stage.agents.get("agent", agent)["metadata"]["resourceVersion"]
    return version


def test_an_edit_of_resources_brings_a_new_pod(settled: Stage) -> None:
    stage = settled
    before = one_pod(stage, "ada")["metadata"]["uid"]
    stage.apply("ada", resources={"limits": {"memory": "300Mi"}})

    def replaced() -> bool:
        return before not in [pod["metadata"]["uid"] for pod in stage.agents.pods_of("ada")]

    eventually("another pod took over", replaced)
    stage.until("ada", "Resident")
    limits = one_pod(stage, "ada")["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"memory": "300Mi"}


def test_an_edit_of_instructions_keeps_the_pod(settled: Stage) -> None:
    stage = settled
    uid = one_pod(stage, "ada")["metadata"]["uid"]
    stage.apply("ada", instructions="Be brief.", resources={"limits": {"memory": "300Mi"}})
    key = f"horos:{stage.name}:{{{stage.name}}}:a:ada:config"
    eventually("configured", lambda: "Be brief." in "".join(stage.redis("GET", key)))
    assert one_pod(stage, "ada")["metadata"]["uid"] == uid


def test_a_suspended_agent_gives_up_its_pod_and_gets_one_again(settled: Stage) -> None:
    stage = settled
    resources = {"limits": {"memory": "300Mi"}}
    stage.apply("ada", operatingMode="Suspended", resources=resources)
    stage.until("ada", "Suspended")
    eventually("no pod", lambda: stage.pods("ada") == [])
    assert stage.agents.get("agent", "ada")["status"]["state"] == "paused"
    stage.apply("ada", resources=resources)
    stage.until("ada", "Resident")


def test_a_terminated_agent_ends_for_good_and_can_still_be_read(settled: Stage) -> None:
    stage = settled
    stage.apply("over")
    stage.until("over", "Resident")
    stage.apply("over", operatingMode="Terminated")
    stage.until("over", "Terminated")
    eventually("no pod", lambda: stage.pods("over") == [])
    eventually("told", lambda: stage.agents.get("agent", "over")["status"]["state"] == "terminated")
    with pytest.raises(CommandError, match="Terminated is final"):
        stage.apply("over", operatingMode="Running")
    key = f"horos:{stage.name}:{{{stage.name}}}:a:over:state"
    assert stage.redis("HGET", key, "state") == ["terminated"]


def test_an_order_of_the_gateway_becomes_the_spec_and_one_for_nobody_is_forgotten(settled: Stage) -> None:
    stage = settled
    uid = stage.agents.get("agent", "ada")["metadata"]["uid"]
    orders = f"horos:{stage.name}:{{{stage.name}}}:requests"
    for to in (uid, "somebody-else"):
        stage.redis("XADD", orders, "*", "agent", "ada", "uid", to, "mode", "Suspended")
    stage.until("ada", "Suspended")
    assert stage.agents.get("agent", "ada")["spec"]["operatingMode"] == "Suspended"
    eventually("both are forgotten", lambda: stage.redis("XLEN", orders) == ["0"])
    stage.apply("ada", operatingMode="Running")
    stage.until("ada", "Resident")


def test_a_deadline_passes_without_the_agent(settled: Stage) -> None:
    stage = settled
    prefix = f"horos:{stage.name}:{{{stage.name}}}:"
    uid = stage.agents.get("agent", "ada")["metadata"]["uid"]
    stage.redis("HSET", f"{prefix}a:ada:owed", "m1", "main 1 1 - ")
    stage.redis("ZADD", f"{prefix}later", "1", f"expire ada {uid} m1")
    eventually("the person is told", lambda: "in time" in "".join(stage.redis("GET", f"{prefix}r:m1")))
    assert stage.redis("HLEN", f"{prefix}a:ada:owed") == ["0"]


def test_a_pod_that_is_deleted_is_replaced(settled: Stage) -> None:
    stage = settled
    before = one_pod(stage, "ada")["metadata"]
    stage.agents.kubectl("delete", "pod", before["name"], "--wait=false")

    def replaced() -> bool:
        live = stage.agents.pods_of("ada")
        return [pod["metadata"]["uid"] for pod in live] not in ([], [before["uid"]]) and len(live) == 1

    eventually("another pod", replaced)
    stage.until("ada", "Resident")


def test_a_missing_secret_is_named_and_heals(settled: Stage) -> None:
    stage = settled
    stage.apply("key", model={"apiKeySecretRef": {"name": "llm", "key": "apiKey"}})
    assert (
        stage.until("key", "SecretMissing")["message"]
        == 'Secret "llm" does not exist; create it with key "apiKey"'
    )
    stage.agents.kubectl("create", "secret", "generic", "llm", "--from-literal=apiKey=sesame")
    stage.until("key", "Resident", seconds=120)


def tool_server(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "horos.dev/v1alpha1",
        "kind": "ToolServer",
        "metadata": {"name": name},
        "spec": {"url": "http://127.0.0.1:9/mcp", **spec},
    }


def test_a_tool_server_that_comes_late_is_used_by_the_same_pod_until_it_needs_a_secret(
    settled: Stage,
) -> None:
    stage = settled
    stage.apply("tooled", tools={"servers": [{"name": "d", "serverName": "docs"}]})
    stage.until("tooled", "Resident", seconds=120)
    accepted = stage.agents.condition("tooled", "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("True", "ToolServerUnusable")
    assert "ToolServer docs does not exist" in accepted["message"]
    before = one_pod(stage, "tooled")["metadata"]["uid"]
    stage.agents.apply(tool_server("docs"))
    eventually("it is used", lambda: stage.agents.condition("tooled", "Accepted")["reason"] == "Valid")
    key = f"horos:{stage.name}:{{{stage.name}}}:a:tooled:config"
    eventually("configured", lambda: "127.0.0.1:9/mcp" in "".join(stage.redis("GET", key)))
    eventually("counted", lambda: stage.agents.get("toolserver", "docs").get("status", {}).get("agents") == 1)
    assert one_pod(stage, "tooled")["metadata"]["uid"] == before
    # The Secret is not there: the pod starts all the same.
    stage.agents.apply(tool_server("docs", headersSecretRef={"name": "docs"}))

    def replaced() -> bool:
        return before not in [pod["metadata"]["uid"] for pod in stage.agents.pods_of("tooled")]

    eventually("another pod took over", replaced)
    stage.until("tooled", "Resident", seconds=120)
    mounts = one_pod(stage, "tooled")["spec"]["containers"][0]["volumeMounts"]
    assert "/run/horos/secrets/docs" in [each["mountPath"] for each in mounts]
    stage.agents.kubectl("delete", "toolserver", "docs")
    eventually(
        "it is missed",
        lambda: stage.agents.condition("tooled", "Accepted")["reason"] == "ToolServerUnusable",
    )


def test_a_secret_of_a_tool_server_that_comes_late_is_a_file_in_the_pod_that_runs(settled: Stage) -> None:
    stage = settled
    server = {"name": "d", "url": "http://127.0.0.1:9/mcp", "headersSecretRef": {"name": "late"}}
    stage.apply("reads", tools={"servers": [server]})
    stage.until("reads", "Resident", seconds=120)
    name = one_pod(stage, "reads")["metadata"]["name"]
    stage.agents.kubectl("create", "secret", "generic", "late", "--from-literal=Authorization=Bearer x")

    def read() -> bool:
        words = ("exec", name, "--", "cat", "/run/horos/secrets/late/Authorization")
        return stage.agents.kubectl(*words) == "Bearer x"

    # Kubelet looks about once a minute.
    eventually("kubelet has brought it", read, seconds=180)
    assert one_pod(stage, "reads")["metadata"]["name"] == name


def test_credentials_that_are_deleted_are_made_again(settled: Stage) -> None:
    stage = settled
    stage.agents.kubectl("delete", "secret", "horos-bus")
    stage.apply("heir")
    # The sweep that looks at every namespace comes after three minutes only.
    stage.until("heir", "Resident", seconds=90)


def test_a_pod_of_somebody_else_that_has_the_name_is_told(settled: Stage) -> None:
    stage = settled
    container = {"name": "other", "image": stage.images["agent"], "command": ["sleep", "600"]}
    stage.agents.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "taken-1"},
            "spec": {"nodeSelector": {"no-such": "label"}, "containers": [restricted(container)]},
        }
    )
    stage.apply("taken")
    assert "taken-1" in stage.until("taken", "PodRefused")["message"]
    stage.agents.kubectl("delete", "pod", "taken-1", "--grace-period=0", "--force")
    stage.until("taken", "Resident", seconds=90)


def restricted(container: dict[str, Any]) -> dict[str, Any]:
    """Make a container acceptable to the namespace."""
    security = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {**container, "securityContext": security}


def test_a_crash_tells_its_last_words_and_is_tried_again(settled: Stage) -> None:
    stage = settled
    # The operator's image ends at once where its environment is missing.
    stage.apply("crash", image=stage.images["operator"])
    assert "HOROS_OPERATOR_INSTALL" in stage.until("crash", "ContainerCrashed")["message"]

    def counted() -> bool:
        pods = stage.pods("crash")
        return any(int(pod["metadata"]["annotations"].get("horos.dev/failures", "0")) >= 2 for pod in pods)

    eventually("it has been tried three times", counted)
    stage.until("crash", "ContainerCrashed")
    stage.apply("crash")
    stage.until("crash", "Resident")


def test_a_wrong_image_heals_with_the_edit(settled: Stage) -> None:
    stage = settled
    stage.apply("typo", image="horos/no-such-image:1")
    assert "no-such-image" in stage.until("typo", "ImagePullFailed")["message"]
    stage.apply("typo")
    stage.until("typo", "Resident")
    assert one_pod(stage, "typo")["metadata"]["name"] == "typo-1"


def test_a_pod_that_no_node_takes_says_so(settled: Stage) -> None:
    stage = settled
    stage.apply("lost", nodeSelector={"no-such": "label"})
    assert "node" in stage.until("lost", "Unschedulable")["message"]


def test_what_is_deleted_while_the_operator_is_down_goes_when_it_is_back(settled: Stage) -> None:
    stage = settled
    assert stage.stop_operator() == 0
    names = [agent["metadata"]["name"] for agent in stage.agents.all("agents")]
    stage.agents.kubectl("delete", "agents", "--all", "--wait=false")
    assert len(stage.agents.all("agents")) == len(names)
    stage.start_operator()
    eventually("no Agents", lambda: stage.agents.all("agents") == [])
    eventually("no pods", lambda: stage.agents.all("pods") == [])
    left = stage.redis("KEYS", "*")
    assert [key for key in left if ":a:" in key or key.endswith((":agents", ":work"))] == []
