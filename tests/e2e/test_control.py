"""Two people at once, and what they can do to an agent while it works."""

import json
from typing import Any

import pytest

from tests.e2e.cluster import CommandError, Namespace, eventually, horos
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel


def text_shown(event: dict[str, Any]) -> bool:
    return event["type"] == "TEXT_MESSAGE_CONTENT"


def test_two_people_in_two_threads_never_see_each_other(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    words = {"amy": "apricot", "bert": "blueberry"}
    model.play(
        *[
            {"match": {"text": word}, "chunks": [f"You said {word[:3]}", {"text": word[3:], "hold": True}]}
            for word in words.values()
            for _ in range(2)
        ]
    )
    agent("tea")
    namespace.until_ready("tea")
    answers = dict.fromkeys(words, "")
    for _ in range(2):
        with (
            namespace.asking("tea", f"My word is {words['amy']}.", "--thread", "amy") as amy,
            namespace.asking("tea", f"My word is {words['bert']}.", "--thread", "bert") as bert,
        ):
            eventually("both are in", lambda: _waiting(namespace) == 2)
            model.step()
            eventually("one is left", lambda: _waiting(namespace) == 1)
            model.step()
            answers = {"amy": amy.answer(), "bert": bert.answer()}
    for who, other in (("amy", "bert"), ("bert", "amy")):
        assert f"You said {words[who]}" in answers[who]
        assert words[other] not in answers[who]
        assert words[other] not in str(namespace.records("tea", who))
        seen = horos(
            "events",
            "tea",
            "-n",
            namespace.name,
            "--after",
            "0",
            "--no-follow",
            "--thread",
            who,
            "-o",
            "json",
        )
        assert words[other] not in seen.stdout
    for request in model.requests():
        told = str(request["messages"])
        assert (words["amy"] in told) != (words["bert"] in told)


def _waiting(namespace: Namespace) -> int:
    (live,) = [
        each
        for each in json.loads(horos("agents", "-n", namespace.name, "-o", "json").stdout)
        if each["name"] == "tea"
    ]
    return int(live["waiting"])


def test_cancel_stops_the_model_and_the_next_message_is_answered(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"chunks": ["One ", {"text": "two", "hold": True}]}, {"text": "Here again."})
    agent("cara")
    namespace.until_ready("cara")
    with namespace.events("cara", "--after", "0") as events, namespace.asking("cara", "Count") as person:
        events.until("the first delta", text_shown)
        assert "is cancelled" in horos("cancel", "cara", "-n", namespace.name).stderr
        assert "cancelled by a person" in person.refusal()
    assert "Here again." in namespace.ask("cara", "Still there?")
    late = horos("cancel", "cara", "-n", namespace.name, check=False)
    assert (late.returncode, "nothing to cancel" in late.stderr) == (1, True)


def test_suspend_resume_and_terminate_reach_spec_status_and_pod(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"text": "Back."})
    agent("sue")
    namespace.until_ready("sue")
    assert "sue is paused" in horos("suspend", "sue", "-n", namespace.name).stderr
    assert namespace.get("agent", "sue")["spec"]["operatingMode"] == "Suspended"
    eventually("no pod", lambda: not namespace.pods_of("sue"))
    horos("send", "sue", "Kept", "-n", namespace.name)
    horos("resume", "sue", "-n", namespace.name)
    eventually("the kept message is answered", lambda: "Back." in str(namespace.told("sue")))
    assert "sue is terminated" in horos("terminate", "sue", "--yes", "-n", namespace.name).stderr
    eventually("no pod", lambda: not namespace.pods_of("sue"))
    assert namespace.condition("sue", "Ready")["reason"] == "Terminated"
    with pytest.raises(CommandError, match="Terminated is final"):
        namespace.kubectl(
            "patch", "agent", "sue", "--type=merge", "-p", '{"spec":{"operatingMode":"Running"}}'
        )
    refused = horos("send", "sue", "Hello?", "-n", namespace.name, check=False)
    assert (refused.returncode, "terminated" in refused.stderr) == (1, True)
    assert [record["content"] for record in namespace.records("sue")] == ["Kept", "Back."]
