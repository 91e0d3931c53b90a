"""What the operator remembers of an Agent and of a pod: small immutable values read from API objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from horos_api.names import ANNOTATION_ASKED, ANNOTATION_ORDER, GROUP, LABEL_AGENT
from horos_api.resources import AgentSpec

ANNOTATION_FAILURES: Final = f"{GROUP}/failures"
"""On a pod: how many incarnations before it failed one after the other; from it comes the next delay."""
SERVER_SECRET: Final = "server-secret-"
"""How the names of a pod's volumes begin that hold Secrets of its tool servers."""
MESSAGE_LENGTH: Final = 1000
"""Characters kept of a message that somebody else wrote; a status stays below 1 KB or so."""


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """An Agent as the API server last showed it. `spec` is None when it cannot be understood.

    `owner_uid` is the Agent that an ownerReference names, '' without; `controlled`: some ownerReference, to
    anything but an Agent, is a controller. `order` names the order of an agent that it was made for.
    `created` is in seconds since the epoch.
    """

    namespace: str
    name: str
    uid: str
    version: int
    generation: int
    deleting: bool
    finalizers: tuple[str, ...]
    spec: AgentSpec | None
    problem: str
    status: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    owner_uid: str = ""
    controlled: bool = False
    order: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How the container of a pod ended. `at` is in seconds since the epoch."""

    exit_code: int
    reason: str
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class PodFacts:
    """An agent's pod as the API server last showed it. Times are seconds since the epoch.

    `secrets` are those that it mounts for the agent's tool servers; `node` is '' until it is scheduled.
    `leaves_by`: when it has ended at the latest, 0.0 unless it is being deleted; `silent_since`: since when
    its node is silent, 0.0 while it is not.
    """

    namespace: str
    name: str
    uid: str
    version: int
    agent: str
    owner_uid: str
    asked: str
    failures: int
    created: float
    deleting: bool
    phase: str
    running: bool
    waiting_reason: str
    waiting_message: str
    unschedulable: str
    ended: Ended | None
    secrets: frozenset[str] = frozenset()
    node: str = ""
    leaves_by: float = 0.0
    silent_since: float = 0.0

    @property
    def dead(self) -> bool:
        """Nothing of it runs, and nothing will."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def failed(self) -> bool:
        """It ended when it should not have."""
        return self.phase == "Failed"


def agent_facts(body: Mapping[str, Any]) -> AgentFacts:
    """Read an Agent; a spec that pydantic refuses becomes `problem`, with the field named."""
    metadata = body["metadata"]
    spec, problem = _spec(body.get("spec") or {})
    return AgentFacts(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        generation=int(metadata.get("generation", 0)),
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers") or ()),
        spec=spec,
        problem=problem,
        status=body.get("status") or {},
        labels=metadata.get("labels") or {},
        owner_uid=owning_agent(metadata),
        controlled=any(
            each.get("controller") and not _is_agent(each) for each in metadata.get("ownerReferences") or ()
        ),
        order=order_of(metadata),
        created=_seconds(metadata.get("creationTimestamp")),
    )


def owning_agent(metadata: Mapping[str, Any]) -> str:
    """Read the uid of the Agent that an object ends with; '' without one."""
    owners = metadata.get("ownerReferences") or ()
    return next((str(each["uid"]) for each in owners if _is_agent(each)), "")


def order_of(metadata: Mapping[str, Any]) -> str:
    """Read which order of an agent an object was made for; '' of what people have made."""
    return str((metadata.get("annotations") or {}).get(ANNOTATION_ORDER, ""))


def _is_agent(owner: Mapping[str, Any]) -> bool:
    return owner.get("kind") == "Agent" and str(owner.get("apiVersion", "")).startswith(f"{GROUP}/")


def _spec(raw: object) -> tuple[AgentSpec | None, str]:
    try:
        return AgentSpec.model_validate(raw, by_alias=True, by_name=False), ""
    except ValidationError as error:
        return None, first_problem(error)


def first_problem(error: ValidationError) -> str:
    """Say what is wrong with a stored spec: the first field, and how many more there are."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(["spec", *map(str, first["loc"])])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{field}: {first['msg']}{more}"


def pod_facts(body: Mapping[str, Any]) -> PodFacts:
    """Read a pod that the operator made."""
    metadata, status = body["metadata"], body.get("status") or {}
    annotations = metadata.get("annotations") or {}
    container: Mapping[str, Any] = next(iter(status.get("containerStatuses") or ()), {})
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    created = _seconds(metadata.get("creationTimestamp"))
    failures = str(annotations.get(ANNOTATION_FAILURES, "0"))
    return PodFacts(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        agent=(metadata.get("labels") or {}).get(LABEL_AGENT, ""),
        owner_uid=next(
            (each["uid"] for each in metadata.get("ownerReferences") or () if each.get("controller")), ""
        ),
        asked=annotations.get(ANNOTATION_ASKED, ""),
        failures=int(failures) if failures.isdecimal() else 0,
        created=created,
        deleting="deletionTimestamp" in metadata,
        phase=status.get("phase", "Pending"),
        running="running" in state,
        waiting_reason=waiting.get("reason", ""),
        waiting_message=_short(waiting.get("message", "")),
        unschedulable=_unschedulable(status),
        ended=_ended(status, state.get("terminated"), created),
        secrets=_server_secrets(body.get("spec") or {}),
        node=(body.get("spec") or {}).get("nodeName") or "",
        leaves_by=_seconds(metadata.get("deletionTimestamp")),
        silent_since=_silent_since(status),
    )


def _server_secrets(spec: Mapping[str, Any]) -> frozenset[str]:
    volumes = spec.get("volumes") or ()
    return frozenset(
        each["secret"]["secretName"] for each in volumes if each["name"].startswith(SERVER_SECRET)
    )


def _silent_since(status: Mapping[str, Any]) -> float:
    """Only the node controller says that a pod is not ready whose containers are: its node is silent."""
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    ready, containers = conditions.get("Ready", {}), conditions.get("ContainersReady", {})
    if (ready.get("status"), containers.get("status")) != ("False", "True"):
        return 0.0
    return _seconds(ready.get("lastTransitionTime"))


def _unschedulable(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _short(condition.get("message") or condition.get("reason", ""))
    return ""


def _ended(status: Mapping[str, Any], terminated: Mapping[str, Any] | None, created: float) -> Ended | None:
    if terminated is not None:
        return Ended(
            exit_code=int(terminated.get("exitCode", 0)),
            reason=terminated.get("reason", ""),
            message=_short(terminated.get("message", "")),
            at=_seconds(terminated.get("finishedAt")) or created,
        )
    if status.get("phase") != "Failed":
        return None
    # Evicted or refused by the node: there is no container that could tell more.
    return Ended(-1, status.get("reason", ""), _short(status.get("message", "")), created)


def _seconds(timestamp: str | None) -> float:
    if not timestamp:
        return 0.0
    return datetime.fromisoformat(timestamp).timestamp()


def _short(message: str) -> str:
    """Keep the end: last words tell more than first ones."""
    text = message.strip()
    return text if len(text) <= MESSAGE_LENGTH else "…" + text[1 - MESSAGE_LENGTH :]
