"""The budget of a day: asked before each model call, told after it. Redis counts: no process can forget."""

from horos_api.budgets import DAY_SECONDS, exhausted, has_day_budget, tree_exhausted
from horos_api.model_choice import ModelChoice
from horos_api.money import billionths
from horos_api.resources import AgentSpec
from horos_bus.message_service import MessageService
from horos_bus.records import Charge, Charged, DayUsage, Usage
from horos_runtime.meter import Meter
from horos_runtime.model_errors import BudgetExhaustedError
from horos_runtime.patience import Patience
from horos_runtime.records import TokenUsage


class DayBudget:
    """What the models of one turn may still use today.

    An estimate of each call is charged before it is made and replaced by what it really used: a process that
    dies in the middle of its calls has paid for them, however often it comes back. A budget is exceeded by
    one call at most.
    """

    def __init__(
        self, messages: MessageService, patience: Patience, meter: Meter, turn: str, spec: AgentSpec
    ) -> None:
        self._messages = messages
        self._patience = patience
        self._meter = meter
        self._turn = turn
        self._budget = budget = spec.budget
        self._cost = None if budget.cost_per_day is None else billionths(budget.cost_per_day)
        # The root of a child's tree may have one, and only Redis knows.
        self._limited = has_day_budget(budget) or bool(spec.parent_name)

    async def before(self, model: ModelChoice, prompt_tokens: int) -> None:
        """Charge for a call that is about to be made; raises BudgetExhaustedError."""
        answer_tokens = model.max_output_tokens or 0
        charged = await self._charge(prompt_tokens + answer_tokens, model.cost(prompt_tokens, answer_tokens))
        if charged is not None and charged.exhausted:
            raise BudgetExhaustedError(self._used_up(charged))

    def _used_up(self, charged: Charged) -> str:
        used = DayUsage(charged.day, charged.day_tokens, charged.day_cost)
        match charged.exhausted:
            case "tree tokens":
                return tree_exhausted(charged.root, used, tokens=charged.limit)
            case "tree cost":
                return tree_exhausted(charged.root, used, cost=charged.limit)
        reached = exhausted(self._budget, used, charged.day * DAY_SECONDS)
        return reached.message if reached else "the budget of the day is used up"

    async def unused(self) -> None:
        """Give back what was charged for a call that no model has begun to answer."""
        await self._charge(0, 0)

    async def _charge(self, tokens: int, cost: int) -> Charged | None:
        """Put this in the place of what was charged last and is not known to be used yet."""
        if not self._limited:
            return None
        used = self._meter.pending
        charge = Charge(
            day=self._meter.today,
            tokens=tokens,
            cost=cost,
            tokens_limit=self._budget.tokens_per_day,
            cost_limit=self._cost,
            used=used,
        )
        charged = await self._patience(lambda: self._messages.charge(self._turn, charge))
        self._meter.written(used)
        return charged

    def after(self, model: ModelChoice, usage: TokenUsage) -> None:
        """Note what a call has really used; the turn's next step writes it down."""
        prompt, completion = usage["prompt"], usage["completion"]
        self._meter.add(Usage(prompt, completion, model.cost(prompt, completion)))
