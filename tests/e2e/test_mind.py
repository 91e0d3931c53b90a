"""What an agent does inside its turn, on the cluster: long talks, shared models, budgets."""

import json
from typing import Any

from tests.e2e.cluster import Namespace, eventually, horos
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel

TURNS = 20
QUESTIONS = (
    "Tell me one thing about the sea.",
    "What colour is the sky at noon?",
    "Name an animal that can fly.",
    "What do people eat for breakfast?",
)
BACKGROUND = (
    "I ask because I am writing a book for children, with short texts and large pictures, and for each page"
    " of it I need one thing that is true, that a child of six can understand, and that I can draw."
)
"""However briefly the model answers, twenty such questions do not fit into its window."""


def model_config(namespace: Namespace, called: str, **spec: Any) -> None:
    namespace.apply(
        {
            "apiVersion": "horos.dev/v1alpha1",
            "kind": "ModelConfig",
            "metadata": {"name": called},
            "spec": spec,
        }
    )


def test_the_local_model_talks_for_twenty_turns_and_its_context_is_compacted(namespace: Namespace) -> None:
    spec = {
        "instructions": "You are a friendly assistant. Answer in one short sentence.",
        "model": {"contextWindowTokens": 1024, "maxOutputTokens": 64},
        "tools": {"builtin": []},
    }
    namespace.apply(
        {"apiVersion": "horos.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "talker"}, "spec": spec}
    )
    namespace.until_ready("talker")
    for turn in range(TURNS):
        question = f"Question {turn + 1}: {QUESTIONS[turn % len(QUESTIONS)]} {BACKGROUND}"
        assert namespace.ask("talker", question).strip(), f"no answer to question {turn + 1}"
    records = namespace.records("talker")
    assert sum(record["role"] == "user" for record in records) == TURNS
    assert any(record["role"] == "compaction" for record in records)
    compactions = [event for event in namespace.told("talker") if event.get("name") == "compaction"]
    assert compactions
    printed = horos("history", "talker", "-n", namespace.name).stdout
    assert "Question 1:" in printed
    namespace.kubectl("delete", "agent", "talker", "--timeout=60s")


def test_a_missing_model_config_is_named_and_heals_when_it_comes(
    namespace: Namespace, model: ScriptedModel
) -> None:
    model.play({"text": "from the shared model"}, repeat="last")
    namespace.apply(
        {
            "apiVersion": "horos.dev/v1alpha1",
            "kind": "Agent",
            "metadata": {"name": "sharer"},
            "spec": {"model": {"configName": "shared"}, "idleSeconds": 0},
        }
    )
    found = eventually(
        "the condition names it",
        lambda: (c := namespace.condition("sharer", "Ready")).get("reason") == "ModelConfigMissing" and c,
    )
    assert "shared" in found["message"]
    model_config(namespace, "shared", baseUrl=model.base_url, name="first-model")
    before = namespace.until_ready("sharer")
    assert "from the shared model" in namespace.ask("sharer", "Hello")
    model_config(namespace, "shared", baseUrl=model.base_url, name="second-model")
    eventually(
        "the next turn asks the other model",
        lambda: namespace.ask("sharer", "Again") and model.requests()[-1]["model"] == "second-model",
    )
    (after,) = namespace.pods_of("sharer")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    namespace.kubectl("create", "secret", "generic", "shared-key", "--from-literal=apiKey=sk-shared-0001")
    reference = {"name": "shared-key", "key": "apiKey"}
    model_config(namespace, "shared", baseUrl=model.base_url, name="second-model", apiKeySecretRef=reference)
    eventually(
        "a new pod reads the key",
        lambda: (
            (pods := namespace.pods_of("sharer")) and pods[0]["metadata"]["uid"] != before["metadata"]["uid"]
        ),
    )
    namespace.until_ready("sharer")
    assert "from the shared model" in namespace.ask("sharer", "With a key")
    namespace.kubectl("delete", "agent", "sharer", "--timeout=60s")


def test_a_budget_of_the_day_stops_the_agent_and_everybody_is_told_when_it_starts_anew(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"text": "expensive words"}, repeat="last")
    agent("penny", budget={"tokensPerDay": 1})
    namespace.until_ready("penny")
    assert "expensive words" in namespace.ask("penny", "One call is always possible")
    asked = len(model.requests())
    refused = horos("send", "penny", "And another?", "-n", namespace.name, "--wait", check=False)
    assert refused.returncode == 1
    assert "budget.tokensPerDay" in refused.stderr
    assert "T00:00:00Z" in refused.stderr
    assert len(model.requests()) == asked
    found = eventually(
        "the condition says so",
        lambda: (c := namespace.condition("penny", "BudgetExhausted")).get("status") == "True" and c,
    )
    assert "T00:00:00Z" in found["message"]
    assert "budget" in horos("describe", "penny", "-n", namespace.name).stdout.lower()
    agent("penny", budget={"tokensPerDay": 1_000_000})
    namespace.until_seen("penny")
    assert "expensive words" in namespace.ask("penny", "Richer now")
    status = namespace.get("agent", "penny")["status"]
    assert len(json.dumps(status)) < 2048


def test_the_fallback_answers_while_the_first_model_is_away(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"text": "the second one speaks"}, repeat="last")
    agent(
        "plan-b",
        model={
            "name": "away",
            "baseUrl": "http://127.0.0.1:9/v1",
            "fallbacks": [{"name": "scripted", "baseUrl": model.base_url}],
        },
    )
    namespace.until_ready("plan-b")
    assert "the second one speaks" in namespace.ask("plan-b", "Is anybody there?")
    assert model.requests()[-1]["model"] == "scripted"
