"""Tools from elsewhere, on the cluster: servers of an image and over HTTP that come and die; people asked."""

import json
from typing import Any

import pytest

from tests.e2e.cluster import PROJECT, Namespace, eventually, horos, images, run
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel
from tests.e2e.tool_server import HttpToolServer


@pytest.fixture(scope="module")
def weights(namespace: Namespace, model: ScriptedModel) -> HttpToolServer:
    started = HttpToolServer(namespace, model)
    started.start()
    return started


@pytest.fixture(scope="module")
def clock_image(release: str) -> str:
    """The image of examples/mcp, on top of the agent image of this checkout."""
    made = run(str(PROJECT / "tests/cluster/test-image.sh"), images()["agent"], str(PROJECT / "examples/mcp"))
    return made.stdout.split()[-1]


def tool_server(namespace: Namespace, name: str, url: str) -> None:
    namespace.apply(
        {
            "apiVersion": "horos.dev/v1alpha1",
            "kind": "ToolServer",
            "metadata": {"name": name},
            "spec": {"url": url},
        }
    )


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"toolCalls": [{"name": name, "arguments": arguments}]}


def results(namespace: Namespace, agent: str) -> list[str]:
    return [record["content"] for record in namespace.records(agent) if record["role"] == "tool"]


def offered(request: dict[str, Any]) -> set[str]:
    return {each["function"]["name"] for each in request.get("tools", [])}


def shown_servers(namespace: Namespace, agent: str) -> dict[str, Any]:
    printed = json.loads(horos("tools", agent, "-n", namespace.name, "-o", "json").stdout)
    return {each["name"]: each for each in printed["items"]}


def test_an_agent_uses_a_server_of_its_image_and_a_tool_server_over_http(
    namespace: Namespace,
    model: ScriptedModel,
    agent: ApplyAgent,
    weights: HttpToolServer,
    clock_image: str,
) -> None:
    tool_server(namespace, "weights", weights.url)
    model.play(
        call("clock__get_current_time", timezone="Asia/Tokyo"),
        call("scale__weigh", thing="anvil"),
        {"text": "Both have answered."},
    )
    servers = [
        {"name": "clock", "command": ["mcp-server-time"]},
        {"name": "scale", "serverName": "weights", "allow": ["w*"]},
    ]
    agent("tess", image=clock_image, tools={"servers": servers})
    namespace.until_ready("tess")
    assert "Both have answered." in namespace.ask("tess", "What time is it, and what weighs an anvil?")
    time, weight = results(namespace, "tess")
    assert "Asia/Tokyo" in time
    assert weight == "anvil weighs 5 kg"
    assert "scale__pay" not in offered(model.requests()[0])
    shown = shown_servers(namespace, "tess")
    assert {name: each["state"] for name, each in shown.items()} == {
        "clock": "Connected",
        "scale": "Connected",
    }

    def counted() -> dict[str, Any] | None:
        status: dict[str, Any] = namespace.get("toolserver", "weights").get("status", {})
        return status if status.get("tools") else None

    status = eventually("the ToolServer counts its tools", counted)
    assert status is not None
    assert status["agents"] == 1


def test_a_server_that_is_added_is_used_in_the_next_turn_by_the_same_pod(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent, weights: HttpToolServer
) -> None:
    model.play({"text": "no tools yet"})
    agent("adam")
    before = namespace.until_ready("adam")
    assert "no tools yet" in namespace.ask("adam", "Hello")
    model.play(call("scale__weigh", thing="feather"), {"text": "weighed"}, {"text": "gone again"})
    agent("adam", tools={"servers": [{"name": "scale", "url": weights.url}]})
    namespace.until_seen("adam")
    assert "weighed" in namespace.ask("adam", "Weigh a feather")
    assert results(namespace, "adam") == ["feather weighs 7 kg"]
    agent("adam", tools={"servers": []})
    namespace.until_seen("adam")
    assert "gone again" in namespace.ask("adam", "And now?")
    assert "scale__weigh" not in offered(model.requests()[-1])
    (after,) = namespace.pods_of("adam")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


def test_the_server_is_killed_in_the_middle_of_a_call_and_the_next_call_works(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent, weights: HttpToolServer
) -> None:
    begun = {"match": {"text": "hanging has begun"}, "text": "noted"}
    model.play(
        begun,
        {"match": {"text": "Hang"}, **call("scale__hang")},
        {"match": {"text": "Hang"}, "text": "It broke."},
        {"match": {"text": "Weigh"}, **call("scale__weigh", thing="straw")},
        {"match": {"text": "Weigh"}, "text": "It works."},
    )
    agent("kim", tools={"servers": [{"name": "scale", "url": weights.url, "timeoutSeconds": 120}]})
    namespace.until_ready("kim")
    with namespace.asking("kim", "Hang") as person:
        eventually(
            "the call has begun",
            lambda: any("hanging has begun" in str(each["messages"][-1]) for each in model.requests()),
        )
        weights.kill()
        assert "It broke." in person.answer()
    (result,) = results(namespace, "kim")
    assert "unknown" in result
    eventually(
        "it is connected again", lambda: shown_servers(namespace, "kim")["scale"]["state"] == "Connected"
    )
    assert "It works." in namespace.ask("kim", "Weigh a straw")
    assert results(namespace, "kim")[-1] == "straw weighs 5 kg"


def approval_of(namespace: Namespace, agent: str) -> dict[str, Any]:
    def pending() -> list[dict[str, Any]]:
        printed = json.loads(horos("approvals", agent, "-n", namespace.name, "-o", "json").stdout)
        return [each for each in printed if each["status"] == "pending"]

    (approval,) = eventually("somebody is asked", pending)
    return approval


def payments(model: ScriptedModel) -> int:
    return sum("payment of" in str(each["messages"][-1]["content"]) for each in model.requests())


PAID = {"match": {"text": "payment of 7 has begun"}, "text": "noted"}


def test_what_a_person_approves_runs_once_though_the_pod_was_killed(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent, weights: HttpToolServer
) -> None:
    model.play(
        PAID,
        {"match": {"text": "Pay 7"}, **call("till__pay", amount=7)},
        {"match": {"text": "Pay 7"}, "text": "I have asked for permission."},
        {"match": {"text": "Approved by"}, "text": "It is paid now."},
    )
    server = {"name": "till", "url": weights.url, "approval": "Matching", "approvalFor": ["pay"]}
    agent("paul", tools={"servers": [server]})
    namespace.until_ready("paul")
    with namespace.asking("paul", "Pay 7") as person:
        approval = approval_of(namespace, "paul")
        assert "7" in json.dumps(approval["arguments"])
        eventually(
            "it is counted in the status",
            lambda: namespace.get("agent", "paul")["status"].get("approvals") == 1,
        )
        namespace.kill("paul")
        namespace.until_ready("paul")
        assert payments(model) == 0
        horos("approve", approval["id"], "-n", namespace.name, "--reason", "he may")
        assert "It is paid now." in person.answer()
    assert payments(model) == 1
    assert results(namespace, "paul")[-1] == "paid 7"
    horos("approve", approval["id"], "-n", namespace.name, "--reason", "he may")  # a repeat changes nothing
    late = horos("deny", approval["id"], "-n", namespace.name, check=False)
    assert late.returncode == 1
    assert "he may" in late.stderr
    assert payments(model) == 1
    eventually(
        "nothing is counted any more",
        lambda: not namespace.get("agent", "paul")["status"].get("approvals"),
    )


def test_what_nobody_approves_in_time_is_denied_and_said_so(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent, weights: HttpToolServer
) -> None:
    model.play(
        {"match": {"text": "Pay 7"}, **call("till__pay", amount=7)},
        {"match": {"text": "Pay 7"}, "text": "I have asked for permission."},
        {"match": {"text": "nobody decided in time"}, "text": "Nobody let me pay."},
    )
    server = {"name": "till", "url": weights.url, "approval": "Always", "approvalTimeoutSeconds": 5}
    agent("late", tools={"servers": [server]})
    namespace.until_ready("late")
    assert "Nobody let me pay." in namespace.ask("late", "Pay 7")
    assert payments(model) == 0
    told = [event["value"] for event in namespace.told("late") if event.get("name") == "approval"]
    assert [each["status"] for each in told] == ["pending", "expired"]
