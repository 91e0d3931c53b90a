"""What a pool's quota should be, and what its status says."""

import pytest

from horos_api.agent_pools import AgentPoolStatus
from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts, agent_pool_facts, quota_body
from horos_operator.pool_plan import (
    ChangeQuota,
    CreateQuota,
    DeleteQuota,
    PoolCounts,
    pool_status,
    quota_step,
)
from tests.controller.facts import NOW, agent_pool, quota

CLASS = "horos-agents"
COUNTS = PoolCounts(running=1, queued=3, hibernated=5, over=False)
UNREADABLE = agent_pool_facts(
    {
        "metadata": {
            "namespace": "research",
            "name": "default",
            "uid": "uid-of-pool",
            "resourceVersion": "1",
        },
        "spec": {"maxRunning": -1},
    }
)


def test_a_pool_gets_its_quota_and_keeps_it() -> None:
    body = quota_body(agent_pool(), 2, CLASS)
    assert quota_step(agent_pool(), None, CLASS) == CreateQuota(body)
    assert quota_step(agent_pool(), quota(), CLASS) is None
    for hard in (1, 3, None):
        edited = quota(hard=hard)
        assert quota_step(agent_pool(), edited, CLASS) == ChangeQuota(edited, body)


@pytest.mark.parametrize(
    "other",
    [quota(priority_class="x"), quota(owner_uid="earlier"), quota(name="y")],
    ids=["class", "owner", "name"],
)
def test_a_quota_that_counts_for_something_else_is_made_anew(other: QuotaFacts) -> None:
    assert quota_step(agent_pool(), other, CLASS) == DeleteQuota(other)


def test_without_pool_or_priority_class_there_is_no_quota() -> None:
    for pool, priority_class in ((None, CLASS), (agent_pool(), "")):
        assert quota_step(pool, quota(), priority_class) == DeleteQuota(quota())
        assert quota_step(pool, None, priority_class) is None


def test_a_pool_that_cannot_be_read_keeps_its_quota() -> None:
    assert quota_step(UNREADABLE, quota(), CLASS) is None
    assert quota_step(UNREADABLE, None, CLASS) is None


def ready(pool: AgentPoolFacts, known: QuotaFacts | None, refusal: str = "", *, over: bool = False) -> str:
    counts = PoolCounts(1, 0, 0, over)
    (condition,) = pool_status(pool, known, counts, refusal, NOW)["conditions"]
    return f"{condition['status']}:{condition['reason']}"


def test_ready_says_who_holds_the_limit() -> None:
    assert ready(agent_pool(), quota()) == "True:Enforced"
    assert ready(agent_pool(), quota(), over=True) == "True:LoweredBelowUse"
    assert ready(agent_pool(), None) == "True:NoPriorityClass"
    assert ready(agent_pool(), None, "no right to") == "False:QuotaRefused"
    assert ready(UNREADABLE, quota()) == "False:InvalidSpec"


def test_the_status_counts_and_is_one_that_the_schema_takes() -> None:
    status = pool_status(agent_pool(), quota(used=1), COUNTS, "", NOW)
    assert {name: status[name] for name in ("running", "queued", "hibernated", "quota")} == {
        "running": 1,
        "queued": 3,
        "hibernated": 5,
        "quota": {"name": "horos-agents", "hard": 2, "used": 1},
    }
    AgentPoolStatus.model_validate(status, by_alias=True, by_name=False)
    assert "quota" not in pool_status(agent_pool(), quota(used=None), COUNTS, "", NOW)
