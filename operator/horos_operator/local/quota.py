"""How a LocalCluster counts pods against its ResourceQuotas, as the API server does. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from horos_operator.cluster import NoRoomError
from horos_operator.local.store import Body


def counted(quota: Body, pods: Iterable[Body]) -> int:
    """Count the pods that a quota holds: those of its priority class that have not ended."""
    metadata, classes = quota["metadata"], _classes(quota)
    return sum(
        pod["metadata"]["namespace"] == metadata["namespace"]
        and pod["spec"].get("priorityClassName", "") in classes
        and (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}
        for pod in pods
    )


def _classes(quota: Body) -> list[str]:
    """Read whose pods it counts from its scope, which the operator has written."""
    scopes = quota["spec"]["scopeSelector"]["matchExpressions"]
    return [name for scope in scopes for name in scope["values"]]


def quota_status(quota: Body, pods: Iterable[Body]) -> dict[str, Any]:
    """Build the status of a quota."""
    hard: Mapping[str, str] = quota["spec"]["hard"]
    return {"hard": dict(hard), "used": {"pods": str(counted(quota, pods))}}


def make_room(pod: Body, quotas: Iterable[Body], pods: Iterable[Body]) -> None:
    """Raise NoRoomError when a quota of the namespace has no room for this new pod."""
    there = list(pods)
    for quota in quotas:
        name, used, hard = (
            quota["metadata"]["name"],
            counted(quota, there),
            int(quota["spec"]["hard"]["pods"]),
        )
        if counted(quota, [pod]) and used + 1 > hard:
            asked = f"requested: pods=1, used: pods={used}, limited: pods={hard}"
            message = f'pods "{pod["metadata"]["name"]}" is forbidden: exceeded quota: {name}, {asked}'
            raise NoRoomError(message, f"ResourceQuota {name} has no room for another pod")
