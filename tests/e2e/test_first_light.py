"""The whole way through: apply, pod, message, stream, tool, answer, and away again."""

from typing import Any

from tests.e2e.cluster import RELEASE, Namespace, eventually, horos, redis
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel


def keys_of(namespace: Namespace, agent: str) -> list[str]:
    found = redis("--scan", "--pattern", f"horos:*{{{namespace.name}}}:a:{agent}:*").split()
    return [key for key in found if key]


def test_an_applied_agent_gets_a_pod_and_answers(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"text": "A lighthouse warns ships."})
    agent("ada", instructions="You are Ada.")
    pod = namespace.until_ready("ada")
    assert pod["metadata"]["name"] == "ada-1"
    assert pod["metadata"]["ownerReferences"][0]["name"] == "ada"
    assert "A lighthouse warns ships." in namespace.ask("ada", "What is a lighthouse for?")
    asked = model.requests()[0]
    assert [message["content"] for message in asked["messages"]][:1] == ["You are Ada."]


def test_a_tool_is_called_on_the_way(namespace: Namespace, model: ScriptedModel, agent: ApplyAgent) -> None:
    model.play(
        {"toolCalls": [{"name": "list_agents", "arguments": {}}]},
        {"text": "There is only me, tess."},
    )
    agent("tess")
    namespace.until_ready("tess")
    assert "There is only me, tess." in namespace.ask("tess", "Who is here?")
    result = next(m for m in model.requests()[1]["messages"] if m["role"] == "tool")
    assert "tess" in result["content"]


def test_the_first_delta_is_seen_before_the_model_goes_on(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"chunks": ["first ", {"text": "second", "hold": True}]})
    agent("flo")
    namespace.until_ready("flo")
    with namespace.events("flo", "--after", "0") as events:
        horos("send", "flo", "Speak.", "-n", namespace.name)
        delta = events.until("the first delta", lambda e: e["type"] == "TEXT_MESSAGE_CONTENT")
        assert delta["delta"] == "first "
        model.step()
        delta = events.until("the second delta", lambda e: e["type"] == "TEXT_MESSAGE_CONTENT")
        assert delta["delta"] == "second"
        events.until("the end", lambda e: e["type"] == "RUN_FINISHED")


def sends(to: str, text: str) -> dict[str, Any]:
    return {"name": "send", "arguments": {"to": to, "text": text}}


def heard(model: ScriptedModel) -> list[str]:
    """What people and agents said, each as the newest message of a request."""
    last = [request["messages"][-1] for request in model.requests()]
    return [message["content"] for message in last if message["role"] == "user"]


def test_two_agents_exchange_messages(namespace: Namespace, model: ScriptedModel, agent: ApplyAgent) -> None:
    model.play(
        {"match": {"text": "Greet bob"}, "toolCalls": [sends("bob", "ping from al")]},
        {"match": {"text": "Greet bob"}, "text": "Greeted."},
        {"match": {"text": "ping from al"}, "toolCalls": [sends("al", "pong from bob")]},
        {"match": {"text": "ping from al"}, "text": "Answered."},
        {"match": {"text": "pong from bob"}, "text": "Heard."},
    )
    agent("al")
    agent("bob")
    namespace.until_ready("al")
    namespace.until_ready("bob")
    assert "Greeted." in namespace.ask("al", "Greet bob")
    eventually("al hears of it", lambda: any("pong from bob" in text for text in heard(model)))
    assert sum("ping from al" in text for text in heard(model)) == 1


def test_deleting_an_agent_leaves_no_pod_and_no_key(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"text": "Soon gone."})
    agent("gone")
    namespace.until_ready("gone")
    namespace.ask("gone", "Hello")
    assert keys_of(namespace, "gone")
    namespace.kubectl("delete", "agent", "gone", "--timeout=60s")
    eventually("the pod is gone", lambda: not namespace.all("pods", "horos.dev/agent=gone"))
    assert keys_of(namespace, "gone") == []
    missing = horos("send", "gone", "Hello?", "-n", namespace.name, check=False)
    assert missing.returncode == 3
    assert "gone" in missing.stderr


def test_the_release_lives_in_another_namespace(namespace: Namespace) -> None:
    assert namespace.name != RELEASE
