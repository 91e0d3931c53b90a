"""LocalCluster: the operator's `Cluster` on one machine, over a folder of objects and child processes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from horos_api.resources import OperatingMode
from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts, agent_pool_facts, quota_facts
from horos_operator.cluster import NameTakenError, RefusedError
from horos_operator.facts import AgentFacts, PodFacts, agent_facts, pod_facts
from horos_operator.local.admission import Document, admitted, refused_change
from horos_operator.local.apply import applied, newly_applied
from horos_operator.local.data import DataFolders, data_of
from horos_operator.local.environment import Values
from horos_operator.local.kinds import AGENTS, DATA, PLURALS, PODS, QUOTAS, SECRET
from horos_operator.local.objects import Objects, Target
from horos_operator.local.quota import make_room, quota_status
from horos_operator.local.store import Body, ObjectStore
from horos_operator.model_configs import ModelConfigFacts, model_config_facts
from horos_operator.shared_objects import SharedFacts
from horos_operator.tool_servers import ToolServerFacts, tool_server_facts


class LocalCluster:
    """A `Cluster` whose API server is this process. Nothing here waits, so each call is one step.

    `values` are its Secrets and ConfigMaps; whoever runs the pods listens to `store`.
    """

    def __init__(self, store: ObjectStore, objects: Objects, values: Values) -> None:
        self._store = store
        self._objects = objects
        self._values = values
        store.listen(self._recount)

    def apply(self, documents: Sequence[Mapping[str, Any]], namespace: str) -> None:
        """Create or change what people have written. Raises RefusedError; then nothing has changed."""
        wanted = admitted(documents, namespace)
        problems = [f"{each}: {why}" for each in wanted if (why := self._refusal(each))]
        if problems:
            raise RefusedError("\n".join(problems))
        for each in wanted:
            self._apply(each)

    def delete(self, kind: str, namespace: str, name: str) -> bool:
        """Begin to delete an object; False: there is none. Raises RefusedError for an unknown kind."""
        if kind in DATA:
            return self._folders(kind).remove(namespace, name)
        if kind not in PLURALS:
            raise RefusedError(f"kind: expected one of {', '.join([*PLURALS, *DATA])}, found {kind!r}")
        return self._objects.delete(Target(PLURALS[kind], namespace, name))

    def _refusal(self, wanted: Document) -> str:
        if wanted.kind in DATA:
            data_of(wanted)
            return ""
        plural = PLURALS[wanted.kind]
        there = self._store.find(plural, wanted.namespace, wanted.name)
        return "" if there is None else refused_change(plural, there, applied(there, wanted.body))

    def _apply(self, wanted: Document) -> None:
        if wanted.kind in DATA:
            self._folders(wanted.kind).replace(wanted)
            return
        target = Target(PLURALS[wanted.kind], wanted.namespace, wanted.name)
        if self._store.find(target.plural, target.namespace, target.name) is None:
            self._objects.create(target.plural, newly_applied(wanted.body))
        else:
            self._objects.change(target, lambda there: applied(there, wanted.body))

    def _folders(self, kind: str) -> DataFolders:
        return self._values.secrets if kind == SECRET else self._values.config_maps

    async def agents(self) -> Sequence[AgentFacts]:
        """List every Agent."""
        return [agent_facts(body) for body in self._store.all(AGENTS)]

    async def pods(self) -> Sequence[PodFacts]:
        """List every pod."""
        return [pod_facts(body) for body in self._store.all(PODS)]

    async def model_configs(self) -> Sequence[ModelConfigFacts]:
        """List every ModelConfig."""
        return [model_config_facts(body) for body in self._store.all("modelconfigs")]

    async def tool_servers(self) -> Sequence[ToolServerFacts]:
        """List every ToolServer."""
        return [tool_server_facts(body) for body in self._store.all("toolservers")]

    async def agent_pools(self) -> Sequence[AgentPoolFacts]:
        """List every AgentPool."""
        return [agent_pool_facts(body) for body in self._store.all("agentpools")]

    async def quotas(self) -> Sequence[QuotaFacts]:
        """List every ResourceQuota."""
        return [quota_facts(body) for body in self._store.all(QUOTAS)]

    async def agent(self, namespace: str, name: str) -> AgentFacts | None:
        """Look for one Agent."""
        found = self._store.find(AGENTS, namespace, name)
        return None if found is None else agent_facts(found)

    async def pod(self, namespace: str, name: str) -> PodFacts | None:
        """Look for one pod."""
        found = self._store.find(PODS, namespace, name)
        return None if found is None else pod_facts(found)

    async def set_finalizers(self, agent: AgentFacts, finalizers: Sequence[str]) -> AgentFacts:
        """Write the finalizers; OutdatedError when the Agent is not as it was seen."""
        target = Target(AGENTS, agent.namespace, agent.name, agent.uid, agent.version)
        return agent_facts(
            self._objects.change(
                target, lambda body: {**body, "metadata": {**body["metadata"], "finalizers": [*finalizers]}}
            )
        )

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
        return model_config_facts(self._write_status(_shared("modelconfigs", config), status))

    async def write_tool_server_status(
        self, server: ToolServerFacts, status: Mapping[str, Any]
    ) -> ToolServerFacts:
        """Write the status; OutdatedError when the ToolServer is gone."""
        return tool_server_facts(self._write_status(_shared("toolservers", server), status))

    async def write_agent_pool_status(
        self, pool: AgentPoolFacts, status: Mapping[str, Any]
    ) -> AgentPoolFacts:
        """Write the status; OutdatedError when the AgentPool is gone."""
        return agent_pool_facts(self._write_status(_shared("agentpools", pool), status))

    def _write_status(self, target: Target, status: Mapping[str, Any]) -> Body:
        return self._objects.change(target, lambda body: {**body, "status": dict(status)})

    async def create_quota(self, body: Mapping[str, Any]) -> QuotaFacts:
        """Create a ResourceQuota, which counts at once; NameTakenError when there is one of this name."""
        counting = {**body, "status": quota_status(body, self._store.all(PODS))}
        return quota_facts(self._objects.create(QUOTAS, counting))

    async def change_quota(self, quota: QuotaFacts, body: Mapping[str, Any]) -> QuotaFacts:
        """Bring this very ResourceQuota to what `body` says; OutdatedError when it is not as it was seen."""
        target = replace(_of_quota(quota), version=quota.version)

        def edit(there: Body) -> Body:
            # The scope is immutable: whoever wants another one has to make the quota anew.
            changed = {**there, "spec": {**there["spec"], "hard": body["spec"]["hard"]}}
            labels = {**there["metadata"].get("labels", {}), **body["metadata"].get("labels", {})}
            owners = body["metadata"].get("ownerReferences", [])
            metadata = {**there["metadata"], "labels": labels, "ownerReferences": owners}
            return {**changed, "metadata": metadata, "status": quota_status(changed, self._store.all(PODS))}

        return quota_facts(self._objects.change(target, edit))

    async def delete_quota(self, quota: QuotaFacts) -> None:
        """Delete this very ResourceQuota; it is no error when it is gone."""
        self._objects.delete(_of_quota(quota))

    def _recount(self, plural: str, body: Body, _gone: bool) -> None:
        if plural != PODS:
            return
        pods = self._store.all(PODS)
        for quota in self._store.all(QUOTAS):
            if quota["metadata"]["namespace"] == body["metadata"]["namespace"]:
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
        return self._values.secrets.read(namespace, name)

    async def create_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Create a Secret; NameTakenError when there is one."""
        if self._values.secrets.read(namespace, name) is not None:
            raise NameTakenError(f'secrets "{name}" already exists')
        await self.change_secret(namespace, name, data)

    async def change_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Change keys of a Secret."""
        self._values.secrets.write(namespace, name, {key: value.encode() for key, value in data.items()})


def _shared(plural: str, of: SharedFacts[Any]) -> Target:
    return Target(plural, of.namespace, of.name, of.uid)


def _of_quota(quota: QuotaFacts) -> Target:
    return Target(QUOTAS, quota.namespace, quota.name, quota.uid)
