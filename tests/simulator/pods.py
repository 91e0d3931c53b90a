"""What the simulator reads of a pod: who its agent is, as the real runtime reads it from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from horos_api.names import Env

NODE_PREFIX: Final = "horos-fake-"


@dataclass(frozen=True, slots=True)
class FakePod:
    """A pod of an agent on a fake node, as the API server last showed it."""

    namespace: str
    name: str
    uid: str
    phase: str
    deleting: bool
    container: str
    agent: str
    agent_uid: str
    ticket: int | None

    @property
    def path(self) -> str:
        """Where the API server has it."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    @property
    def ended(self) -> bool:
        """Nothing of it runs, and nothing will."""
        return self.phase in {"Succeeded", "Failed"}


def is_fake(body: Mapping[str, Any]) -> bool:
    """Whether a pod is on a node that only the simulator plays."""
    return str(body["spec"].get("nodeName", "")).startswith(NODE_PREFIX)


def fake_pod(body: Mapping[str, Any]) -> FakePod:
    """Read a pod that the operator made; raises LookupError for another one."""
    metadata, (container, *_) = body["metadata"], body["spec"]["containers"]
    said = {each["name"]: each.get("value", "") for each in container.get("env") or ()}
    return FakePod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        phase=(body.get("status") or {}).get("phase", "Pending"),
        deleting="deletionTimestamp" in metadata,
        container=container["name"],
        agent=said[Env.AGENT],
        agent_uid=said[Env.UID],
        ticket=int(said[Env.TICKET]) if said.get(Env.TICKET) else None,
    )
