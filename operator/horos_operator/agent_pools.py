"""AgentPools and their ResourceQuotas as the operator remembers them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from horos_api.agent_pools import AgentPoolSpec
from horos_api.names import API_VERSION, FIELD_MANAGER, LABEL_COMPONENT, QUOTA
from horos_operator.shared_objects import SharedFacts, shared_facts

AgentPoolFacts: TypeAlias = SharedFacts[AgentPoolSpec]
"""An AgentPool as the API server last showed it."""


@dataclass(frozen=True, slots=True)
class QuotaFacts:
    """A ResourceQuota that the operator made, as the API server last showed it.

    `hard` is what it asks for, None when it says nothing of pods; `allowed` and `used` are what the API
    server counts by, None while it has not counted yet. `priority_class` is '' when it counts others, too.
    """

    namespace: str
    name: str
    uid: str
    version: int
    owner_uid: str
    priority_class: str
    hard: int | None
    allowed: int | None
    used: int | None


def agent_pool_facts(body: Mapping[str, Any]) -> AgentPoolFacts:
    """Read an AgentPool; a spec that pydantic refuses becomes `problem`, with the field named."""
    return shared_facts(body, AgentPoolSpec)


def quota_facts(body: Mapping[str, Any]) -> QuotaFacts:
    """Read a ResourceQuota, whatever somebody has made of it."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    owners = metadata.get("ownerReferences") or ()
    return QuotaFacts(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        owner_uid=next((each["uid"] for each in owners if each.get("controller")), ""),
        priority_class=_priority_class(spec),
        hard=_pods(spec.get("hard")),
        allowed=_pods(status.get("hard")),
        used=_pods(status.get("used")),
    )


def quota_body(pool: AgentPoolFacts, hard: int, priority_class: str) -> dict[str, Any]:
    """Build the ResourceQuota that holds a pool's limit: it counts pods of this class that have not ended."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {
            "name": QUOTA,
            "namespace": pool.namespace,
            "labels": {LABEL_COMPONENT: "quota", "app.kubernetes.io/managed-by": FIELD_MANAGER},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "AgentPool",
                    "name": pool.name,
                    "uid": pool.uid,
                    "controller": True,
                }
            ],
        },
        "spec": {"hard": {"pods": str(hard)}, "scopeSelector": _selector(priority_class)},
    }


def _selector(priority_class: str) -> dict[str, Any]:
    asked = {"scopeName": "PriorityClass", "operator": "In", "values": [priority_class]}
    return {"matchExpressions": [asked]}


def _priority_class(spec: Mapping[str, Any]) -> str:
    """The one class whose pods are counted."""
    selector = spec.get("scopeSelector") or {}
    values = [name for each in selector.get("matchExpressions") or () for name in each.get("values") or ()]
    if len(values) != 1 or selector != _selector(values[0]) or spec.get("scopes"):
        return ""
    return str(values[0])


def _pods(counted: Mapping[str, Any] | None) -> int | None:
    """Read a count of pods; Kubernetes writes 2000 as `2k`."""
    text = str((counted or {}).get("pods", ""))
    factor = 1000 if text.endswith("k") else 1
    number = text.removesuffix("k")
    return int(number) * factor if number.isdecimal() else None
