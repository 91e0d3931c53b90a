"""The AgentPool resource, and what an Agent says of its place in one."""

from typing import Any

import pytest
from pydantic import ValidationError

from horos_api.agent_pools import AgentPool, EvictionPolicy
from horos_api.resources import Agent
from tests.api.specs import EVERY_POOL_FIELD


def pool(spec: Any, name: str = "default") -> AgentPool:
    return AgentPool.from_manifest(
        {
            "apiVersion": "horos.dev/v1alpha1",
            "kind": "AgentPool",
            "metadata": {"name": name},
            "spec": spec,
        }
    )


def error_of(spec: Any, name: str = "default") -> str:
    with pytest.raises(ValidationError) as caught:
        pool(spec, name)
    (error,) = caught.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def test_a_pool_needs_to_say_only_how_many() -> None:
    spec = pool({"maxRunning": 2}).spec
    assert (spec.max_running, spec.idle_seconds, spec.evict) == (2, 300, EvictionPolicy.IDLE_LONGEST)


def test_a_pool_survives_reading_and_writing() -> None:
    assert pool(EVERY_POOL_FIELD).to_manifest()["spec"] == EVERY_POOL_FIELD


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "spec.maxRunning: Field required"),
        ({"maxRunning": -1}, "spec.maxRunning: Input should be greater than or equal to 0"),
        ({"maxRunning": "2"}, "spec.maxRunning: Value error, expected a whole number"),
        ({"maxRunning": 2, "evict": "Always"}, "spec.evict: Input should be 'IdleLongest' or 'Never'"),
        ({"maxRunning": 2, "idleSeconds": 2_592_001}, "spec.idleSeconds: Input should be less than or equal"),
        ({"maxRunning": 2, "idle": 5}, "spec.idle: Extra inputs are not permitted"),
    ],
)
def test_a_pool_that_is_wrong_names_the_field(spec: Any, said: str) -> None:
    assert error_of(spec).startswith(said)


def test_a_namespace_has_one_pool() -> None:
    assert error_of({"maxRunning": 2}, "spare") == (
        ": Value error, a namespace has one AgentPool, and its name is default"
    )


def agent(**spec: Any) -> Agent:
    head = {"apiVersion": "horos.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "ada"}}
    return Agent.from_manifest({**head, "spec": spec})


def test_an_agent_that_says_nothing_waits_like_the_others_and_leaves_when_the_pool_says() -> None:
    spec = agent().spec
    assert (spec.priority, spec.idle_seconds, spec.parent_name) == (0, None, "")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"priority": 1001}, "Input should be less than or equal to 1000"),
        ({"priority": -1001}, "Input should be greater than or equal to -1000"),
        ({"idleSeconds": -1}, "Input should be greater than or equal to 0"),
        ({"idleSeconds": "5"}, "expected a whole number"),
        ({"parentName": "Lead"}, "String should match pattern"),
        ({"parentName": "n" * 53}, "String should have at most 52 characters"),
        ({"parentName": "ada"}, "spec.parentName: an agent is not its own parent"),
    ],
)
def test_an_agents_place_in_the_pool_is_checked(spec: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        agent(**spec)
