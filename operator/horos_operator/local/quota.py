"""How a LocalCluster counts pods against its ResourceQuotas, as the API server does. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from horos_operator.agent_pools import quota_facts
from horos_operator.cluster import NoRoomError
from horos_operator.local.store import Body


def counted(quota: Body, pods: Iterable[Body]) -> int:
    """Count the pods that a quota holds: those of its priority class that have not ended."""
    metadata, priority_class = quota["metadata"], quota_facts(quota).priority_class
    return sum(
        pod["metadata"]["namespace"] == metadata["namespace"]
        and pod["spec"].get("priorityClassName", "") == priority_class
        and (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}
        for pod in pods
    )


def quota_status(quota: Body, pods: Iterable[Body]) -> dict[str, Any]:
    """Build the status of a quota."""
    hard: Mapping[str, str] = quota["spec"]["hard"]
    return {"hard": dict(hard), "used": {"pods": str(counted(quota, pods))}}


def make_room(pod: Body, quotas: Iterable[Body], pods: Iterable[Body]) -> None:
    """Raise NoRoomError when a quota of the namespace has no room for this new pod."""
    there = list(pods)
    for quota in quotas:
        name, used, hard = quota["metadata"]["name"], counted(quota, there), quota_facts(quota).hard
        if hard is not None and counted(quota, [pod]) and used + 1 > hard:
            asked = f"requested: pods=1, used: pods={used}, limited: pods={hard}"
            message = f'pods "{pod["metadata"]["name"]}" is forbidden: exceeded quota: {name}, {asked}'
            raise NoRoomError(message, f"ResourceQuota {name} has no room for another pod")
