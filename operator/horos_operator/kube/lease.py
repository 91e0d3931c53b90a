"""The Lease that decides which operator leads, as the API server keeps it."""

import math
from collections.abc import Mapping
from typing import Any, Final

from horos_api.names import FIELD_MANAGER
from horos_operator.cluster import ClusterError
from horos_operator.kube.connection import JSON, MERGE_PATCH, KubeConnection, KubeError
from horos_operator.kube.requests import translated
from horos_operator.leadership import Lease

API: Final = "coordination.k8s.io/v1"


class KubeLease:
    """One Lease by namespace and name. Methods raise ClusterError."""

    def __init__(self, connection: KubeConnection, namespace: str, name: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._name = name
        self._path = f"/apis/{API}/namespaces/{namespace}/leases"

    async def read(self) -> Lease | None:
        """Ask the API server for the Lease; None when there is none."""
        try:
            return _lease(await self._connection.request("GET", f"{self._path}/{self._name}"))
        except KubeError as error:
            if error.status == 404:
                return None
            raise translated(error) from error

    async def write(self, lease: Lease) -> Lease:
        """Write it if it still has this version, or create it where the version is ''.

        NameTakenError and OutdatedError say that somebody else was faster.
        """
        metadata = {"name": self._name, "namespace": self._namespace}
        if lease.version:
            # A merge patch leaves labels and what later Kubernetes versions add alone.
            method, path, content_type = "PATCH", f"{self._path}/{self._name}", MERGE_PATCH
            metadata["resourceVersion"] = lease.version
        else:
            method, path, content_type = "POST", self._path, JSON
        body = {"apiVersion": API, "kind": "Lease", "metadata": metadata, "spec": _spec(lease)}
        try:
            path = f"{path}?fieldManager={FIELD_MANAGER}"
            return _lease(await self._connection.request(method, path, body, content_type))
        except KubeError as error:
            raise translated(error) from error


def _spec(lease: Lease) -> dict[str, Any]:
    return {
        "holderIdentity": lease.holder,
        "leaseDurationSeconds": max(1, math.ceil(lease.seconds)),
        "acquireTime": lease.acquired,
        "renewTime": lease.renewed,
        "leaseTransitions": lease.transitions,
    }


def _lease(body: Any) -> Lease:
    if not isinstance(body, Mapping) or "metadata" not in body:
        raise ClusterError(f"expected a Lease, found {str(body)[:200]!r}")
    spec = body.get("spec") or {}
    return Lease(
        version=body["metadata"]["resourceVersion"],
        holder=spec.get("holderIdentity") or "",
        seconds=float(spec.get("leaseDurationSeconds") or 0),
        acquired=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
    )
