"""What a round of the model must ask before it spends, and tell after it has spent."""

from typing import Protocol

from horos_api.model_choice import ModelChoice
from horos_runtime.records import TokenUsage


class Budget(Protocol):
    """Allows model calls and counts them, one by one: retries, fallbacks and repairs are calls too."""

    async def before(self, model: ModelChoice, prompt_tokens: int) -> None:
        """Allow one call with a prompt of about so many tokens; raises BudgetExhaustedError."""

    async def unused(self) -> None:
        """Take back that the last call was allowed: nothing came of it, and nobody will charge for it."""

    def after(self, model: ModelChoice, usage: TokenUsage) -> None:
        """Count one call, also one that was cut, cancelled or whose answer was of no use."""


class NoBudget:
    """Allows everything."""

    async def before(self, model: ModelChoice, prompt_tokens: int) -> None:
        """Allow the call."""

    async def unused(self) -> None:
        """Take back nothing."""

    def after(self, model: ModelChoice, usage: TokenUsage) -> None:
        """Count nothing."""
