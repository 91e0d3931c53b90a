"""Where an agent stands among its relatives, what keeps it from a pod, and whom a change stirs."""

from typing import Any

import pytest

from horos_api.budget_fields import MOST_DEPTH
from horos_api.conditions import Reason
from horos_operator.facts import AgentFacts
from horos_operator.family import Family, line_of, lives
from horos_operator.observe import Caches
from tests.controller.facts import agent, spec


def one(name: str, parent: str = "", /, *, created: float = 0.0, **changes: Any) -> AgentFacts:
    """An Agent of the family; `spec` holds fields of its manifest."""
    fields: dict[str, Any] = changes.pop("spec", {})
    owner = f"uid-of-{parent}" if parent else ""
    usual = {"name": name, "uid": f"uid-of-{name}", "owner_uid": owner, "created": created}
    return agent(spec(parentName=parent, **fields), **{**usual, **changes})


def caches(*agents: AgentFacts) -> Caches:
    made = Caches()
    for each in agents:
        made.put_agent(each)
    return made


def family(of: AgentFacts, *others: AgentFacts) -> Family:
    return caches(of, *others).family(of)


LEAD, DEP, KID = one("lead"), one("dep", "lead"), one("kid", "dep")


def test_a_line_of_parents_ends_at_its_root() -> None:
    assert family(LEAD, DEP, KID) == Family(children=1)
    assert family(KID, LEAD, DEP) == Family(DEP, "lead")
    assert family(DEP, LEAD, KID) == Family(LEAD, "lead", children=1)


def test_an_agent_that_a_person_has_written_belongs_to_whoever_it_names() -> None:
    new = one("new", "lead", owner_uid="")
    assert family(new, LEAD) == Family(LEAD, "lead")
    assert family(LEAD, new).children == 1


@pytest.mark.parametrize(
    ("of", "others", "message"),
    [
        (DEP, (), "spec.parentName of dep: there is no Agent lead"),
        (KID, (DEP,), "spec.parentName of dep: there is no Agent lead"),
        (
            DEP,
            (one("lead", uid="another"),),
            "spec.parentName of dep: the Agent lead that it was a child of is gone",
        ),
        (
            DEP,
            (one("lead", deleting=True),),
            "spec.parentName of dep: the Agent lead is being deleted, and its children with it",
        ),
    ],
)
def test_without_its_line_of_parents_it_gets_no_pod(
    of: AgentFacts, others: tuple[AgentFacts, ...], message: str
) -> None:
    found = family(of, *others)
    assert found.trouble == (Reason.PARENT_MISSING, message)
    assert found.root == "", "what the bus knows of its root stays as it is"


def test_parents_in_a_circle_are_named() -> None:
    ring = [one("a", "c", owner_uid=""), one("b", "a", owner_uid=""), one("c", "b", owner_uid="")]
    below = one("below", "a", owner_uid="")
    known = caches(*ring, below)
    message = "spec.parentName: its parents run in a circle: "
    assert known.family(ring[0]).trouble == (Reason.PARENT_CYCLE, message + "a → c → b → a")
    assert known.family(below).trouble == (Reason.PARENT_CYCLE, message + "a → c → b → a")
    assert known.family(ring[0]).parent is None, "who owns each other in a circle is never deleted"


def test_each_ancestor_says_how_deep_it_may_go() -> None:
    lead = one("lead", spec={"budget": {"depth": 1}})
    assert family(DEP, lead).trouble is None
    assert family(KID, lead, DEP).trouble == (
        Reason.TOO_DEEP,
        "lead allows 1 generations below it (budget.depth); this one is 2",
    )
    dep = one("dep", "lead", spec={"budget": {"depth": 0}})
    assert family(KID, LEAD, dep).trouble == (
        Reason.TOO_DEEP,
        "dep allows 0 generations below it (budget.depth); this one is 1",
    )


def test_nobody_looks_further_up_than_anybody_may_allow() -> None:
    deep = {"budget": {"depth": MOST_DEPTH}}
    known = {
        each.name: each
        for each in (one(f"a-{number}", f"a-{number - 1}", spec=deep) for number in range(1, 1000))
    } | {"a-0": one("a-0", spec=deep)}
    looked_at: list[str] = []

    def find(name: str) -> AgentFacts | None:
        looked_at.append(name)
        return known.get(name)

    assert line_of(known["a-16"], find).trouble is None
    looked_at.clear()
    found = line_of(known["a-999"], find)
    assert found.trouble is not None and found.trouble[0] is Reason.TOO_DEEP
    assert len(looked_at) <= MOST_DEPTH + 2


def test_the_youngest_are_too_many_until_an_older_one_ends() -> None:
    lead = one("lead", spec={"budget": {"children": 2}})
    old, mid, new = (one(name, "lead", created=when) for when, name in enumerate(("z", "y", "x")))
    known = caches(lead, old, mid, new)
    assert [known.family(each).trouble for each in (old, mid)] == [None, None]
    assert known.family(new).trouble == (
        Reason.TOO_MANY_CHILDREN,
        "lead may have 2 children at a time (budget.children); 2 are older",
    )
    assert known.family(lead).children == 3
    for ended in (
        {"deleting": True},
        {"status": {"state": "terminated"}},
        {"spec": {"operatingMode": "Terminated"}},
    ):
        gone = one("z", "lead", created=0, version=2, **ended)
        assert not lives(gone)
        assert family(new, lead, gone, mid).trouble is None
        assert family(lead, gone, mid, new).children == 2


def test_who_was_born_by_an_order_was_counted_then() -> None:
    lead = one("lead", spec={"budget": {"children": 1}})
    old = one("old", "lead")
    assert family(one("new", "lead", created=1, order="lead/1-0/1.0"), lead, old).trouble is None
    assert family(one("new", "lead", created=1), lead, old).trouble is not None


def test_children_of_an_earlier_life_of_the_name_are_none_of_its_own() -> None:
    lead = one("lead", uid="second-life", spec={"budget": {"children": 1}})
    mine = one("mine", "lead", owner_uid="second-life", created=9)
    assert family(lead, DEP, mine).children == 1
    assert family(mine, lead, DEP).trouble is None


def keys(*names: str) -> set[tuple[str, str]]:
    return {("research", name) for name in names}


def test_whoever_comes_stirs_its_descendants_and_its_parent() -> None:
    known = caches(KID)
    assert known.stirred() == keys("dep")
    known.put_agent(LEAD)
    assert known.stirred() == set()
    known.put_agent(DEP)
    assert known.stirred() == keys("lead", "kid")
    assert known.stirred() == set()


@pytest.mark.parametrize(
    "change",
    [{"deleting": True}, {"spec": {"budget": {"depth": 1}}}, {"spec": {"budget": {"children": 1}}}],
)
def test_a_change_that_relatives_look_at_stirs_them_and_no_other_does(change: dict[str, Any]) -> None:
    known = caches(LEAD, DEP, KID)
    known.stirred()
    known.put_agent(one("lead", version=2, generation=2, spec={"instructions": "other"}))
    assert known.stirred() == set()
    known.put_agent(one("lead", version=3, generation=3, **change))
    assert known.stirred() == keys("dep", "kid")


def test_who_ends_makes_room_for_its_siblings() -> None:
    known = caches(LEAD, DEP, one("other", "lead"))
    known.stirred()
    known.put_agent(one("dep", "lead", version=2, status={"state": "terminated"}))
    assert known.stirred() == keys("lead", "other")
    known.drop_agent(one("lead"))
    assert known.stirred() == keys("dep", "other")
    assert known.children(("research", "lead")) != [], "they still name it as their parent"
    for name in ("dep", "other"):
        known.drop_agent(one(name, "lead"))
    assert known.children(("research", "lead")) == []


def test_who_was_born_by_an_order_waits_for_no_siblings_place() -> None:
    born = [one(name, "lead", order=f"lead/1-0/{name}") for name in ("dep", "other")]
    known = caches(LEAD, *born, one("written", "lead"))
    known.stirred()
    known.put_agent(one("dep", "lead", version=2, order=born[0].order, status={"state": "terminated"}))
    assert known.stirred() == keys("lead", "written")


def test_parents_in_a_circle_stir_each_other_once() -> None:
    known = caches(one("a", "b"), one("b", "a"))
    assert known.stirred() == keys("a", "b")
    known.drop_agent(one("a", "b"))
    assert known.stirred() == keys("b")
