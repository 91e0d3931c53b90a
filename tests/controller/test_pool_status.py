"""The duty that keeps quotas and tells statuses, with a cluster that remembers what it was asked."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts, quota_facts
from horos_operator.cluster import ClusterError, NameTakenError, NotLeadingError, OutdatedError, RefusedError
from horos_operator.kube.cluster import KubeCluster
from horos_operator.observe import Caches
from horos_operator.pool_status import PoolStatuses
from horos_operator.pools import Standing
from tests.controller.facts import NOW, agent, agent_pool, pod, quota, spec

CLASS = "horos-agents"


class Quotas(KubeCluster):
    """Makes quotas and takes statuses; `fails` is what the next request raises."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told: list[Mapping[str, Any]] = []
        self.fails: ClusterError | None = None

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.fails is not None:
            raise self.fails

    async def create_quota(self, body: Mapping[str, Any]) -> QuotaFacts:
        self._ask("create")
        return quota_facts({**body, "metadata": {**body["metadata"], "uid": "q", "resourceVersion": "2"}})

    async def change_quota(self, quota: QuotaFacts, body: Mapping[str, Any]) -> QuotaFacts:
        self._ask("change")
        return dataclasses.replace(quota, hard=int(body["spec"]["hard"]["pods"]), version=quota.version + 1)

    async def delete_quota(self, quota: QuotaFacts) -> None:
        self._ask("delete")

    async def write_agent_pool_status(
        self, pool: AgentPoolFacts, status: Mapping[str, Any]
    ) -> AgentPoolFacts:
        self._ask("status")
        self.told.append(status)
        return dataclasses.replace(pool, status=status, version=pool.version + 1)


class Duty:
    def __init__(self) -> None:
        self.now, self.cluster, self.caches = NOW, Quotas(), Caches()
        self.standing = Standing(running=1, queued=2, unborn=1)
        self.statuses = PoolStatuses(
            self.cluster, self.caches, CLASS, lambda _: self.standing, lambda: self.now
        )

    async def look(self) -> list[str]:
        """What is asked of the cluster in one round."""
        self.cluster.asked.clear()
        await self.statuses.look()
        return list(self.cluster.asked)

    def ready(self) -> tuple[str, str]:
        (condition,) = self.cluster.told[-1]["conditions"]
        return condition["reason"], condition["message"]


@pytest.fixture
def duty() -> Duty:
    made = Duty()
    made.caches.put_pool(agent_pool())
    return made


async def test_a_quota_is_made_changed_and_removed(duty: Duty) -> None:
    assert await duty.look() == ["create", "status"]
    assert duty.ready()[0] == "Enforced"
    assert await duty.look() == []
    duty.now += 5
    known = duty.caches.pools.pool("research")
    assert known is not None
    duty.caches.put_pool(
        dataclasses.replace(agent_pool(maxRunning=9), version=known.version + 1, status=known.status)
    )
    assert await duty.look() == ["change", "status"]
    duty.caches.drop_pool(agent_pool())
    assert await duty.look() == ["delete"]
    assert await duty.look() == []
    assert duty.caches.pools.namespaces() == set()


async def test_a_quota_that_somebody_edits_or_removes_is_repaired(duty: Duty) -> None:
    await duty.look()
    made = duty.caches.pools.quota("research")
    assert made is not None
    duty.caches.put_quota(dataclasses.replace(made, hard=99, version=9))
    assert await duty.look() == ["change"]
    duty.caches.drop_quota(made)
    assert (await duty.look())[0] == "create"


async def test_what_cannot_be_made_is_told_and_tried_again_later(duty: Duty) -> None:
    duty.cluster.fails = NameTakenError("exists")
    assert await duty.look() == ["create", "status"]
    duty.cluster.fails = None
    assert await duty.look() == ["status"]
    reason, message = duty.ready()
    assert reason == "QuotaRefused"
    assert "not the operator's" in message
    duty.now += 10
    duty.cluster.fails = RefusedError("quotas are forbidden")
    assert (await duty.look())[0] == "create"
    duty.cluster.fails = None
    duty.now += 10
    assert await duty.look() == ["create", "status"]
    assert duty.ready()[0] == "Enforced"


async def test_a_clock_that_is_put_back_keeps_nobody_waiting(duty: Duty) -> None:
    duty.cluster.fails = RefusedError("quotas are forbidden")
    await duty.look()
    duty.cluster.fails = None
    duty.now -= 3600
    assert await duty.look() == ["create", "status"]


async def test_the_status_counts_agents_and_is_written_no_more_often_than_each_five_seconds(
    duty: Duty,
) -> None:
    for name, fields in (
        ("a", {}),
        ("b", {}),
        ("c", {}),
        ("d", {}),
        ("e", {}),
        ("s", {"operatingMode": "Suspended"}),
    ):
        duty.caches.put_agent(agent(spec(**fields), name=name, uid=f"uid-of-{name}"))
    duty.caches.put_pod(pod("a-1", agent="a", owner_uid="uid-of-a"))
    await duty.look()
    told = duty.cluster.told[-1]
    # Of five that are not suspended one runs, two have work and wait, one was never awake.
    assert (told["running"], told["queued"], told["hibernated"]) == (1, 2, 1)
    duty.standing = Standing(running=2, queued=1, unborn=1)
    assert await duty.look() == []
    duty.now += 5
    assert await duty.look() == ["status"]


async def test_a_pool_that_is_gone_meanwhile_and_one_that_fails_keep_nobody_up(duty: Duty) -> None:
    other = dataclasses.replace(agent_pool(), namespace="a-first", uid="uid-of-other")
    duty.caches.put_pool(other)
    duty.cluster.fails = OutdatedError("gone")
    assert await duty.look() == ["create", "create"]
    for pool in (other, agent_pool()):
        assert pool.spec is not None
        hard = pool.spec.max_running
        kept = quota(namespace=pool.namespace, uid=f"of-{pool.uid}", owner_uid=pool.uid, hard=hard)
        duty.caches.put_quota(kept)
    assert await duty.look() == ["status", "status"]
    for each in list(duty.caches.pools):
        if isinstance(each, QuotaFacts):
            duty.caches.drop_quota(each)
    duty.cluster.fails = ClusterError("overloaded")
    assert await duty.look() == ["create", "create"]
    duty.cluster.fails = NotLeadingError("somebody else may lead")
    with pytest.raises(NotLeadingError):
        await duty.look()


async def test_without_a_priority_class_there_is_no_quota_and_that_is_told() -> None:
    cluster, caches = Quotas(), Caches()
    caches.put_pool(agent_pool())
    caches.put_quota(quota())
    statuses = PoolStatuses(cluster, caches, "", lambda _: None, lambda: NOW)
    await statuses.look()
    assert cluster.asked == ["delete", "status"]
    assert cluster.told[-1]["conditions"][0]["reason"] == "NoPriorityClass"


async def test_a_quota_that_is_made_anew_is_not_told_as_one_that_cannot_be(duty: Duty) -> None:
    duty.caches.put_pool(agent_pool(maxRunning=3))
    duty.caches.put_quota(quota(owner_uid="of-an-earlier-pool", hard=3))
    assert await duty.look() == ["delete"]
    assert await duty.look() == ["create", "status"]
    assert duty.ready()[0] == "Enforced"
