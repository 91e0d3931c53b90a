"""ResourceQuotas: what is built for a pool, and what is read of whatever somebody made of it."""

from typing import Any

import pytest

from horos_operator.agent_pools import quota_body, quota_facts
from tests.controller.facts import agent_pool


def stored(**changes: Any) -> dict[str, Any]:
    """What the API server makes of a quota that was just built."""
    body = quota_body(agent_pool(), 3, "horos-agents")
    metadata = {**body["metadata"], "uid": "quota-uid", "resourceVersion": "7"}
    return {**body, "metadata": metadata, **changes}


def test_what_is_built_is_read_back() -> None:
    facts = quota_facts(stored())
    assert (facts.namespace, facts.name, facts.owner_uid) == ("research", "horos-agents", "uid-of-pool")
    assert (facts.hard, facts.priority_class) == (3, "horos-agents")
    assert (facts.allowed, facts.used) == (None, None), "the API server has not counted yet"


def test_what_the_api_server_counts_is_read() -> None:
    facts = quota_facts(stored(status={"hard": {"pods": "2k"}, "used": {"pods": "1999"}}))
    assert (facts.allowed, facts.used) == (2000, 1999)


@pytest.mark.parametrize(
    "spec",
    [
        {"hard": {"pods": "3"}},
        {"hard": {"pods": "3"}, "scopes": ["BestEffort"]},
        {
            "hard": {"pods": "3"},
            "scopeSelector": {
                "matchExpressions": [
                    {"scopeName": "PriorityClass", "operator": "In", "values": ["horos-agents", "other"]}
                ]
            },
        },
        {
            "hard": {"pods": "3"},
            "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]},
        },
    ],
)
def test_a_quota_that_counts_other_pods_too_is_not_taken_for_ours(spec: dict[str, Any]) -> None:
    facts = quota_facts(stored(spec=spec))
    assert (facts.hard, facts.priority_class) == (3, "")


@pytest.mark.parametrize("hard", [{}, {"pods": "many"}, {"cpu": "3"}, None])
def test_a_quota_that_says_nothing_of_pods(hard: Any) -> None:
    assert quota_facts(stored(spec={"hard": hard})).hard is None
