"""Families as the gateway tells them: every agent once, behind its parent, with what its family used."""

import pytest

from horos_api.agent_state import AgentState
from horos_bus.agent_view import AgentView
from horos_bus.records import DayUsage, TotalUsage
from horos_gateway.tree import tree_body

NOW = 20_000 * 86_400.0


def one(name: str, parent: str = "", **more: object) -> AgentView:
    usual = {
        "name": name,
        "uid": f"uid-{name}",
        "state": AgentState.IDLE,
        "holder": "",
        "epoch": 1,
        "turn": "",
        "thread": "",
        "version": 1,
        "reason": "",
        "message": "",
        "waiting": 0,
        "evict": False,
        "in_work": False,
        "parent": parent,
    }
    return AgentView(**{**usual, **more})


def listed(*views: AgentView) -> list[str]:
    return [each.name for each in tree_body({view.name: view for view in views}, {}, NOW).items]


def test_each_agent_stands_behind_its_parent():
    assert listed(one("c", "a"), one("b"), one("d", "c"), one("a"), one("e", "a")) == [
        "a",
        "c",
        "d",
        "e",
        "b",
    ]


def test_whose_parent_is_gone_and_who_runs_in_a_circle_are_told_too():
    assert listed(one("b", "gone"), one("a", "b")) == ["b", "a"]
    assert listed(one("a", "c"), one("b", "a"), one("c", "b"), one("z")) == ["z", "a", "b", "c"]


def test_a_family_may_have_any_number_of_generations():
    line = [f"a{number}" for number in range(3000)]
    assert listed(*(one(name, parent) for name, parent in zip(line, ["", *line], strict=False))) == line


def test_a_root_tells_what_its_family_used_today():
    usage = TotalUsage(today=DayUsage(20_000, 5, 0), descendants=DayUsage(20_000, 37, 0))
    (told,) = tree_body({"a": one("a", usage=usage)}, {}, NOW).items
    assert told.family_tokens_today == 42
    (tomorrow,) = tree_body({"a": one("a", usage=usage)}, {}, NOW + 86_400).items
    assert tomorrow.family_tokens_today == 0


async def test_the_tree_of_a_namespace(space):
    await space.agent("lead")
    assert await space.control.create("kid", "uid-kid", "lead", "lead") == "OK"
    await space.control.terminate("kid", "uid-kid")
    answer = await space.http.get(space.agents_url.removesuffix("agents") + "tree")
    assert answer.status_code == 200, answer.text
    lead, kid = answer.json()["items"]
    assert (lead["name"], lead["parent"], lead["root"], lead["children"], lead["endedAt"]) == (
        *("lead", "", ""),
        ["kid"],
        None,
    )
    assert (kid["name"], kid["parent"], kid["root"], kid["state"]) == ("kid", "lead", "lead", "terminated")
    assert kid["endedAt"]


async def test_a_namespace_without_agents_has_no_families(space):
    answer = await space.http.get(space.agents_url.removesuffix("agents") + "tree")
    assert answer.json() == {"items": []}


@pytest.mark.parametrize("path", ["tree?depth=1"])
async def test_what_it_does_not_know_is_refused(space, path):
    answer = await space.http.get(space.agents_url.removesuffix("agents") + path)
    assert answer.status_code == 400
    assert "depth" in answer.json()["detail"]
