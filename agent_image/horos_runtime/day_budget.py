"""The budget of a day: asked before each model call, told after it. Redis counts: no process can forget."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from horos_api.model_choice import NANO, ModelChoice
from horos_api.resources import BudgetSpec
from horos_bus.message_service import MessageService
from horos_bus.records import Charge, Charged, Usage
from horos_runtime.meter import DAY_SECONDS, Meter
from horos_runtime.model_errors import BudgetExhaustedError
from horos_runtime.patience import Patience
from horos_runtime.records import TokenUsage

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cashier:
    """Charges one agent: what all its turns have in common."""

    messages: MessageService
    patience: Patience
    meter: Meter


class DayBudget:
    """What the models of one turn may still use today.

    An estimate of each call is charged before it is made and replaced by what it really used: a process that
    dies in the middle of its calls has paid for them, however often it comes back. A budget is exceeded by
    one call at most.
    """

    def __init__(self, cashier: Cashier, turn: str, budget: BudgetSpec) -> None:
        self._cashier = cashier
        self._turn = turn
        self._tokens = budget.tokens_per_day
        self._cost = None if budget.cost_per_day is None else int(Decimal(budget.cost_per_day) * NANO)

    async def before(self, model: ModelChoice, prompt_tokens: int) -> None:
        """Charge for a call that is about to be made; raises BudgetExhaustedError."""
        if self._tokens is None and self._cost is None:
            return
        used = self._cashier.meter.pending
        answer_tokens = model.max_output_tokens or 0
        charge = Charge(
            day=self._cashier.meter.today,
            tokens=prompt_tokens + answer_tokens,
            cost=model.cost(prompt_tokens, answer_tokens),
            tokens_limit=self._tokens,
            cost_limit=self._cost,
            used=used,
        )
        charged = await self._cashier.patience(lambda: self._cashier.messages.charge(self._turn, charge))
        self._cashier.meter.written(used)
        if charged.exhausted:
            raise BudgetExhaustedError(self._explanation(charged))

    def after(self, model: ModelChoice, usage: TokenUsage) -> None:
        """Note what a call has really used; the turn's next step writes it down."""
        prompt, completion = usage["prompt"], usage["completion"]
        self._cashier.meter.add(Usage(prompt, completion, model.cost(prompt, completion)))

    def _explanation(self, charged: Charged) -> str:
        if charged.exhausted == "tokens":
            used, limit = f"{charged.day_tokens} tokens", f"budget.tokensPerDay ({self._tokens})"
        else:
            used, limit = (
                decimal_text(charged.day_cost),
                f"budget.costPerDay ({decimal_text(self._cost or 0)})",
            )
        return (
            f"the budget of the day is used up: {used} of {limit}; it starts anew at {resets_at(charged.day)}"
        )


def resets_at(day: int) -> str:
    """Say when the day after this one begins, as RFC 3339."""
    return datetime.fromtimestamp((day + 1) * DAY_SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal_text(nano: int) -> str:
    """Spell an amount of billionths as a decimal number."""
    return format((Decimal(nano) / NANO).normalize(), "f")
