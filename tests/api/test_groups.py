"""The Group resource, and the names of groups."""

from typing import Any

import pytest
from pydantic import ValidationError

from horos_api.crd import GROUP_KIND, definition
from horos_api.groups import Group
from horos_api.mentions import Wake
from horos_api.names import (
    agent_name_error,
    group_name_error,
    group_of_thread,
    group_thread,
    thread_name_error,
)
from tests.api.specs import EVERY_GROUP_FIELD


def group(spec: Any, name: str = "review") -> Group:
    head = {"apiVersion": "horos.dev/v1alpha1", "kind": "Group", "metadata": {"name": name}}
    return Group.from_manifest({**head, "spec": spec})


def error_of(spec: Any, name: str = "review") -> str:
    with pytest.raises(ValidationError) as caught:
        group(spec, name)
    (error,) = caught.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def test_a_group_needs_to_say_only_who_belongs_to_it() -> None:
    spec = group({"members": ["ada"]}).spec
    assert (spec.wake, spec.retain_messages, spec.member_selector) == (Wake.MENTIONED, 10_000, None)


def test_a_group_survives_reading_and_writing() -> None:
    assert group(EVERY_GROUP_FIELD).to_manifest()["spec"] == EVERY_GROUP_FIELD


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "spec: Value error, expected members, memberSelector, or both"),
        ({"members": []}, "spec: Value error, expected members, memberSelector, or both"),
        ({"members": ["ada", "ada"]}, "spec.members: Value error, expected no value twice"),
        ({"members": ["Ada"]}, "spec.members.0: String should match pattern"),
        ({"members": ["n" * 53]}, "spec.members.0: String should have at most 52 characters"),
        (
            {"members": [f"a{number}" for number in range(1001)]},
            "spec.members: Tuple should have at most 1000 items",
        ),
        ({"memberSelector": {}}, "spec.memberSelector.matchLabels: Field required"),
        (
            {"memberSelector": {"matchLabels": {}}},
            "spec.memberSelector.matchLabels: Value error, expected at least one label",
        ),
        (
            {"memberSelector": {"matchLabels": {"a b": ""}}},
            "spec.memberSelector.matchLabels: Value error, expected keys of labels, not 'a b'",
        ),
        ({"members": ["ada"], "wake": "Some"}, "spec.wake: Input should be 'Mentioned' or 'All'"),
        (
            {"members": ["ada"], "retainMessages": 0},
            "spec.retainMessages: Input should be greater than or equal to 1",
        ),
        ({"members": ["ada"], "retain": 5}, "spec.retain: Extra inputs are not permitted"),
    ],
)
def test_a_group_that_is_wrong_names_the_field(spec: Any, said: str) -> None:
    assert error_of(spec).startswith(said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("n" * 53, "has 53 characters; expected at most 52"),
        ("a.b", "is not a DNS label"),
        ("-a", "DNS label"),
    ],
)
def test_the_name_of_a_group_fits_into_a_thread(name: str, said: str) -> None:
    assert said in str(group_name_error(name))
    assert said in error_of({"members": ["ada"]}, name)


def test_a_group_has_a_thread_in_each_member() -> None:
    longest = "n" * 52
    assert agent_name_error(longest) is None, "a group can be called as an agent is"
    assert thread_name_error(group_thread(longest)) is None
    assert group_of_thread(group_thread(longest)) == longest
    assert [group_of_thread(each) for each in ("main", "group.", "group.A", "group", "review")] == [None] * 5


def test_columns_say_how_many_belong_to_it_and_what_is_wrong() -> None:
    version = definition(GROUP_KIND)["spec"]["versions"][0]
    columns = [each["name"] for each in version["additionalPrinterColumns"] if "priority" not in each]
    assert columns == ["Members", "Wake", "Ready", "Reason", "Age"]
