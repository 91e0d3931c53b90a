"""The parts of a spec that say which language model answers, what it may do, and what it costs."""

import json
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from horos_api.fields import NOT_TEXT, ApiModel, ObjectName, rule, rules
from horos_api.money import DECIMAL
from horos_api.pod_fields import SecretKeyRef

RESPONSE_SCHEMA_BYTES: Final = 131_072
RESPONSE_SCHEMA_DEPTH: Final = 64
"""Levels of objects and lists in each other; encoders give up somewhere above two hundred."""

WindowTokens = Annotated[int, Field(ge=512, le=10_000_000), NOT_TEXT]
OutputTokens = Annotated[int, Field(ge=1, le=1_000_000), NOT_TEXT]
ModelName = Annotated[str, Field(min_length=1, max_length=256)]
BaseUrl = Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=2048)]
Temperature = Annotated[str, Field(pattern=r"^([01](\.[0-9]{1,3})?|2(\.0{1,3})?)$")]

_SAID: Final = {
    "name": "Name of the model, as its server spells it.",
    "base_url": "Address of an OpenAI-compatible API, up to and with its version, as in https://llm.example/v1.",
    "temperature": 'How freely the model chooses, from "0" to "2", a decimal number as text.',
    "context_window_tokens": "How many tokens the model can read and write in one call.",
    "max_output_tokens": "How many tokens one answer of the model may have at most.",
}
"""Said once for an agent's spec and for a ModelConfig."""

OUTPUT_FITS: Final = rule(
    "!has(self.maxOutputTokens) || !has(self.contextWindowTokens)"
    " || self.maxOutputTokens < self.contextWindowTokens",
    "maxOutputTokens must be below contextWindowTokens",
)


def described(field: str) -> str:
    """The description of a field that spec.model and ModelConfig share."""
    return _SAID[field]


class Price(ApiModel):
    """What a model costs, in any one currency; decimal numbers as text keep the sums exact."""

    prompt: str = Field(
        "0",
        pattern=DECIMAL,
        description='Price of a million tokens that the model reads, a decimal number as text ("0.25").',
    )
    completion: str = Field(
        "0",
        pattern=DECIMAL,
        description='Price of a million tokens that the model writes, a decimal number as text ("2").',
    )


class _Limits(ApiModel):
    """What spec.model, its fallbacks and a ModelConfig say alike of a model, all of it optional."""

    model_config = ConfigDict(json_schema_extra=rules(OUTPUT_FITS))

    temperature: Temperature | None = Field(None, description=described("temperature"))
    context_window_tokens: WindowTokens | None = Field(None, description=described("context_window_tokens"))
    max_output_tokens: OutputTokens | None = Field(None, description=described("max_output_tokens"))

    @model_validator(mode="after")
    def _output_fits(self) -> Self:
        output, window = self.max_output_tokens, self.context_window_tokens
        if output is not None and window is not None and output >= window:
            raise ValueError(OUTPUT_FITS["message"])
        return self


class FallbackSpec(_Limits):
    """One language model; what is not said comes from a ModelConfig, or without one from the chart."""

    config_name: ObjectName | None = Field(
        None,
        description=(
            "The ModelConfig of the namespace that says what is not said here. Without a name that is the one"
            " called `default`, or the chart's values where there is none."
        ),
    )
    name: ModelName | None = Field(None, description=described("name"))
    base_url: BaseUrl | None = Field(
        None,
        description=(
            f"{described('base_url')} The ModelConfig's key is not used at another address than its own."
        ),
    )
    api_key_secret_ref: SecretKeyRef | None = Field(
        None, description="The Secret and key with the API key; a server that needs none gets `none`."
    )


class ModelConfigSpec(_Limits):
    """A model that agents share: where it is, what opens it, how much it reads, what it costs."""

    name: ModelName = Field(description=described("name"))
    base_url: BaseUrl = Field(description=described("base_url"))
    api_key_secret_ref: SecretKeyRef | None = Field(
        None,
        description=(
            "The Secret and key with the API key, in the same namespace; a server that needs none gets"
            " `none`. Naming another one replaces the agents' pods, each after its turn."
        ),
    )
    price_per_million_tokens: Price | None = Field(
        None,
        description=(
            "What the model costs, for `status.usage.cost` and `budget.costPerDay` of the agents that take"
            " their model from here, even if they name another one. Not given: it counts as free."
        ),
    )


class ModelSpec(FallbackSpec):
    """The language model that answers, and what else of it is asked for."""

    response_schema: dict[str, Any] | None = Field(
        None,
        max_length=256,
        description=(
            "JSON Schema that the final answer must satisfy; the answer is then JSON text. At most"
            f" {RESPONSE_SCHEMA_BYTES // 1024} KiB and {RESPONSE_SCHEMA_DEPTH} levels deep."
        ),
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    fallbacks: tuple[FallbackSpec, ...] = Field(
        (),
        max_length=8,
        description=(
            "Further models, tried in this order when the one before does not answer. Each is filled in by"
            " itself, as if it were the first."
        ),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )

    @field_validator("response_schema")
    @classmethod
    def _can_be_carried(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        # Size and depth of a free object are beyond a CRD: the operator says so in condition Accepted.
        if value is None:
            return None
        if _deeper_than(value, RESPONSE_SCHEMA_DEPTH):
            raise ValueError(f"expected at most {RESPONSE_SCHEMA_DEPTH} levels of objects and lists")
        size = len(json.dumps(value, ensure_ascii=False).encode("utf-8", errors="replace"))
        if size > RESPONSE_SCHEMA_BYTES:
            raise ValueError(f"expected at most {RESPONSE_SCHEMA_BYTES} bytes of JSON, not {size}")
        return value


def _deeper_than(value: object, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        inside: list[object] = []
        for each in layer:
            inside += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        layer = inside
    return any(isinstance(each, dict | list) for each in layer)
