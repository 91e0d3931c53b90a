"""ModelConfig: one language model that the agents of a namespace share."""

from typing import Literal

from pydantic import Field

from horos_api.agent_status import Condition
from horos_api.fields import ApiModel, WholeNumber
from horos_api.model_fields import ModelConfigSpec
from horos_api.objects import Metadata, Resource

__all__ = ["ModelConfig", "ModelConfigSpec", "ModelConfigStatus"]


class ModelConfigStatus(ApiModel):
    """What is seen; written by the operator only."""

    agents: WholeNumber = Field(
        0, ge=0, description="How many Agents of the namespace take their model, or a fallback, from here."
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        max_length=16,
        description="Accepted: whether this version of the operator understands the spec.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class ModelConfig(Resource):
    """A language model that agents share: endpoint, key, window, price.

    The one called `default` is for all Agents of its namespace that name none; others are named in
    `spec.model.configName`. Edits take effect in the next turn.
    """

    kind: Literal["ModelConfig"] = "ModelConfig"
    metadata: Metadata
    spec: ModelConfigSpec = Field(
        description="What is shared: where the model is, what opens it, how much it reads, what it costs."
    )
    status: ModelConfigStatus = Field(
        default_factory=ModelConfigStatus, description="What is seen; written by the operator only."
    )
