"""What a platform engineer does to agents that live: edit, suspend, drain, restart the operator."""

import json

from tests.e2e.cluster import RELEASE, Namespace, eventually, horos, kubectl
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel


def uid(pod: dict[str, object]) -> str:
    metadata = pod["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["uid"])


def test_an_edit_of_instructions_is_used_in_the_next_turn_by_the_same_pod(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"text": "ok"}, repeat="last")
    agent("ed", instructions="Be brief.")
    before = namespace.until_ready("ed")
    namespace.ask("ed", "one")
    agent("ed", instructions="Be verbose.")
    namespace.until_seen("ed")
    namespace.ask("ed", "two")
    assert model.requests()[-1]["messages"][0]["content"].startswith("Be verbose.")
    assert [uid(pod) for pod in namespace.pods_of("ed")] == [uid(before)]


def test_an_edit_of_resources_during_a_turn_replaces_the_pod_after_it(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"chunks": ["slow ", {"text": "answer", "hold": True}]}, {"text": "from the new pod"})
    agent("rex")
    before = namespace.until_ready("rex")
    with namespace.events("rex", "--after", "0") as events:
        horos("send", "rex", "one", "-n", namespace.name)
        events.until("the turn runs", lambda e: e["type"] == "TEXT_MESSAGE_CONTENT")
        agent("rex", resources={"requests": {"memory": "100Mi"}})
        namespace.until_seen("rex")
        horos("send", "rex", "two", "-n", namespace.name, "--thread", "other")
        assert [uid(pod) for pod in namespace.pods_of("rex")] == [uid(before)]
        model.step()
        events.until("the first turn ends", lambda e: e["type"] == "RUN_FINISHED")
        events.until("the second turn ends", lambda e: e["type"] == "RUN_FINISHED")
    told = [each.get("name", each["type"]) for each in events.seen]
    lives = [told[: at + 1].count("resident") for at, what in enumerate(told) if what == "RUN_STARTED"]
    assert lives == [1, 2], "each turn in a life of its own"
    # The old pod may still be exiting.
    (after,) = eventually("one pod", lambda: (pods := namespace.pods_of("rex")) and len(pods) == 1 and pods)
    assert uid(after) != uid(before)
    assert after["spec"]["containers"][0]["resources"]["requests"]["memory"] == "100Mi"
    assert [r["messages"][-1]["content"] for r in model.requests()] == ["one", "two"]


def test_a_suspended_agent_has_no_pod_and_keeps_its_messages(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"text": "back again"})
    agent("sue")
    namespace.until_ready("sue")
    agent("sue", operatingMode="Suspended")
    eventually("no pod", lambda: not namespace.pods_of("sue"))
    eventually("the status says so", lambda: namespace.get("agent", "sue")["status"]["state"] == "paused")
    assert namespace.condition("sue", "Scheduled")["reason"] == "Suspended"
    horos("send", "sue", "Are you there?", "-n", namespace.name)
    agent("sue", operatingMode="Running")
    namespace.until_ready("sue")
    eventually("the message is answered", lambda: len(model.requests()) == 1)


def test_a_message_in_flight_is_answered_while_the_operator_is_away(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"chunks": ["all ", {"text": "the same", "hold": True}]}, {"text": "and again"})
    agent("otto")
    namespace.until_ready("otto")
    with namespace.events("otto", "--after", "0") as events:
        horos("send", "otto", "Hello", "-n", namespace.name)
        events.until("the turn runs", lambda e: e["type"] == "TEXT_MESSAGE_CONTENT")
        kubectl("-n", RELEASE, "delete", "pod", "-l", "app.kubernetes.io/component=operator", "--wait=true")
        model.step()
        events.until("the turn ends", lambda e: e["type"] == "RUN_FINISHED")
    assert "and again" in namespace.ask("otto", "Once more")
    kubectl(
        "-n",
        RELEASE,
        "rollout",
        "status",
        "deployment",
        "-l",
        "app.kubernetes.io/component=operator",
        "--timeout=90s",
    )


def test_a_node_is_drained_without_force_and_its_agents_answer_from_elsewhere(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"text": "I moved."})
    workers = json.loads(
        kubectl("get", "nodes", "-l", "!node-role.kubernetes.io/control-plane", "-o", "json")
    )
    worker = workers["items"][0]["metadata"]["name"]
    agent("nomad")
    namespace.until_ready("nomad")
    try:
        kubectl("cordon", worker)
        # Agents only: the release's own pods stay where they are.
        kubectl(
            "drain",
            worker,
            "--pod-selector=horos.dev/agent",
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            "--timeout=90s",
        )
        eventually(
            "the agent lives on another node",
            lambda: (
                (pods := namespace.pods_of("nomad")) and pods[0]["spec"].get("nodeName") not in {None, worker}
            ),
        )
        namespace.until_ready("nomad")
        assert "I moved." in namespace.ask("nomad", "Where are you?")
    finally:
        kubectl("uncordon", worker)
