"""KubeCluster: the operator's requests to a real Kubernetes."""

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from horos_api.names import FIELD_MANAGER, GROUP, LABEL_COMPONENT, VERSION
from horos_api.resources import OperatingMode
from horos_operator.agent_pools import (
    AgentPoolFacts,
    QuotaFacts,
    agent_pool_facts,
    quota_facts,
)
from horos_operator.cluster import ClusterError, NameTakenError, OutdatedError, RefusedError
from horos_operator.facts import AgentFacts, PodFacts, agent_facts, pod_facts
from horos_operator.groups import GroupFacts, group_facts
from horos_operator.kube.connection import APPLY, JSON, MERGE_PATCH, KubeConnection, KubeError
from horos_operator.kube.quota_errors import no_room
from horos_operator.model_configs import ModelConfigFacts, model_config_facts
from horos_operator.tool_servers import ToolServerFacts, tool_server_facts

PAGE: Final = 500
AGENT_PODS: Final = f"labelSelector={quote(f'{LABEL_COMPONENT}=agent')}"
POOL_QUOTAS: Final = f"labelSelector={quote(f'{LABEL_COMPONENT}=quota')}"

_Told: TypeAlias = AgentFacts | ModelConfigFacts | ToolServerFacts | AgentPoolFacts | GroupFacts
"""What has a status of the operator's."""


class KubeCluster:
    """A `Cluster` that is the API server behind a connection. `namespaces` empty means all of them.

    `may_write` is called right before each request that changes something; what it raises, the caller gets.
    """

    def __init__(
        self,
        connection: KubeConnection,
        namespaces: Sequence[str] = (),
        may_write: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._may_write = may_write
        self._scopes = [f"/namespaces/{namespace}" for namespace in namespaces] or [""]

    async def agents(self) -> Sequence[AgentFacts]:
        """List every Agent that is served."""
        paths = [f"/apis/{GROUP}/{VERSION}{scope}/agents" for scope in self._scopes]
        return [agent_facts(item) for path in paths async for item in self._list(path)]

    async def pods(self) -> Sequence[PodFacts]:
        """List every pod of an agent."""
        paths = [f"/api/v1{scope}/pods?{AGENT_PODS}" for scope in self._scopes]
        return [pod_facts(item) for path in paths async for item in self._list(path)]

    async def model_configs(self) -> Sequence[ModelConfigFacts]:
        """List every ModelConfig; none where the cluster does not know the kind yet."""
        return [model_config_facts(item) async for item in self._shared("modelconfigs")]

    async def tool_servers(self) -> Sequence[ToolServerFacts]:
        """List every ToolServer; none where the cluster does not know the kind yet."""
        return [tool_server_facts(item) async for item in self._shared("toolservers")]

    async def agent_pools(self) -> Sequence[AgentPoolFacts]:
        """List every AgentPool; none where the cluster does not know the kind yet."""
        return [agent_pool_facts(item) async for item in self._shared("agentpools")]

    async def groups(self) -> Sequence[GroupFacts]:
        """List every Group; none where the cluster does not know the kind yet."""
        return [group_facts(item) async for item in self._shared("groups")]

    async def quotas(self) -> Sequence[QuotaFacts]:
        """List every ResourceQuota that the operator made for an AgentPool."""
        paths = [f"/api/v1{scope}/resourcequotas?{POOL_QUOTAS}" for scope in self._scopes]
        return [quota_facts(item) for path in paths async for item in self._list(path)]

    async def _shared(self, plural: str) -> AsyncIterator[Mapping[str, Any]]:
        """List a kind that is optional: an older release's CRDs may lack it."""
        try:
            for scope in self._scopes:
                async for item in self._list(f"/apis/{GROUP}/{VERSION}{scope}/{plural}"):
                    yield item
        except OutdatedError:
            return

    async def agent(self, namespace: str, name: str) -> AgentFacts | None:
        """Ask for one Agent, past all caches."""
        found = await self._get(_agent_path(namespace, name))
        return agent_facts(found) if found is not None else None

    async def group(self, namespace: str, name: str) -> GroupFacts | None:
        """Ask for one Group, past all caches."""
        found = await self._get(_own_path(namespace, "Group", name))
        return group_facts(found) if found is not None else None

    async def pod(self, namespace: str, name: str) -> PodFacts | None:
        """Ask for one pod, past all caches."""
        found = await self._get(_core_path(namespace, "pods", name))
        return pod_facts(found) if found is not None else None

    async def set_finalizers(self, agent: AgentFacts, finalizers: Sequence[str]) -> AgentFacts:
        """Write the finalizers; OutdatedError when the Agent is not as it was seen."""
        return agent_facts(await self._patch_finalizers("Agent", agent, finalizers))

    async def set_group_finalizers(self, group: GroupFacts, finalizers: Sequence[str]) -> GroupFacts:
        """Write the finalizers; OutdatedError when the Group is not as it was seen."""
        return group_facts(await self._patch_finalizers("Group", group, finalizers))

    async def _patch_finalizers(self, kind: str, of: AgentFacts | GroupFacts, left: Sequence[str]) -> Any:
        seen = {"uid": of.uid, "resourceVersion": str(of.version)}
        changed = {"metadata": {"finalizers": list(left), **seen}}
        path = f"{_own_path(of.namespace, kind, of.name)}?fieldManager={FIELD_MANAGER}"
        return await self._send("PATCH", path, changed, MERGE_PATCH)

    async def set_operating_mode(
        self, namespace: str, name: str, uid: str, mode: OperatingMode
    ) -> AgentFacts:
        """Write spec.operatingMode of this very Agent; the other fields stay their owners'."""
        changed = {"metadata": {"uid": uid}, "spec": {"operatingMode": mode.value}}
        path = f"{_agent_path(namespace, name)}?fieldManager={FIELD_MANAGER}"
        return agent_facts(await self._send("PATCH", path, changed, MERGE_PATCH))

    async def write_status(self, agent: AgentFacts, status: Mapping[str, Any]) -> AgentFacts:
        """Write the status as the operator's own; OutdatedError when the Agent is gone."""
        return agent_facts(await self._apply_status("Agent", agent, status))

    async def write_model_config_status(
        self, config: ModelConfigFacts, status: Mapping[str, Any]
    ) -> ModelConfigFacts:
        """Write the status as the operator's own; OutdatedError when the ModelConfig is gone."""
        return model_config_facts(await self._apply_status("ModelConfig", config, status))

    async def write_tool_server_status(
        self, server: ToolServerFacts, status: Mapping[str, Any]
    ) -> ToolServerFacts:
        """Write the status as the operator's own; OutdatedError when the ToolServer is gone."""
        return tool_server_facts(await self._apply_status("ToolServer", server, status))

    async def write_agent_pool_status(
        self, pool: AgentPoolFacts, status: Mapping[str, Any]
    ) -> AgentPoolFacts:
        """Write the status as the operator's own; OutdatedError when the AgentPool is gone."""
        return agent_pool_facts(await self._apply_status("AgentPool", pool, status))

    async def write_group_status(self, group: GroupFacts, status: Mapping[str, Any]) -> GroupFacts:
        """Write the status as the operator's own; OutdatedError when the Group is gone."""
        return group_facts(await self._apply_status("Group", group, status))

    async def _apply_status(self, kind: str, of: _Told, status: Mapping[str, Any]) -> Any:
        applied = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": kind,
            "metadata": {"name": of.name, "namespace": of.namespace, "uid": of.uid},
            "status": status,
        }
        path = f"{_own_path(of.namespace, kind, of.name)}/status?fieldManager={FIELD_MANAGER}&force=true"
        return await self._send("PATCH", path, applied, APPLY)

    async def create_pod(self, body: Mapping[str, Any]) -> PodFacts:
        """Create a pod; NameTakenError when there is one of this name, NoRoomError, RefusedError."""
        path = f"{_core_path(body['metadata']['namespace'], 'pods')}?fieldManager={FIELD_MANAGER}"
        return pod_facts(await self._send("POST", path, body, meant=_meant_of_a_pod))

    async def delete_pod(self, pod: PodFacts, *, force: bool = False) -> None:
        """Delete this very pod (by uid); it is no error when it is gone.

        `force`: without waiting for its node, which may be dead.
        """
        await self._delete(_core_path(pod.namespace, "pods", pod.name), pod.uid, force=force)

    async def create_quota(self, body: Mapping[str, Any]) -> QuotaFacts:
        """Create a ResourceQuota; NameTakenError when there is one of this name, RefusedError."""
        path = _core_path(body["metadata"]["namespace"], "resourcequotas")
        return quota_facts(await self._send("POST", f"{path}?fieldManager={FIELD_MANAGER}", body))

    async def change_quota(self, quota: QuotaFacts, body: Mapping[str, Any]) -> QuotaFacts:
        """Bring this very ResourceQuota to what `body` says; OutdatedError when it is not as it was seen."""
        metadata = {**body["metadata"], "uid": quota.uid, "resourceVersion": str(quota.version)}
        # The scope is immutable: whoever wants another one has to make the quota anew.
        changed = {"metadata": metadata, "spec": {"hard": body["spec"]["hard"]}}
        path = f"{_core_path(quota.namespace, 'resourcequotas', quota.name)}?fieldManager={FIELD_MANAGER}"
        return quota_facts(await self._send("PATCH", path, changed, MERGE_PATCH))

    async def delete_quota(self, quota: QuotaFacts) -> None:
        """Delete this very ResourceQuota (by uid); it is no error when it is gone."""
        await self._delete(_core_path(quota.namespace, "resourcequotas", quota.name), quota.uid)

    async def _delete(self, path: str, uid: str, *, force: bool = False) -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            **({"gracePeriodSeconds": 0} if force else {}),
        }
        try:
            await self._send("DELETE", path, options)
        except OutdatedError:
            # Gone, or another one has the name: this one is no more. Or somebody wrote it at that moment.
            there = await self._get(path)
            if there is not None and there["metadata"]["uid"] == uid:
                raise

    async def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Read a Secret that the operator made; None when it does not exist."""
        found = await self._get(_core_path(namespace, "secrets", name))
        if found is None:
            return None
        return {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}

    async def create_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Create a Secret; NameTakenError when somebody was faster."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {
                    LABEL_COMPONENT: name.removeprefix("horos-"),
                    "app.kubernetes.io/managed-by": FIELD_MANAGER,
                },
            },
            "type": "Opaque",
            "stringData": dict(data),
        }
        path = f"{_core_path(namespace, 'secrets')}?fieldManager={FIELD_MANAGER}"
        await self._send("POST", path, body)

    async def change_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Change keys of a Secret that the operator made."""
        path = f"{_core_path(namespace, 'secrets', name)}?fieldManager={FIELD_MANAGER}"
        await self._send("PATCH", path, {"stringData": dict(data)}, MERGE_PATCH)

    async def _list(self, path: str) -> AsyncIterator[Mapping[str, Any]]:
        """Page through a list, so that ten thousand objects are never in memory at once."""
        joint = "&" if "?" in path else "?"
        after = ""
        while True:
            page = await self._send("GET", f"{path}{joint}limit={PAGE}{after}")
            for item in page.get("items") or ():
                yield item
            following = page["metadata"].get("continue")
            if not following:
                return
            after = f"&continue={quote(following)}"

    async def _get(self, path: str) -> Mapping[str, Any] | None:
        try:
            return _checked(path, await self._connection.request("GET", path))
        except KubeError as error:
            if error.status == 404:
                return None
            raise translated(error) from error

    async def _send(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON,
        meant: Callable[[KubeError], ClusterError] | None = None,
    ) -> Any:
        if method != "GET":
            self._may_write()
        try:
            return _checked(path, await self._connection.request(method, path, body, content_type))
        except KubeError as error:
            raise (meant or translated)(error) from error


def _agent_path(namespace: str, name: str) -> str:
    return _own_path(namespace, "Agent", name)


def _own_path(namespace: str, kind: str, name: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{kind.lower()}s/{name}"


def _core_path(namespace: str, resource: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/{resource}" + (f"/{name}" if name else "")


def _checked(path: str, answer: Any) -> Mapping[str, Any]:
    """Take nothing for an answer of Kubernetes that some proxy before it has made up."""
    if not isinstance(answer, dict) or "metadata" not in answer:
        raise ClusterError(f"{path}: expected an object of Kubernetes, found {str(answer)[:200]!r}")
    return answer


def _meant_of_a_pod(error: KubeError) -> ClusterError:
    return no_room(error) or translated(error)


def translated(error: KubeError) -> ClusterError:
    """Say what an answer of the API server means to the operator."""
    if error.reason == "AlreadyExists":
        return NameTakenError(error.message)
    if error.status in {404, 409}:
        return OutdatedError(error.message)
    if error.status in {400, 403, 422}:
        return RefusedError(error.message)
    return ClusterError(error.message, error.retry_after)
