"""A node that only its heartbeat makes real: pods are bound to it, and the harness plays its kubelet."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

from tests.faults.api import MERGE, Api

BEAT_SECONDS: Final = 10.0
TAINT: Final = "horos.dev/fake"
LABEL: Final = "horos.dev/faults"
_LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


@contextlib.asynccontextmanager
async def fake_node(api: Api, name: str) -> AsyncIterator[str]:
    """Have the node beside the block; pods land on it that select and tolerate it (`placement`)."""
    await api.ask("POST", "/api/v1/nodes", _node(name))
    try:
        await api.ask("PATCH", f"/api/v1/nodes/{name}/status", {"status": _status()}, MERGE)
        await api.ask("POST", _LEASES, _lease(name))
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(_beat(api, name))
            await _until_ready(api, name)
            yield name
            beating.cancel()
    finally:
        await api.remove(f"/api/v1/nodes/{name}")
        await api.remove(f"{_LEASES}/{name}")


def placement(node: str) -> dict[str, Any]:
    """The part of an Agent's spec that puts its pods on the node."""
    return {
        "nodeSelector": {LABEL: node},
        "tolerations": [{"key": TAINT, "operator": "Exists", "effect": "NoSchedule"}],
    }


async def _beat(api: Api, name: str) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        await api.ask("PATCH", f"{_LEASES}/{name}", {"spec": {"renewTime": _now()}}, MERGE)
        await api.ask("PATCH", f"/api/v1/nodes/{name}/status", {"status": _status()}, MERGE)


async def _until_ready(api: Api, name: str) -> None:
    """Wait until the cluster has taken away the taint of a node that has only just come."""
    async with asyncio.timeout(30):
        while True:
            node = await api.find(f"/api/v1/nodes/{name}")
            assert node is not None
            if [taint["key"] for taint in node["spec"].get("taints", ())] == [TAINT]:
                return
            await asyncio.sleep(0.1)


def _node(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {LABEL: name, "kubernetes.io/os": "linux"}},
        "spec": {"taints": [{"key": TAINT, "value": "true", "effect": "NoSchedule"}]},
    }


def _status() -> dict[str, Any]:
    room = {"cpu": "1000", "memory": "4Ti", "pods": "5000", "ephemeral-storage": "4Ti"}
    return {
        "capacity": room,
        "allocatable": room,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "HarnessReady",
                "message": "the harness plays its kubelet",
                "lastHeartbeatTime": _now().split(".", maxsplit=1)[0] + "Z",
                "lastTransitionTime": _now().split(".", maxsplit=1)[0] + "Z",
            }
        ],
    }


def _lease(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": _now()},
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
