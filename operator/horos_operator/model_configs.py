"""ModelConfigs as the operator remembers them, who uses them, and what their status says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from horos_api.budgets import utc_time
from horos_api.conditions import ConditionStatus, ConditionType, Reason
from horos_api.model_fields import ModelConfigSpec, ModelSpec
from horos_api.names import DEFAULT_MODEL_CONFIG
from horos_api.resources import AgentSpec
from horos_operator.facts import first_problem


@dataclass(frozen=True, slots=True)
class ModelConfigFacts:
    """A ModelConfig as the API server last showed it. `spec` is None when it cannot be understood."""

    namespace: str
    name: str
    uid: str
    version: int
    generation: int
    spec: ModelConfigSpec | None
    problem: str
    status: Mapping[str, Any]


def model_config_facts(body: Mapping[str, Any]) -> ModelConfigFacts:
    """Read a ModelConfig; a spec that pydantic refuses becomes `problem`, with the field named."""
    metadata = body["metadata"]
    spec, problem = None, ""
    try:
        spec = ModelConfigSpec.model_validate(body.get("spec") or {}, by_alias=True, by_name=False)
    except ValidationError as error:
        problem = first_problem(error)
    return ModelConfigFacts(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        generation=int(metadata.get("generation", 0)),
        spec=spec,
        problem=problem,
        status=body.get("status") or {},
    )


def configs_used(spec: AgentSpec) -> frozenset[str]:
    """Name the ModelConfigs that an agent's models are filled in from, whether or not they exist."""
    said = spec.model or ModelSpec()
    return frozenset(each.config_name or DEFAULT_MODEL_CONFIG for each in (said, *said.fallbacks))


def model_config_status(config: ModelConfigFacts, users: int, now: float) -> dict[str, Any]:
    """Build the status: how many agents use it, and whether its spec is understood."""
    accepted = config.spec is not None
    status = ConditionStatus.TRUE if accepted else ConditionStatus.FALSE
    before: Iterable[Mapping[str, Any]] = config.status.get("conditions") or ()
    since = next(
        (
            each["lastTransitionTime"]
            for each in before
            if each.get("type") == ConditionType.ACCEPTED and each.get("status") == status
        ),
        utc_time(now),
    )
    condition = {
        "type": ConditionType.ACCEPTED.value,
        "status": status.value,
        "reason": (Reason.VALID if accepted else Reason.INVALID_SPEC).value,
        "message": "its agents use it from their next turn on" if accepted else config.problem,
        "observedGeneration": config.generation,
        "lastTransitionTime": since,
    }
    return {"agents": users, "conditions": [condition]}
