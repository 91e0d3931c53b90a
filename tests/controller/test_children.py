"""Which children an agent may have: each refusal says the field, its value and what is expected."""

from typing import Any

import orjson
import pytest

from horos_bus.operating import OrderKind, SocietyOrder
from horos_operator.children import Birth, Nursery, Refusal, birth, ending
from horos_operator.facts import AgentFacts
from horos_operator.family import line_of
from horos_operator.founding import GROUPS_AT_MOST, Founding, founding
from horos_operator.models import Configs
from tests.controller.facts import FACTORY, agent, configs, group, model_config, spec

TOOLS = ["send", "ask", "create_agent", "create_group", "terminate_agent"]
SERVERS = [{"name": "docs", "url": "http://docs/mcp"}, {"name": "time", "command": ["t"]}]
EVERYTHING = {
    "instructions": "You lead.",
    "model": {
        "name": "big",
        "baseUrl": "http://big/v1",
        "apiKeySecretRef": {"name": "llm", "key": "k"},
        "responseSchema": {"type": "object"},
    },
    "tools": {"builtin": TOOLS, "servers": SERVERS},
    "priority": 7,
    "idleSeconds": 60,
    "image": "tools:1",
    "imagePullSecrets": [{"name": "pull"}],
    "env": [{"name": "A", "value": "1"}],
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "resources": {"limits": {"memory": "1Gi"}},
    "budget": {"toolRounds": 3, "tokensPerDay": 1000, "costPerDay": "5", "children": 2, "depth": 2},
}


def lead(**changes: Any) -> AgentFacts:
    """A parent that has one of everything; `spec` changes fields of its manifest."""
    fields: dict[str, Any] = {**EVERYTHING, **changes.pop("spec", {})}
    return agent(spec(**fields), **{"name": "lead", "uid": "uid-of-lead", **changes})


def order(kind: OrderKind = OrderKind.CREATE_AGENT, /, name: str = "kid", **said: Any) -> SocietyOrder:
    return SocietyOrder(
        id="1-0",
        kind=kind,
        agent="lead",
        uid="uid-of-lead",
        mid="lead/7-0/3.1",
        thread="main",
        hops=1,
        name=name,
        body=orjson.dumps({"name": name, **said}),
    )


def asked(
    of: SocietyOrder, parent: AgentFacts, *others: AgentFacts, known: Configs | None = None
) -> Birth | Refusal:
    """Decide, with `others` as all other Agents of the namespace."""
    by_name = {each.name: each for each in (parent, *others)}
    siblings = [each for each in others if each.owner_uid == parent.uid]
    return birth(of, Nursery(parent, line_of(parent, by_name.get), siblings, known or {}), FACTORY)


def child_of(decided: Birth | Refusal) -> dict[str, Any]:
    assert isinstance(decided, Birth), decided
    made: dict[str, Any] = decided.manifest["spec"]
    return made


def test_the_smallest_child_is_what_its_parent_is_and_may_make_nobody() -> None:
    decided = asked(order(instructions="Be a kid."), lead())
    assert isinstance(decided, Birth)
    inherited = lead().spec
    assert inherited is not None
    rest = inherited.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert decided.manifest == {
        "apiVersion": "horos.dev/v1alpha1",
        "kind": "Agent",
        "metadata": {
            "name": "kid",
            "namespace": "research",
            "labels": {"horos.dev/root": "lead"},
            "annotations": {"horos.dev/order": "lead/7-0/3.1"},
            "finalizers": ["horos.dev/bus"],
            "ownerReferences": [
                {
                    "apiVersion": "horos.dev/v1alpha1",
                    "kind": "Agent",
                    "name": "lead",
                    "uid": "uid-of-lead",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            **rest,
            "instructions": "Be a kid.",
            "model": {
                "name": "big",
                "baseUrl": "http://big/v1",
                "apiKeySecretRef": {"name": "llm", "key": "k"},
                "fallbacks": [],
            },
            "tools": {"builtin": ["send", "ask"], "servers": rest["tools"]["servers"]},
            "lifetime": "Permanent",
            "ttlSecondsAfterFinished": 3600,
            "parentName": "lead",
            "budget": {**rest["budget"], "depth": 1},
        },
    }


def test_a_child_has_what_is_said_of_it() -> None:
    said = {
        "task": "Count to three.",
        "tools": ["send", "create_agent"],
        "servers": ["time"],
        "tokensPerDay": 500,
        "costPerDay": "1.5",
    }
    made = child_of(asked(order(**said), lead()))
    assert made["lifetime"] == "Task"
    assert made["tools"]["builtin"] == ["send", "create_agent"]
    assert [each["name"] for each in made["tools"]["servers"]] == ["time"]
    assert (made["budget"]["tokensPerDay"], made["budget"]["costPerDay"]) == (500, "1.5")
    assert child_of(asked(order(task="x", lifetime="Permanent"), lead()))["lifetime"] == "Permanent"
    assert child_of(asked(order(lifetime="Task"), lead()))["lifetime"] == "Task"
    assert child_of(asked(order(servers=[]), lead()))["tools"]["servers"] == []


def test_a_grandchild_carries_the_name_of_the_root() -> None:
    parent = lead(owner_uid="uid-of-top", spec={"parentName": "top"})
    decided = asked(order(), parent, agent(name="top", uid="uid-of-top"))
    assert isinstance(decided, Birth)
    assert decided.manifest["metadata"]["labels"] == {"horos.dev/root": "top"}


def test_a_child_may_use_another_model_whose_key_its_parent_has() -> None:
    key = {"name": "llm", "key": "k"}
    known = configs(model_config("same", apiKeySecretRef=key), model_config("free"))
    for name in ("same", "free"):
        made = child_of(asked(order(modelConfig=name), lead(), known=known))
        assert made["model"] == {"configName": name, "fallbacks": []}


KID = agent(name="a", uid="uid-of-a", owner_uid="uid-of-lead")
TOP = agent(name="top", uid="uid-of-top")
LOCKED = configs(model_config("dear", apiKeySecretRef={"name": "vault", "key": "k"}))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"name": "Kid"}, "metadata.name 'Kid': "),
        ({"name": "k" * 53}, "expected at most 52"),
        ({"tools": ["fly"]}, "tools.0 'fly': Input should be 'send', 'ask'"),
        ({"tools": ["send", "send"]}, "tools ['send', 'send']: expected no value twice"),
        ({"tools": ["broadcast"]}, "tools broadcast: expected only tools that lead has: send, ask, create_"),
        ({"servers": ["mail"]}, "servers mail: expected only servers that lead has: docs, time"),
        ({"modelConfig": "huge"}, "modelConfig 'huge': expected one of dear"),
        ({"modelConfig": "dear"}, "modelConfig 'dear': it uses Secret vault, and lead does not"),
        ({"lifetime": "Forever"}, "lifetime 'Forever': Input should be 'Permanent' or 'Task'"),
        ({"tokensPerDay": 1001}, "tokensPerDay 1001: expected at most 1000, as lead has"),
        ({"tokensPerDay": 0}, "spec.budget.tokensPerDay 0: Input should be greater than or equal to 1"),
        ({"costPerDay": "5.01"}, "costPerDay 5.01: expected at most 5, as lead has"),
        ({"costPerDay": "much"}, "spec.budget.costPerDay 'much': String should match pattern"),
        ({"instructions": "x" * 65_537}, "String should have at most 65536 characters"),
        ({"task": "x" * 262_145}, "task: expected at most 262144 bytes, not 262145"),
        ({"wings": 2}, "wings 2: Extra inputs are not permitted"),
        ({"image": "evil:1"}, "image 'evil:1': Extra inputs are not permitted"),
    ],
)
def test_a_child_with_more_than_its_parent_is_refused(said: dict[str, Any], text: str) -> None:
    decided = asked(order(**said), lead(), known=LOCKED)
    assert isinstance(decided, Refusal)
    assert text in decided.text


@pytest.mark.parametrize(
    ("parent", "others", "text"),
    [
        (
            {"spec": {"operatingMode": "Suspended"}},
            (),
            "lead is Suspended; expected a parent that is Running",
        ),
        ({"spec": {"operatingMode": "Terminated"}}, (), "lead is over; expected a parent that is Running"),
        ({"status": {"state": "terminated"}}, (), "lead is over; expected a parent that is Running"),
        ({"deleting": True}, (), "lead is being deleted; expected a parent that is Running"),
        ({"spec": {"tools": {"builtin": ["send"]}}}, (), "lead may create no agents; expected create_agent"),
        ({"spec": {"parentName": "top"}}, (), "spec.parentName of lead: there is no Agent top"),
        (
            {"spec": {"budget": {"depth": 0}}},
            (),
            "name 'kid': it would be generation 1 below lead; expected at most 0 (budget.depth of lead)",
        ),
        (
            {"spec": {"parentName": "top"}},
            (agent(spec(budget={"depth": 1}), name="top"),),
            "name 'kid': it would be generation 2 below top; expected at most 1 (budget.depth of top)",
        ),
        (
            {"spec": {"budget": {"children": 1}}},
            (KID,),
            "name 'kid': lead has 1 children; expected fewer than 1 (budget.children)",
        ),
    ],
)
def test_a_parent_that_may_have_no_more_is_told_why(
    parent: dict[str, Any], others: tuple[AgentFacts, ...], text: str
) -> None:
    decided = asked(order(), lead(**parent), *others)
    assert isinstance(decided, Refusal)
    assert text in decided.text


def test_an_order_that_cannot_be_read_is_refused() -> None:
    for body, text in (
        (b"not json", "the order: Invalid JSON"),
        (b"[]", "the order []: "),
        (orjson.dumps({"name": "other"}), "name 'other': expected 'kid'"),
        (b"{}", "name: Field required"),
    ):
        said = order()
        decided = asked(
            SocietyOrder(
                said.id, said.kind, said.agent, said.uid, said.mid, said.thread, said.hops, said.name, body
            ),
            lead(),
        )
        assert isinstance(decided, Refusal)
        assert decided.text.startswith(text)


def test_a_spec_that_cannot_be_read_has_no_children() -> None:
    parent = agent(name="lead", uid="uid-of-lead", problem="spec.tools: wrong")
    unreadable = AgentFacts(**{**{f: getattr(parent, f) for f in parent.__slots__}, "spec": None})
    assert asked(order(), unreadable) == Refusal("the spec of lead cannot be read: spec.tools: wrong")


def test_only_a_parent_ends_an_agent() -> None:
    said = order(OrderKind.TERMINATE_AGENT)
    assert ending(said, lead(), KID) is None
    assert ending(said, None, KID) == "lead is gone"
    assert ending(said, lead(), None) == (
        "name 'kid': expected a child of lead, and there is no agent of this name"
    )
    assert (
        ending(said, lead(), TOP) == "name 'kid': expected a child of lead; only its parent can end an agent"
    )
    powerless = lead(spec={"tools": {"builtin": ["send", "create_agent"]}})
    assert ending(said, powerless, KID) == (
        "lead may end no agents; expected terminate_agent among its spec.tools.builtin"
    )


def founded(said: SocietyOrder, asker: AgentFacts | None, owned: int = 0) -> Founding | Refusal:
    return founding(said, asker, [group(f"g-{n}", owner_uid="uid-of-lead") for n in range(owned)])


def test_a_group_is_founded_and_goes_with_its_founder() -> None:
    said = order(OrderKind.CREATE_GROUP, "team", members=["ada", "bob"], wake="All")
    made = founded(said, lead(), GROUPS_AT_MOST - 1)
    assert isinstance(made, Founding)
    assert made.manifest["metadata"]["annotations"] == {"horos.dev/order": "lead/7-0/3.1"}
    assert made.manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-of-lead"
    assert made.manifest["spec"] == {"members": ["ada", "bob"], "wake": "All", "retainMessages": 10_000}


@pytest.mark.parametrize(
    ("said", "asker", "owned", "text"),
    [
        ({"members": []}, lead(), 0, "expected members, memberSelector, or both"),
        ({"members": ["Ada"]}, lead(), 0, "spec.members.0 'Ada': String should match pattern"),
        (
            {"members": ["ada"], "wake": "Some"},
            lead(),
            0,
            "wake 'Some': Input should be 'Mentioned' or 'All'",
        ),
        ({"members": ["ada"], "name": "no.dots"}, lead(), 0, "no.dots"),
        ({"members": ["ada"]}, lead(), GROUPS_AT_MOST, "lead owns 32 groups; expected fewer than 32"),
        ({"members": ["ada"]}, lead(spec={"tools": {"builtin": ["send"]}}), 0, "lead may create no groups"),
        ({"members": ["ada"]}, None, 0, "lead is gone"),
        ({"members": ["ada"]}, lead(deleting=True), 0, "lead is gone"),
    ],
)
def test_a_group_that_may_not_be_is_refused(
    said: dict[str, Any], asker: AgentFacts | None, owned: int, text: str
) -> None:
    name = said.pop("name", "team")
    decided = founded(order(OrderKind.CREATE_GROUP, name, **said), asker, owned)
    assert isinstance(decided, Refusal)
    assert text in decided.text
