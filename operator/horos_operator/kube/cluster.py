"""KubeCluster: the operator's requests to a real Kubernetes."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from horos_api.names import FIELD_MANAGER, GROUP, LABEL_COMPONENT, LABEL_ROOT, VERSION
from horos_api.resources import OperatingMode
from horos_operator.agent_pools import (
    AgentPoolFacts,
    QuotaFacts,
    agent_pool_facts,
    quota_facts,
)
from horos_operator.cluster import ClusterError, OutdatedError
from horos_operator.facts import AgentFacts, PodFacts, agent_facts, pod_facts
from horos_operator.family import owner_reference
from horos_operator.groups import GroupFacts, group_facts
from horos_operator.kube.connection import APPLY, MERGE_PATCH, KubeError
from horos_operator.kube.paths import core_path, own_path
from horos_operator.kube.quota_errors import no_room
from horos_operator.kube.requests import KubeRequests, translated
from horos_operator.model_configs import ModelConfigFacts, model_config_facts
from horos_operator.tool_servers import ToolServerFacts, tool_server_facts

AGENT_PODS: Final = f"labelSelector={quote(f'{LABEL_COMPONENT}=agent')}"
POOL_QUOTAS: Final = f"labelSelector={quote(f'{LABEL_COMPONENT}=quota')}"

_Told: TypeAlias = AgentFacts | ModelConfigFacts | ToolServerFacts | AgentPoolFacts | GroupFacts
"""What has a status of the operator's."""


class KubeCluster(KubeRequests):
    """A `Cluster` that is the API server behind a connection. `namespaces` empty means all of them.

    `may_write` is called right before each request that changes something; what it raises, the caller gets.
    """

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
        found = await self._get(own_path(namespace, "Agent", name))
        return agent_facts(found) if found is not None else None

    async def group(self, namespace: str, name: str) -> GroupFacts | None:
        """Ask for one Group, past all caches."""
        found = await self._get(own_path(namespace, "Group", name))
        return group_facts(found) if found is not None else None

    async def pod(self, namespace: str, name: str) -> PodFacts | None:
        """Ask for one pod, past all caches."""
        found = await self._get(core_path(namespace, "pods", name))
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
        path = f"{own_path(of.namespace, kind, of.name)}?fieldManager={FIELD_MANAGER}"
        return await self._send("PATCH", path, changed, MERGE_PATCH)

    async def set_owner(self, agent: AgentFacts, parent: AgentFacts, root: str) -> AgentFacts:
        """Have the Agent end with its parent and carry the name of its root; others' references stay.

        OutdatedError when it is gone or another one.
        """
        applied = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Agent",
            "metadata": {
                "name": agent.name,
                "namespace": agent.namespace,
                "uid": agent.uid,
                "labels": {LABEL_ROOT: root},
                "ownerReferences": [owner_reference(parent, controller=not agent.controlled)],
            },
        }
        path = f"{own_path(agent.namespace, 'Agent', agent.name)}?fieldManager={FIELD_MANAGER}&force=true"
        return agent_facts(await self._send("PATCH", path, applied, APPLY))

    async def create_agent(self, body: Mapping[str, Any]) -> AgentFacts:
        """Create an Agent; NameTakenError when there is one of this name, RefusedError."""
        return agent_facts(await self._create_own("agents", body))

    async def delete_agent(self, agent: AgentFacts) -> None:
        """Delete this very Agent (by uid); it is no error when it is gone."""
        await self._delete(own_path(agent.namespace, "Agent", agent.name), agent.uid)

    async def create_group(self, body: Mapping[str, Any]) -> GroupFacts:
        """Create a Group; NameTakenError when there is one of this name, RefusedError."""
        return group_facts(await self._create_own("groups", body))

    async def _create_own(self, plural: str, body: Mapping[str, Any]) -> Any:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{body['metadata']['namespace']}/{plural}"
        return await self._send("POST", f"{path}?fieldManager={FIELD_MANAGER}", body)

    async def set_operating_mode(
        self, namespace: str, name: str, uid: str, mode: OperatingMode
    ) -> AgentFacts:
        """Write spec.operatingMode of this very Agent; the other fields stay their owners'."""
        changed = {"metadata": {"uid": uid}, "spec": {"operatingMode": mode.value}}
        path = f"{own_path(namespace, 'Agent', name)}?fieldManager={FIELD_MANAGER}"
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
        path = f"{own_path(of.namespace, kind, of.name)}/status?fieldManager={FIELD_MANAGER}&force=true"
        return await self._send("PATCH", path, applied, APPLY)

    async def create_pod(self, body: Mapping[str, Any]) -> PodFacts:
        """Create a pod; NameTakenError when there is one of this name, NoRoomError, RefusedError."""
        path = f"{core_path(body['metadata']['namespace'], 'pods')}?fieldManager={FIELD_MANAGER}"
        return pod_facts(await self._send("POST", path, body, meant=_meant_of_a_pod))

    async def delete_pod(self, pod: PodFacts, *, force: bool = False) -> None:
        """Delete this very pod (by uid); it is no error when it is gone.

        `force`: without waiting for its node, which may be dead.
        """
        await self._delete(core_path(pod.namespace, "pods", pod.name), pod.uid, force=force)

    async def create_quota(self, body: Mapping[str, Any]) -> QuotaFacts:
        """Create a ResourceQuota; NameTakenError when there is one of this name, RefusedError."""
        path = core_path(body["metadata"]["namespace"], "resourcequotas")
        return quota_facts(await self._send("POST", f"{path}?fieldManager={FIELD_MANAGER}", body))

    async def change_quota(self, quota: QuotaFacts, body: Mapping[str, Any]) -> QuotaFacts:
        """Bring this very ResourceQuota to what `body` says; OutdatedError when it is not as it was seen."""
        metadata = {**body["metadata"], "uid": quota.uid, "resourceVersion": str(quota.version)}
        # The scope is immutable: whoever wants another one has to make the quota anew.
        changed = {"metadata": metadata, "spec": {"hard": body["spec"]["hard"]}}
        path = f"{core_path(quota.namespace, 'resourcequotas', quota.name)}?fieldManager={FIELD_MANAGER}"
        return quota_facts(await self._send("PATCH", path, changed, MERGE_PATCH))

    async def delete_quota(self, quota: QuotaFacts) -> None:
        """Delete this very ResourceQuota (by uid); it is no error when it is gone."""
        await self._delete(core_path(quota.namespace, "resourcequotas", quota.name), quota.uid)

    async def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Read a Secret that the operator made; None when it does not exist."""
        found = await self._get(core_path(namespace, "secrets", name))
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
        path = f"{core_path(namespace, 'secrets')}?fieldManager={FIELD_MANAGER}"
        await self._send("POST", path, body)

    async def change_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Change keys of a Secret that the operator made."""
        path = f"{core_path(namespace, 'secrets', name)}?fieldManager={FIELD_MANAGER}"
        await self._send("PATCH", path, {"stringData": dict(data)}, MERGE_PATCH)


def _meant_of_a_pod(error: KubeError) -> ClusterError:
    return no_room(error) or translated(error)
