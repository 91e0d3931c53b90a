"""A language model as the runtime asks it: everything filled in from spec, ModelConfig and chart."""

from decimal import Decimal

from pydantic import Field

from horos_api.fields import ApiModel
from horos_api.model_fields import ModelSpec, Price
from horos_api.money import NANO
from horos_api.names import Env
from horos_api.resources import AgentSpec

__all__ = ["NANO", "ModelChoice", "choices"]


class ModelChoice(ApiModel):
    """One model that may answer.

    `key_variable` names the environment variable of the pod that holds its API key; `price` is None when
    nobody said what it costs, and then it counts as free.
    """

    name: str | None = None
    base_url: str | None = None
    key_variable: str = Env.MODEL_API_KEY
    temperature: str | None = None
    context_window_tokens: int | None = None
    max_output_tokens: int | None = None
    price: Price | None = Field(None, alias="pricePerMillionTokens")

    def cost(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Say what a call costs, in billionths of the price's currency, rounded up."""
        if self.price is None:
            return 0
        per_million = (
            Decimal(self.price.prompt) * prompt_tokens + Decimal(self.price.completion) * completion_tokens
        )
        return int((per_million * NANO / 1_000_000).to_integral_value(rounding="ROUND_CEILING"))


def choices(spec: AgentSpec) -> tuple[ModelChoice, ...]:
    """List the models of a spec that needs nothing filled in: its own first, then its fallbacks."""
    model = spec.model or ModelSpec()
    fields = set(ModelChoice.model_fields) - {"key_variable", "price"}
    return tuple(ModelChoice(**each.model_dump(include=fields)) for each in (model, *model.fallbacks))
