"""What a namespace's AgentPool wants: its ResourceQuota and its status. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from horos_api.conditions import ConditionType, Reason
from horos_api.names import QUOTA
from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts, quota_body
from horos_operator.verdict import Verdict, condition_entry, no, yes


@dataclass(frozen=True, slots=True)
class CreateQuota:
    """Make the quota."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChangeQuota:
    """Bring the quota to what the pool asks for."""

    quota: QuotaFacts
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeleteQuota:
    """Remove the quota: its pool is gone, or it counts something else than the agents' pods."""

    quota: QuotaFacts


QuotaStep: TypeAlias = CreateQuota | ChangeQuota | DeleteQuota


def quota_step(
    pool: AgentPoolFacts | None, quota: QuotaFacts | None, priority_class: str
) -> QuotaStep | None:
    """Say what is to be done about the quota; None: nothing.

    What it counts cannot be changed, only made anew. A pool that cannot be read keeps the quota that it has.
    """
    if pool is None or not priority_class:
        return DeleteQuota(quota) if quota is not None else None
    if pool.spec is None:
        return None
    body = quota_body(pool, pool.spec.max_running, priority_class)
    if quota is None:
        return CreateQuota(body)
    if quota.name != QUOTA or quota.priority_class != priority_class or quota.owner_uid != pool.uid:
        return DeleteQuota(quota)
    return ChangeQuota(quota, body) if quota.hard != pool.spec.max_running else None


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """How the pool's agents stand. `over`: more run than it allows."""

    running: int
    queued: int
    hibernated: int
    over: bool


def pool_status(
    pool: AgentPoolFacts,
    quota: QuotaFacts | None,
    counts: PoolCounts,
    refusal: str,
    now: float,
) -> dict[str, Any]:
    """Build the status; `refusal` is why the quota cannot be as it should, '' when it can."""
    counted = quota is not None and quota.allowed is not None and quota.used is not None
    return {
        "running": counts.running,
        "queued": counts.queued,
        "hibernated": counts.hibernated,
        **(
            {"quota": {"name": quota.name, "hard": quota.allowed, "used": quota.used}}
            if quota is not None and counted
            else {}
        ),
        "conditions": [condition_entry(ConditionType.READY, _ready(pool, quota, counts, refusal), pool, now)],
    }


def _ready(pool: AgentPoolFacts, quota: QuotaFacts | None, counts: PoolCounts, refusal: str) -> Verdict:
    if pool.spec is None:
        return no(Reason.INVALID_SPEC, pool.problem)
    if refusal:
        return no(Reason.QUOTA_REFUSED, f"{refusal}; the operator alone holds the limit")
    if counts.over:
        message = f"more agents run than maxRunning ({pool.spec.max_running}) allows; idle ones leave first"
        return yes(Reason.LOWERED_BELOW_USE, message)
    if quota is None:
        message = (
            "pods of agents have no PriorityClass that a quota could count; the operator holds the limit"
        )
        return yes(Reason.NO_PRIORITY_CLASS, message)
    return yes(Reason.ENFORCED, f"ResourceQuota {quota.name} allows {pool.spec.max_running} pods of agents")
