"""ModelConfigs as the operator remembers them, who uses them, and what their status says."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from horos_api.conditions import ConditionType, Reason
from horos_api.model_fields import ModelConfigSpec, ModelSpec
from horos_api.names import DEFAULT_MODEL_CONFIG
from horos_api.resources import AgentSpec
from horos_operator.shared_objects import SharedFacts, shared_facts
from horos_operator.verdict import condition_entry, no, yes

ModelConfigFacts: TypeAlias = SharedFacts[ModelConfigSpec]
"""A ModelConfig as the API server last showed it."""


def model_config_facts(body: Mapping[str, Any]) -> ModelConfigFacts:
    """Read a ModelConfig; a spec that pydantic refuses becomes `problem`, with the field named."""
    return shared_facts(body, ModelConfigSpec)


def configs_used(spec: AgentSpec) -> frozenset[str]:
    """Name the ModelConfigs that an agent's models are filled in from, whether or not they exist."""
    said = spec.model or ModelSpec()
    return frozenset(each.config_name or DEFAULT_MODEL_CONFIG for each in (said, *said.fallbacks))


def model_config_status(config: ModelConfigFacts, users: int, now: float) -> dict[str, Any]:
    """Build the status: how many agents use it, and whether its spec is understood."""
    verdict = yes(Reason.VALID, "its agents use it from their next turn on")
    if config.spec is None:
        verdict = no(Reason.INVALID_SPEC, config.problem)
    return {"agents": users, "conditions": [condition_entry(ConditionType.ACCEPTED, verdict, config, now)]}
