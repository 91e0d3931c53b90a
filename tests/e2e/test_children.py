"""A lead and its children: born by order, waited for without a pod, and gone when the lead goes."""

import json
from contextlib import ExitStack
from typing import Any

from tests.e2e.cluster import Namespace, eventually, horos, redis
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel

NAMES = ("ann", "ben", "cem")
TOOLS = {"builtin": ["send", "ask", "create_agent", "terminate_agent"]}


def raising(*names: str) -> list[dict[str, Any]]:
    """The calls that have a child created for each name, with a task of its own."""
    said = [
        {"name": name, "instructions": f"You are {name}.", "task": f"Your word, {name}?"} for name in names
    ]
    return [{"name": "create_agent", "arguments": each} for each in said]


def births(asked: str, *names: str) -> tuple[dict[str, Any], ...]:
    """What the lead's model answers to a person that asks it to raise children."""
    matching = {"match": {"text": asked}}
    return {**matching, "toolCalls": raising(*names)}, {**matching, "text": "I wait for them."}


def words(*names: str, **how: Any) -> list[dict[str, Any]]:
    """What the children's model answers."""
    return [{"match": {"text": f"Your word, {name}?"}, "text": f"word of {name}", **how} for name in names]


def heard(times: int) -> list[dict[str, Any]]:
    """What the lead's model answers to answers of children; how many of them come at once is open."""
    reply = {"match": {"pattern": "answer of agent"}}
    return [{**reply, "text": f"that was part {number + 1}"} for number in range(times)]


def families(namespace: Namespace) -> dict[str, dict[str, Any]]:
    listed = json.loads(horos("tree", "-n", namespace.name, "-o", "json").stdout)
    return {each["name"]: each for each in listed}


def keys_of(namespace: Namespace) -> list[str]:
    found = redis("--scan", "--pattern", f"horos:*{{{namespace.name}}}:a:*").split()
    return [key for key in found if key]


def test_a_lead_waits_without_a_pod_for_three_children_and_answers_once(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play(*births("Ask your team", *NAMES), *words(*NAMES, holdStart=True), *heard(3))
    agent("lead", tools=TOOLS, idleSeconds=1)
    namespace.until_ready("lead")
    with namespace.asking("lead", "Ask your team") as asking:
        eventually("three children are born", lambda: len(namespace.all("agents")) == 4)
        for name in NAMES:
            born = namespace.get("agent", name)
            (owner,) = born["metadata"]["ownerReferences"]
            assert (owner["kind"], owner["name"], owner["controller"]) == ("Agent", "lead", True)
            assert born["metadata"]["labels"]["horos.dev/root"] == "lead"
            assert (born["spec"]["parentName"], born["spec"]["lifetime"]) == ("lead", "Task")
            assert "create_agent" not in born["spec"]["tools"]["builtin"]
        # The two requests of the lead, and one of each child, which the model keeps waiting.
        model.until_asked(5)
        eventually("the lead has no pod while it waits", lambda: not namespace.pods_of("lead"))
        lead = families(namespace)["lead"]
        assert (lead["residency"], lead["owed"], lead["children"]) == ("hibernated", 1, list(NAMES))
        assert not asking.ended
        for _ in NAMES:
            model.step()
        assert "that was part" in asking.answer()
    last = model.requests()[-1]["messages"]
    for name in NAMES:
        assert any(f"word of {name}" in str(message["content"]) for message in last)
    replies = [event for event in namespace.told("lead") if event.get("name") == "reply"]
    assert len(replies) == 1, "the person is answered once"
    eventually(
        "the children have done their tasks",
        lambda: {families(namespace)[name]["state"] for name in NAMES} == {"terminated"},
    )
    for name in NAMES:
        eventually(
            f"{name} is done", lambda name=name: namespace.condition(name, "Ready")["reason"] == "TaskDone"
        )
    eventually("nobody counts as a child", lambda: not namespace.get("agent", "lead")["status"]["children"])
    namespace.kubectl("delete", "agent", "lead", "--timeout=60s")
    eventually("its children are gone", lambda: not namespace.all("agents"))
    eventually("their pods are gone", lambda: not namespace.all("pods", "horos.dev/agent"))
    assert keys_of(namespace) == []


def test_two_parents_in_a_pool_of_one_both_end_answered(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    teams = {"left": ("dee", "eli"), "right": ("fay", "gus")}
    model.play(
        *(reply for lead, names in teams.items() for reply in births(f"Ask for {lead}", *names)),
        *words(*(name for names in teams.values() for name in names)),
        *heard(4),
    )
    pool = {"apiVersion": "horos.dev/v1alpha1", "kind": "AgentPool", "metadata": {"name": "default"}}
    namespace.apply({**pool, "spec": {"maxRunning": 1}})
    try:
        with ExitStack() as stack:
            for lead in teams:
                agent(lead, tools=TOOLS, idleSeconds=60)
            for lead in teams:
                eventually(f"{lead} is known", lambda lead=lead: namespace.condition(lead, "Accepted"))
            asking = [stack.enter_context(namespace.asking(lead, f"Ask for {lead}")) for lead in teams]
            for each in asking:
                assert "that was part" in each.answer()
        assert {each["metadata"]["name"] for each in namespace.all("agents")} == {
            *teams,
            *(name for names in teams.values() for name in names),
        }
    finally:
        namespace.kubectl("delete", "agentpool", "default", "--ignore-not-found")


def test_a_child_with_more_than_its_parent_is_refused_and_the_model_is_told(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    wish = {"name": "hal", "instructions": "x", "task": "y", "tools": ["broadcast"]}
    model.play(
        {
            "match": {"text": "Raise one"},
            "toolCalls": [{"name": "create_agent", "arguments": wish}],
        },
        {"match": {"text": "Raise one"}, "text": "Asked."},
        {"match": {"text": "was not created"}, "text": "It was refused."},
    )
    agent("boss", tools=TOOLS)
    namespace.until_ready("boss")
    assert "It was refused." in namespace.ask("boss", "Raise one")
    told = str(model.requests()[-1]["messages"][-1]["content"])
    assert "tools broadcast: expected only tools that boss has: send, ask, create_agent" in told
    assert "hal" not in {each["metadata"]["name"] for each in namespace.all("agents")}


def test_an_agent_that_names_a_parent_gets_its_owner_and_waits_for_it(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"text": "Hello."}, repeat="last")
    agent("young", parentName="old", idleSeconds=0)
    eventually(
        "it waits for its parent", lambda: namespace.condition("young", "Ready")["reason"] == "ParentMissing"
    )
    assert not namespace.pods_of("young")
    agent("old", idleSeconds=0)
    namespace.until_ready("young")
    (owner,) = namespace.get("agent", "young")["metadata"]["ownerReferences"]
    assert owner["uid"] == namespace.get("agent", "old")["metadata"]["uid"]
    namespace.kubectl("delete", "agent", "old", "--timeout=60s")
    eventually(
        "it goes with its parent",
        lambda: "young" not in {each["metadata"]["name"] for each in namespace.all("agents")},
    )
