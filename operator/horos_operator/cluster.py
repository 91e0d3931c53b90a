"""The operator's one seam to what runs agents: Kubernetes today, processes of one machine later."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from horos_api.resources import OperatingMode
from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.groups import GroupFacts
from horos_operator.model_configs import ModelConfigFacts
from horos_operator.tool_servers import ToolServerFacts


class ClusterError(Exception):
    """The cluster could not do what was asked; `message` is for a person. Trying again may help.

    ├── NameTakenError   something of this name exists
    ├── NoRoomError      a quota leaves no room for it now
    ├── NotLeadingError  it was not even asked: another operator may lead by now
    ├── OutdatedError    the object has changed or gone since it was seen
    └── RefusedError     it was understood and refused: admission, quota, rights, a field

    `retry_after` is for how many seconds the cluster wants to be left alone, 0 when it did not say.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class NameTakenError(ClusterError):
    """Something of this name exists already."""


class NoRoomError(ClusterError):
    """A quota leaves no room for it now; `why` says so in words that do not change with its counts."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


class NotLeadingError(ClusterError):
    """This process does not lead (any more), so it must not change anything."""


class OutdatedError(ClusterError):
    """The object has changed or gone since it was seen."""


class RefusedError(ClusterError):
    """The request was understood and refused."""


class Cluster(Protocol):
    """What the operator needs of a cluster. Every method raises ClusterError."""

    async def agents(self) -> Sequence[AgentFacts]:
        """List every Agent that is served."""
        ...

    async def pods(self) -> Sequence[PodFacts]:
        """List every pod of an agent."""
        ...

    async def model_configs(self) -> Sequence[ModelConfigFacts]:
        """List every ModelConfig; none where the cluster does not know the kind yet."""
        ...

    async def tool_servers(self) -> Sequence[ToolServerFacts]:
        """List every ToolServer; none where the cluster does not know the kind yet."""
        ...

    async def agent_pools(self) -> Sequence[AgentPoolFacts]:
        """List every AgentPool; none where the cluster does not know the kind yet."""
        ...

    async def groups(self) -> Sequence[GroupFacts]:
        """List every Group; none where the cluster does not know the kind yet."""
        ...

    async def quotas(self) -> Sequence[QuotaFacts]:
        """List every ResourceQuota that the operator made for an AgentPool."""
        ...

    async def agent(self, namespace: str, name: str) -> AgentFacts | None:
        """Ask for one Agent, past all caches."""
        ...

    async def group(self, namespace: str, name: str) -> GroupFacts | None:
        """Ask for one Group, past all caches."""
        ...

    async def pod(self, namespace: str, name: str) -> PodFacts | None:
        """Ask for one pod, past all caches."""
        ...

    async def set_finalizers(self, agent: AgentFacts, finalizers: Sequence[str]) -> AgentFacts:
        """Write the finalizers; OutdatedError when the Agent is not as it was seen."""
        ...

    async def set_group_finalizers(self, group: GroupFacts, finalizers: Sequence[str]) -> GroupFacts:
        """Write the finalizers; OutdatedError when the Group is not as it was seen."""
        ...

    async def set_owner(self, agent: AgentFacts, parent: AgentFacts, root: str) -> AgentFacts:
        """Have the Agent end with its parent and carry the name of its root; others' references stay.

        OutdatedError when it is gone or another one.
        """
        ...

    async def create_agent(self, body: Mapping[str, Any]) -> AgentFacts:
        """Create an Agent; NameTakenError when there is one of this name, RefusedError."""
        ...

    async def delete_agent(self, agent: AgentFacts) -> None:
        """Delete this very Agent (by uid); it is no error when it is gone."""
        ...

    async def create_group(self, body: Mapping[str, Any]) -> GroupFacts:
        """Create a Group; NameTakenError when there is one of this name, RefusedError."""
        ...

    async def set_operating_mode(
        self, namespace: str, name: str, uid: str, mode: OperatingMode
    ) -> AgentFacts:
        """Write spec.operatingMode of this very Agent.

        OutdatedError when it is gone or another one, RefusedError when the API server does not let it.
        """
        ...

    async def write_status(self, agent: AgentFacts, status: Mapping[str, Any]) -> AgentFacts:
        """Write the status as the operator's own; OutdatedError when the Agent is gone."""
        ...

    async def write_model_config_status(
        self, config: ModelConfigFacts, status: Mapping[str, Any]
    ) -> ModelConfigFacts:
        """Write the status as the operator's own; OutdatedError when the ModelConfig is gone."""
        ...

    async def write_tool_server_status(
        self, server: ToolServerFacts, status: Mapping[str, Any]
    ) -> ToolServerFacts:
        """Write the status as the operator's own; OutdatedError when the ToolServer is gone."""
        ...

    async def write_agent_pool_status(
        self, pool: AgentPoolFacts, status: Mapping[str, Any]
    ) -> AgentPoolFacts:
        """Write the status as the operator's own; OutdatedError when the AgentPool is gone."""
        ...

    async def write_group_status(self, group: GroupFacts, status: Mapping[str, Any]) -> GroupFacts:
        """Write the status as the operator's own; OutdatedError when the Group is gone."""
        ...

    async def create_quota(self, body: Mapping[str, Any]) -> QuotaFacts:
        """Create a ResourceQuota; NameTakenError when there is one of this name, RefusedError."""
        ...

    async def change_quota(self, quota: QuotaFacts, body: Mapping[str, Any]) -> QuotaFacts:
        """Bring this very ResourceQuota to what `body` says; OutdatedError when it is not as it was seen."""
        ...

    async def delete_quota(self, quota: QuotaFacts) -> None:
        """Delete this very ResourceQuota (by uid); it is no error when it is gone."""
        ...

    async def create_pod(self, body: Mapping[str, Any]) -> PodFacts:
        """Create a pod; NameTakenError when there is one of this name, NoRoomError, RefusedError."""
        ...

    async def delete_pod(self, pod: PodFacts, *, force: bool = False) -> None:
        """Delete this very pod (by uid); it is no error when it is gone.

        `force`: without waiting for its node, which may be dead.
        """
        ...

    async def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Read a Secret that the operator made; None when it does not exist."""
        ...

    async def create_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Create a Secret; NameTakenError when somebody was faster."""
        ...

    async def change_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Change keys of a Secret that the operator made."""
        ...
