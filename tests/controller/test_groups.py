"""Who belongs to a group, what is to be done about it and what its status says: pure, one sentence a test."""

import dataclasses
from typing import Any

import pytest

from horos_api.groups import GroupStatus
from horos_api.mentions import MEMBERS_AT_MOST
from horos_api.names import FINALIZER
from horos_operator.facts import AgentFacts
from horos_operator.groups import (
    AddFinalizer,
    DeleteKeys,
    GroupFacts,
    GroupSeen,
    Membership,
    Project,
    RemoveFinalizer,
    digest_of,
    group_status,
    membership,
    plan,
    those_there,
)
from horos_operator.observe import Caches
from tests.controller.facts import NOW, agent, group

SELECTED = {"memberSelector": {"matchLabels": {"team": "x", "role": "judge"}}}
BOTH = Membership({"ada": "uid-of-ada", "bob": "uid-of-bob"})


def agents(*names: str, **changes: Any) -> list[AgentFacts]:
    return [agent(name=name, uid=f"uid-of-{name}", **changes) for name in names]


def belongs(spec: Any, *there: AgentFacts) -> Membership:
    asked = group(spec=spec).spec
    assert asked is not None
    return membership(asked, those_there(there))


def test_who_is_named_and_exists_belongs_to_it_and_who_does_not_exist_is_missing() -> None:
    found = belongs({"members": ["zoe", "bob", "ada"]}, *agents("ada", "bob", "cyd"))
    assert found == Membership({"ada": "uid-of-ada", "bob": "uid-of-bob"}, ("zoe",))


def test_who_has_all_the_labels_belongs_to_it() -> None:
    (whole,) = agents("ada", labels={"team": "x", "role": "judge", "more": ""})
    (half,) = agents("bob", labels={"team": "x"})
    (other,) = agents("cyd", labels={"team": "x", "role": "guest"})
    assert belongs(SELECTED, whole, half, other) == Membership({"ada": "uid-of-ada"})


def test_names_and_labels_add_up_and_nobody_is_in_it_twice() -> None:
    judges = agents("ada", "cyd", labels={"team": "x", "role": "judge"})
    found = belongs({"members": ["bob", "ada"], **SELECTED}, *judges, *agents("bob"))
    assert list(found.members) == ["ada", "bob", "cyd"]


def test_who_is_being_deleted_has_left() -> None:
    assert belongs({"members": ["ada"]}, *agents("ada", deleting=True)) == Membership({}, ("ada",))


def test_of_too_many_those_that_are_named_come_first_and_then_it_goes_by_name() -> None:
    labels = {"team": "x", "role": "judge"}
    crowd = agents(*(f"a{number:04}" for number in range(MEMBERS_AT_MOST + 2)), labels=labels)
    found = belongs({"members": ["zoe"], **SELECTED}, *crowd, *agents("zoe"))
    assert (len(found.members), found.left_out) == (MEMBERS_AT_MOST, 3)
    assert "zoe" in found.members
    assert {"a0998", "a0999"} & found.members.keys() == {"a0998"}


def known(of: GroupFacts | None = None, found: Membership | None = BOTH, **changes: Any) -> GroupSeen:
    """A group that the bus knows, of which this operator remembers what it told."""
    it = of or group()
    projected = digest_of(it, found) if found and it.spec else ""
    return dataclasses.replace(GroupSeen(it, found, it.uid, projected), **changes)


def test_where_all_is_as_it_should_be_there_is_nothing_to_do() -> None:
    assert plan(known()) == ()


def test_a_new_group_gets_its_finalizer_before_there_is_anything_to_remove() -> None:
    new = group(finalizers=())
    digest = digest_of(new, BOTH)
    assert plan(known(new, on_bus="", projected="")) == (AddFinalizer(), Project(BOTH, digest, new=True))


def test_whoever_does_not_remember_tells_the_bus_once_more() -> None:
    assert plan(known(projected="")) == (Project(BOTH, digest_of(group(), BOTH), new=False),)


def test_keys_that_redis_has_lost_are_made_anew() -> None:
    assert plan(known(on_bus="")) == (Project(BOTH, digest_of(group(), BOTH), new=True),)


def test_what_an_earlier_group_of_the_name_has_left_goes_first() -> None:
    digest = digest_of(group(), BOTH)
    assert plan(known(on_bus="earlier")) == (DeleteKeys("earlier"), Project(BOTH, digest, new=True))


@pytest.mark.parametrize(
    "spec", [{"members": ["ada", "bob"], "wake": "All"}, {"members": ["ada", "bob"], "retainMessages": 7}]
)
def test_each_field_that_the_bus_needs_is_told_when_it_changes(spec: Any) -> None:
    before = digest_of(group(), BOTH)
    (step,) = plan(known(group(spec=spec), projected=before))
    assert isinstance(step, Project) and step.digest != before


def test_an_agent_that_was_made_anew_is_another_member() -> None:
    anew = Membership({**BOTH.members, "ada": "second-life"})
    (step,) = plan(known(found=anew, projected=digest_of(group(), BOTH)))
    assert step == Project(anew, digest_of(group(), anew), new=False)


def test_a_group_that_is_deleted_loses_its_keys_before_its_finalizer() -> None:
    assert plan(known(group(deleting=True))) == (DeleteKeys(group().uid), RemoveFinalizer())
    # Also where the bus was asked too early to know of them.
    assert plan(known(group(deleting=True), on_bus="")) == (DeleteKeys(group().uid), RemoveFinalizer())
    others = (*group().finalizers, "somebody.else/x")
    assert plan(known(group(deleting=True, finalizers=others)))[1:] == (RemoveFinalizer(),)


def test_a_group_that_is_deleted_and_let_go_is_left_alone() -> None:
    assert plan(known(group(deleting=True, finalizers=("somebody.else/x",)))) == ()


def test_without_a_bus_nothing_is_told_and_nothing_let_go() -> None:
    assert plan(known(problem="down", on_bus="")) == ()
    assert plan(known(group(deleting=True), problem="down")) == ()
    assert plan(known(group(finalizers=()), problem="down", on_bus="")) == (AddFinalizer(),)


def test_a_spec_that_cannot_be_read_changes_nothing() -> None:
    wrong = group(spec={"members": "ada"}, finalizers=())
    assert "spec.members" in wrong.problem
    assert plan(known(wrong, None)) == ()
    assert plan(known(dataclasses.replace(wrong, finalizers=(FINALIZER,), deleting=True), None)) == (
        DeleteKeys(wrong.uid),
        RemoveFinalizer(),
    )


def test_the_whole_status_of_a_group() -> None:
    found = Membership({"ada": "uid-of-ada"}, ("bob",))
    made = group_status(known(found=found), NOW)
    assert made == {
        "members": ["ada"],
        "memberCount": 1,
        "missing": ["bob"],
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "MembersMissing",
                "message": "not there (yet): bob",
                "observedGeneration": 1,
                "lastTransitionTime": "1970-01-12T13:46:40Z",
            }
        ],
    }
    GroupStatus.model_validate(made, by_alias=True, by_name=False)


MANY = tuple(f"a{number}" for number in range(8))


@pytest.mark.parametrize(
    ("seen", "answer"),
    [
        (known(), ("True", "MembersPresent", "every member exists")),
        (
            known(found=Membership({"zoe": "u"}, MANY)),
            ("True", "MembersMissing", "not there (yet): a0, a1, a2, a3, a4 and 3 more"),
        ),
        (known(found=Membership({}, ("ada",))), ("False", "NoMembers", "no member exists: ada")),
        (known(group(spec=SELECTED), Membership()), ("False", "NoMembers", "no Agent is selected")),
        (
            known(found=Membership({"ada": "u"}, (), 3)),
            (
                "False",
                "TooManyMembers",
                "a group has at most 1000 members; 3 that fit are left out, last by name",
            ),
        ),
        (known(problem="no answer"), ("False", "BusUnavailable", "no answer")),
        (
            known(group(spec={}), None),
            ("False", "InvalidSpec", "spec: Value error, expected members, memberSelector, or both"),
        ),
    ],
)
def test_the_condition_says_what_is_wrong(seen: GroupSeen, answer: tuple[str, str, str]) -> None:
    (told,) = group_status(seen, NOW)["conditions"]
    assert (told["status"], told["reason"], told["message"]) == answer


def test_of_a_spec_that_cannot_be_read_the_last_members_are_still_told() -> None:
    before = {"members": ["ada"], "memberCount": 1, "missing": ["bob"], "conditions": []}
    told = group_status(known(group(spec={}, status=before), None), NOW)
    assert {name: told[name] for name in ("members", "memberCount", "missing")} == {
        "members": ["ada"],
        "memberCount": 1,
        "missing": ["bob"],
    }


def test_only_what_membership_depends_on_is_a_reason_to_look() -> None:
    caches = Caches()
    caches.groups.put(group())

    def looked_at(change: Any) -> bool:
        before = caches.groups.revision("research")
        change()
        return caches.groups.revision("research") != before

    assert looked_at(lambda: caches.put_agent(agent(version=1)))
    assert not looked_at(lambda: caches.put_agent(agent(version=2, status={"state": "running"})))
    assert not looked_at(lambda: caches.put_agent(agent(version=3, generation=2)))
    assert looked_at(lambda: caches.put_agent(agent(version=4, labels={"team": "x"})))
    assert looked_at(lambda: caches.put_agent(agent(version=5, labels={"team": "x"}, deleting=True)))
    assert looked_at(lambda: caches.drop_agent(agent()))
    assert not looked_at(lambda: caches.put_agent(agent(name="eve", namespace="elsewhere", uid="eve")))
    assert not looked_at(lambda: caches.groups.put(group())), "it is known already"
    assert not looked_at(lambda: caches.groups.remember(group(version=2))), "an answer to our own"
    assert looked_at(lambda: caches.groups.put(group(version=3)))
    assert looked_at(lambda: caches.groups.drop(group()))
    assert not looked_at(lambda: caches.groups.put(group(version=4))), "it is gone"
    assert (caches.groups.namespaces(), caches.groups._revisions) == (set(), {}), "nothing is kept of them"


def test_a_list_without_the_group_drops_it_and_a_later_one_shows_it_again() -> None:
    caches = Caches()
    caches.groups.put(group())
    assert caches.versions() == {group().uid: 1}
    caches.forget_missing(caches.uids(), frozenset())
    assert caches.groups.of("research") == []
    caches.groups.put(group())
    assert caches.groups.of("research") == [group()]
