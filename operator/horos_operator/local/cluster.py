"""LocalCluster: the operator's `Cluster` on one machine, over a folder of objects and child processes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from horos_api.names import LABEL_ROOT
from horos_api.resources import OperatingMode
from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts, agent_pool_facts, quota_facts
from horos_operator.cluster import NameTakenError, RefusedError
from horos_operator.facts import AgentFacts, PodFacts, agent_facts, pod_facts
from horos_operator.family import owner_reference
from horos_operator.groups import GroupFacts, group_facts
from horos_operator.local.admission import refused
from horos_operator.local.data import DataFolders
from horos_operator.local.kinds import AGENTS, GROUPS, MODEL_CONFIGS, PODS, POOLS, QUOTAS, TOOL_SERVERS
from horos_operator.local.objects import Objects, Target, with_metadata
from horos_operator.local.quota import make_room, quota_status
from horos_operator.local.store import Body, ObjectStore
from horos_operator.model_configs import ModelConfigFacts, model_config_facts
from horos_operator.shared_objects import SharedFacts
from horos_operator.tool_servers import ToolServerFacts, tool_server_facts


class LocalCluster:
    """A `Cluster` whose API server is this process. Nothing here waits, so each call is one step.

    Whoever runs the pods listens to `store`.
    """

    def __init__(self, store: ObjectStore, objects: Objects, secrets: DataFolders) -> None:
        self._store = store
        self._objects = objects
        self._secrets = secrets
        store.listen(self._recount)

    def begin(self) -> None:
        """Put in order what an earlier process has left, whose pods have ended with it."""
        self._count()
        self._objects.collect_garbage()

    async def agents(self) -> Sequence[AgentFacts]:
        """List every Agent."""
        return [agent_facts(body) for body in self._store.all(AGENTS)]

    async def pods(self) -> Sequence[PodFacts]:
        """List every pod."""
        return [pod_facts(body) for body in self._store.all(PODS)]

    async def model_configs(self) -> Sequence[ModelConfigFacts]:
        """List every ModelConfig."""
        return [model_config_facts(body) for body in self._store.all(MODEL_CONFIGS)]

    async def tool_servers(self) -> Sequence[ToolServerFacts]:
        """List every ToolServer."""
        return [tool_server_facts(body) for body in self._store.all(TOOL_SERVERS)]

    async def agent_pools(self) -> Sequence[AgentPoolFacts]:
        """List every AgentPool."""
        return [agent_pool_facts(body) for body in self._store.all(POOLS)]

    async def groups(self) -> Sequence[GroupFacts]:
        """List every Group."""
        return [group_facts(body) for body in self._store.all(GROUPS)]

    async def quotas(self) -> Sequence[QuotaFacts]:
        """List every ResourceQuota."""
        return [quota_facts(body) for body in self._store.all(QUOTAS)]

    async def agent(self, namespace: str, name: str) -> AgentFacts | None:
        """Look for one Agent."""
        found = self._store.find(AGENTS, namespace, name)
        return None if found is None else agent_facts(found)

    async def group(self, namespace: str, name: str) -> GroupFacts | None:
        """Look for one Group."""
        found = self._store.find(GROUPS, namespace, name)
        return None if found is None else group_facts(found)

    async def pod(self, namespace: str, name: str) -> PodFacts | None:
        """Look for one pod."""
        found = self._store.find(PODS, namespace, name)
        return None if found is None else pod_facts(found)

    async def set_finalizers(self, agent: AgentFacts, finalizers: Sequence[str]) -> AgentFacts:
        """Write the finalizers; OutdatedError when the Agent is not as it was seen."""
        return agent_facts(self._set_finalizers(AGENTS, agent, finalizers))

    async def set_group_finalizers(self, group: GroupFacts, finalizers: Sequence[str]) -> GroupFacts:
        """Write the finalizers; OutdatedError when the Group is not as it was seen."""
        return group_facts(self._set_finalizers(GROUPS, group, finalizers))

    def _set_finalizers(self, plural: str, of: AgentFacts | GroupFacts, left: Sequence[str]) -> Body:
        target = Target(plural, of.namespace, of.name, of.uid, of.version)
        return self._objects.change(target, lambda body: with_metadata(body, finalizers=[*left]))

    async def set_owner(self, agent: AgentFacts, parent: AgentFacts, root: str) -> AgentFacts:
        """Have the Agent end with its parent and carry the name of its root; others' references stay.

        OutdatedError when it is gone or another one.
        """
        reference = owner_reference(parent, controller=not agent.controlled)

        def edit(body: Body) -> Body:
            metadata = body["metadata"]
            others = [each for each in metadata.get("ownerReferences") or () if each["uid"] != parent.uid]
            labels = {**(metadata.get("labels") or {}), LABEL_ROOT: root}
            return with_metadata(body, labels=labels, ownerReferences=[*others, reference])

        return agent_facts(self._objects.change(Target(AGENTS, agent.namespace, agent.name, agent.uid), edit))

    async def create_agent(self, body: Mapping[str, Any]) -> AgentFacts:
        """Create an Agent; NameTakenError when there is one of this name, RefusedError."""
        return agent_facts(self._create_own(AGENTS, body))

    async def create_group(self, body: Mapping[str, Any]) -> GroupFacts:
        """Create a Group; NameTakenError when there is one of this name, RefusedError."""
        return group_facts(self._create_own(GROUPS, body))

    def _create_own(self, plural: str, body: Mapping[str, Any]) -> Body:
        if why := refused(plural, body):
            raise RefusedError(why)
        return self._objects.create(plural, body)

    async def delete_agent(self, agent: AgentFacts) -> None:
        """Delete this very Agent (by uid); it is no error when it is gone."""
        self._objects.delete(Target(AGENTS, agent.namespace, agent.name, agent.uid))

    async def set_operating_mode(
        self, namespace: str, name: str, uid: str, mode: OperatingMode
    ) -> AgentFacts:
        """Write spec.operatingMode of this very Agent; OutdatedError, or RefusedError where it is final."""
        return agent_facts(
            self._objects.change(
                Target(AGENTS, namespace, name, uid),
                lambda body: {**body, "spec": {**(body.get("spec") or {}), "operatingMode": mode.value}},
            )
        )

    async def write_status(self, agent: AgentFacts, status: Mapping[str, Any]) -> AgentFacts:
        """Write the status; OutdatedError when the Agent is gone."""
        target = Target(AGENTS, agent.namespace, agent.name, agent.uid)
        return agent_facts(self._write_status(target, status))

    async def write_model_config_status(
        self, config: ModelConfigFacts, status: Mapping[str, Any]
    ) -> ModelConfigFacts:
        """Write the status; OutdatedError when the ModelConfig is gone."""
        return model_config_facts(self._write_status(_shared(MODEL_CONFIGS, config), status))

    async def write_tool_server_status(
        self, server: ToolServerFacts, status: Mapping[str, Any]
    ) -> ToolServerFacts:
        """Write the status; OutdatedError when the ToolServer is gone."""
        return tool_server_facts(self._write_status(_shared(TOOL_SERVERS, server), status))

    async def write_agent_pool_status(
        self, pool: AgentPoolFacts, status: Mapping[str, Any]
    ) -> AgentPoolFacts:
        """Write the status; OutdatedError when the AgentPool is gone."""
        return agent_pool_facts(self._write_status(_shared(POOLS, pool), status))

    async def write_group_status(self, group: GroupFacts, status: Mapping[str, Any]) -> GroupFacts:
        """Write the status; OutdatedError when the Group is gone."""
        return group_facts(self._write_status(Target(GROUPS, group.namespace, group.name, group.uid), status))

    def _write_status(self, target: Target, status: Mapping[str, Any]) -> Body:
        return self._objects.change(target, lambda body: {**body, "status": dict(status)})

    async def create_quota(self, body: Mapping[str, Any]) -> QuotaFacts:
        """Create a ResourceQuota, which counts at once; NameTakenError when there is one of this name."""
        made = quota_facts(self._objects.create(QUOTAS, body))
        return quota_facts(self._write_status(_of_quota(made), quota_status(body, self._store.all(PODS))))

    async def change_quota(self, quota: QuotaFacts, body: Mapping[str, Any]) -> QuotaFacts:
        """Bring this very ResourceQuota to what `body` says; OutdatedError when it is not as it was seen."""
        target = replace(_of_quota(quota), version=quota.version)

        def edit(there: Body) -> Body:
            # The scope is immutable: whoever wants another one has to make the quota anew.
            changed = {**there, "spec": {**there["spec"], "hard": body["spec"]["hard"]}}
            labels = {**there["metadata"].get("labels", {}), **body["metadata"].get("labels", {})}
            owners = body["metadata"].get("ownerReferences", [])
            counted = {**changed, "status": quota_status(changed, self._store.all(PODS))}
            return with_metadata(counted, labels=labels, ownerReferences=owners)

        return quota_facts(self._objects.change(target, edit))

    async def delete_quota(self, quota: QuotaFacts) -> None:
        """Delete this very ResourceQuota; it is no error when it is gone."""
        self._objects.delete(_of_quota(quota))

    def _recount(self, plural: str, body: Body, _gone: bool) -> None:
        if plural == PODS:
            self._count(body["metadata"]["namespace"])

    def _count(self, namespace: str = "") -> None:
        """Bring the status of quotas to what they count now."""
        pods = self._store.all(PODS)
        for quota in self._store.all(QUOTAS):
            if namespace in ("", quota["metadata"]["namespace"]):
                self._write_status(_of_quota(quota_facts(quota)), quota_status(quota, pods))

    async def create_pod(self, body: Mapping[str, Any]) -> PodFacts:
        """Create a pod; NameTakenError when there is one of this name, NoRoomError."""
        metadata, pods = body["metadata"], self._store.all(PODS)
        namespace = metadata["namespace"]
        if self._store.find(PODS, namespace, metadata["name"]) is not None:
            raise NameTakenError(f'pods "{metadata["name"]}" already exists')
        quotas = [each for each in self._store.all(QUOTAS) if each["metadata"]["namespace"] == namespace]
        make_room(body, quotas, pods)
        return pod_facts(self._objects.create(PODS, {**body, "status": {"phase": "Pending"}}))

    async def delete_pod(self, pod: PodFacts, *, force: bool = False) -> None:
        """Delete this very pod; it is no error when it is gone. `force`: it gets no time to leave."""
        self._objects.delete(Target(PODS, pod.namespace, pod.name, pod.uid), grace=0 if force else None)

    async def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Read a Secret; None when it does not exist."""
        return self._secrets.read(namespace, name)

    async def create_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Create a Secret; NameTakenError when there is one."""
        if self._secrets.read(namespace, name) is not None:
            raise NameTakenError(f'secrets "{name}" already exists')
        await self.change_secret(namespace, name, data)

    async def change_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Change keys of a Secret."""
        self._secrets.write(namespace, name, {key: value.encode() for key, value in data.items()})


def _shared(plural: str, of: SharedFacts[Any]) -> Target:
    return Target(plural, of.namespace, of.name, of.uid)


def _of_quota(quota: QuotaFacts) -> Target:
    return Target(QUOTAS, quota.namespace, quota.name, quota.uid)
