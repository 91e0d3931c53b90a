"""Pods are killed in the middle of what they do; the next one goes on, once, and one answer comes."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.cluster import PROJECT, RELEASE, Namespace, eventually, horos, images, kubectl, run
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel

HELD = ["One ", {"text": "two", "hold": True}]


def text_shown(event: dict[str, Any]) -> bool:
    return event["type"] == "TEXT_MESSAGE_CONTENT"


def of_type(kind: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event["type"] == kind


def answered_once(namespace: Namespace, agent: str, turns: int = 1) -> None:
    """Each turn ended once, and every record is there once."""
    eventually(
        "the turn is closed",
        lambda: len(list(filter(of_type("RUN_FINISHED"), namespace.told(agent)))) == turns,
    )
    replies = [event for event in namespace.told(agent) if event.get("name") == "reply"]
    assert len(replies) == 1, replies
    records = namespace.records(agent)
    mids = [record["mid"] for record in records if record["role"] == "user"]
    assert len(mids) == len(set(mids))
    calls = [call["id"] for record in records for call in record.get("tool_calls", [])]
    results = [record["tool_call_id"] for record in records if record["role"] == "tool"]
    assert sorted(calls) == sorted(results)


@pytest.fixture(scope="session")
def tools_image(release: str) -> str:
    made = run(str(PROJECT / "tests/cluster/test-image.sh"), images()["agent"])
    return made.stdout.split()[-1]


def test_killed_in_the_middle_of_a_stream(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play(
        {"match": {"text": "Count"}, "chunks": HELD},
        {"match": {"text": "Count"}, "text": "One two three."},
    )
    agent("ada")
    namespace.until_ready("ada")
    with namespace.events("ada", "--after", "0") as events, namespace.asking("ada", "Count") as person:
        events.until("the first delta", text_shown)
        namespace.kill("ada")
        answer = person.answer()
    assert answer.count("One two three.") == 1
    assert answer.endswith("One two three.\n")
    answered_once(namespace, "ada")
    assert [record["content"] for record in namespace.records("ada")] == ["Count", "One two three."]
    assert namespace.get("agent", "ada")["status"]["podName"] == "ada-2"


@pytest.mark.parametrize(("name", "starts"), [("charge", 1), ("look_up", 2)])
def test_killed_in_the_middle_of_a_tool(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent, tools_image: str, *, name: str, starts: int
) -> None:
    who = name.replace("_", "-")
    begun = f"{name} has begun"
    model.play(
        {"match": {"text": begun}, "text": "noted"},
        {"match": {"text": begun}, "text": "noted"},
        {"match": {"text": "Do it"}, "toolCalls": [{"name": name, "arguments": {}}]},
        {"match": {"text": "Do it"}, "text": "I cannot say whether it is done."},
    )

    def begins() -> int:
        return sum(request["messages"][-1]["content"] == begun for request in model.requests())

    agent(who, image=tools_image, env=[{"name": "MODEL_URL", "value": model.base_url}])
    namespace.until_ready(who)
    with namespace.asking(who, "Do it") as person:
        eventually("the tool runs", lambda: begins() == 1)
        namespace.kill(who)
        if starts == 2:
            eventually("the tool runs again", lambda: begins() == 2)
            horos("cancel", who, "-n", namespace.name)
            assert "cancelled by a person" in person.refusal()
        else:
            assert "I cannot say" in person.answer()
    assert begins() == starts
    results = [record["content"] for record in namespace.records(who) if record["role"] == "tool"]
    assert len(results) == 1
    assert ("cancelled" if starts == 2 else "unknown") in results[0]
    answered_once(namespace, who)


def ask(*names: str) -> list[dict[str, Any]]:
    return [{"name": "ask", "arguments": {"to": name, "text": f"Your word, {name}?"}} for name in names]


WORKERS = ("ann", "ben", "cem")


def lead_script(**held: bool) -> list[dict[str, Any]]:
    """A lead that asks three; `held` names who waits for a step before its last word, the first time."""

    def said(match: dict[str, str], text: str, hold: bool) -> list[dict[str, Any]]:
        whole = {"match": match, "text": text}
        return (
            [{"match": match, "chunks": [text[:3], {"text": text[3:], "hold": True}]}, whole]
            if hold
            else [whole]
        )

    script: list[dict[str, Any]] = [
        {"match": {"text": "Ask all"}, "toolCalls": ask(*WORKERS)},
        {"match": {"text": "Ask all"}, "text": "I have asked."},
    ]
    for name in WORKERS:
        script += said({"text": f"Your word, {name}?"}, f"word of {name}", held.get(name, False))
    return script + said({"pattern": "answer of agent"}, "All three spoke.", held.get("lead", False)) * 3


def told_to_the_model(model: ScriptedModel) -> str:
    return "\n".join(str(message["content"]) for message in model.requests()[-1]["messages"])


def until_all_have_spoken(namespace: Namespace, model: ScriptedModel, answer: str) -> None:
    assert answer.count("All three spoke.") >= 1
    heard = told_to_the_model(model)
    assert [name for name in WORKERS if f"word of {name}" not in heard] == []
    replies = [event for event in namespace.told("lead") if event.get("name") == "reply"]
    assert len(replies) == 1


@pytest.fixture
def team(namespace: Namespace, model: ScriptedModel, agent: ApplyAgent) -> None:
    for name in ("lead", *WORKERS):
        agent(name)
    for name in ("lead", *WORKERS):
        namespace.until_ready(name)


def test_a_lead_that_asked_three_is_killed_while_it_owes(
    namespace: Namespace, model: ScriptedModel, team: None
) -> None:
    model.play(*lead_script(ann=True, ben=True, cem=True))
    with namespace.asking("lead", "Ask all") as person:
        eventually("three are asked", lambda: len(model.requests()) == 5)
        eventually("it owes", lambda: any(event.get("name") == "owes" for event in namespace.told("lead")))
        namespace.kill("lead")
        for _ in WORKERS:
            model.step()
        until_all_have_spoken(namespace, model, person.answer())


def test_a_lead_is_answered_when_one_of_those_it_asked_is_killed(
    namespace: Namespace, model: ScriptedModel, team: None
) -> None:
    model.play(*lead_script(ben=True))
    with namespace.events("ben", "--after", "0") as events, namespace.asking("lead", "Ask all") as person:
        events.until("ben has begun", text_shown)
        namespace.kill("ben")
        until_all_have_spoken(namespace, model, person.answer())
    said = [record["content"] for record in namespace.records("ben")]
    assert said == ["Your word, ben?", "word of ben"]


def test_a_lead_is_killed_in_its_last_words(namespace: Namespace, model: ScriptedModel, team: None) -> None:
    model.play(*lead_script(lead=True))
    with namespace.events("lead", "--after", "0") as events, namespace.asking("lead", "Ask all") as person:
        events.until("the lead begins to answer", lambda event: text_shown(event) and event["delta"] == "All")
        namespace.kill("lead")
        eventually("an answer", lambda: _stepped(model, person))
        until_all_have_spoken(namespace, model, person.answer())


def _stepped(model: ScriptedModel, person: Any) -> bool:
    """Let held chunks of later turns go, until the person has an answer."""
    if person.ended:
        return True
    model.step()
    return False


def test_redis_is_killed_in_the_middle_of_a_stream(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"match": {"text": "Count"}, "chunks": HELD}, {"match": {"text": "Count"}, "chunks": HELD})
    agent("rita")
    namespace.until_ready("rita")
    with namespace.events("rita", "--after", "0") as events, namespace.asking("rita", "Count") as person:
        events.until("the first delta", text_shown)
        kubectl("-n", RELEASE, "delete", "pod", "horos-redis-0", "--grace-period=0", "--force")
        model.step()
        kubectl("-n", RELEASE, "rollout", "status", "statefulset/horos-redis", "--timeout=180s")
        answer = person.answer()
    assert answer.count("One two") == 1
    answered_once(namespace, "rita")


def test_without_the_operator_agents_go_on_and_the_rest_is_made_up(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"match": {"text": "Hello"}, "text": "Hello yourself."}, repeat="loop")
    agent("olga")
    agent("otto")
    namespace.until_ready("olga")
    namespace.until_ready("otto")
    kubectl("-n", RELEASE, "scale", "deployment/horos-operator", "--replicas=0")
    try:
        kubectl(
            "-n",
            RELEASE,
            "wait",
            "pods",
            "-l",
            "app.kubernetes.io/component=operator",
            "--for=delete",
            "--timeout=120s",
        )
        assert "Hello yourself." in namespace.ask("olga", "Hello")
        agent("nils")
        (pod,) = namespace.pods_of("otto")
        namespace.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
        horos("send", "otto", "Hello", "-n", namespace.name)
        horos("send", "olga", "Hello", "-n", namespace.name, "--delay", "1", "--thread", "later")
        horos("suspend", "olga", "-n", namespace.name, "--timeout", "0")
        assert namespace.get("agent", "olga")["spec"]["operatingMode"] == "Running"
    finally:
        kubectl("-n", RELEASE, "scale", "deployment/horos-operator", "--replicas=1")
        kubectl("-n", RELEASE, "rollout", "status", "deployment/horos-operator", "--timeout=180s")
    namespace.until_ready("nils")
    eventually(
        "otto has answered", lambda: any(event.get("name") == "reply" for event in namespace.told("otto"))
    )
    eventually("olga is suspended", lambda: namespace.get("agent", "olga")["status"].get("state") == "paused")
    horos("resume", "olga", "-n", namespace.name)
    eventually("the delayed message is answered", lambda: namespace.records("olga", "later"))
