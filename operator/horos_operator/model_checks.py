"""The checks about an agent's models and what they cost; `checks` says which conditions they belong to."""

from horos_api.budgets import has_day_budget
from horos_api.conditions import Reason
from horos_operator.day_budget import exhausted_today
from horos_operator.situation import Situation
from horos_operator.verdict import Verdict, no, unknown, yes


def fallback_unusable(case: Situation) -> Verdict | None:
    """A fallback that cannot be asked is left out."""
    for each in case.models.fallbacks if case.models else ():
        if not each.usable:
            why = each.problem or f"ModelConfig {each.missing} does not exist"
            return yes(Reason.FALLBACK_UNUSABLE, f"{each.field} is left out: {why}")
    return None


def model_unpriced(case: Situation) -> Verdict | None:
    """A limit on a day's money counts nothing of a model without a price."""
    if case.models is None or case.agent.spec is None or case.agent.spec.budget.cost_per_day is None:
        return None
    for each in case.models.all:
        if each.usable and each.choice.price is None:
            message = (
                f"budget.costPerDay does not count {each.field} ({each.choice.name}): nobody says what it"
                " costs; set pricePerMillionTokens in its ModelConfig"
            )
            return yes(Reason.MODEL_UNPRICED, message)
    return None


def model_config_missing(case: Situation) -> Verdict | None:
    """The ModelConfig that the spec names does not exist."""
    name = case.models.own.missing if case.models else ""
    message = f"ModelConfig {name} (spec.model.configName) does not exist in namespace {case.agent.namespace}"
    return no(Reason.MODEL_CONFIG_MISSING, f"{message}; create it") if name else None


def no_model(case: Situation) -> Verdict | None:
    """What spec, ModelConfig and settings say together is no model that can be asked."""
    problem = case.models.own.problem if case.models else ""
    return no(Reason.MODEL_MISCONFIGURED, problem) if problem else None


def budget_exhausted(case: Situation) -> Verdict | None:
    """A day's budget is used up."""
    found = exhausted_today(case.seen)
    return no(Reason.BUDGET_EXHAUSTED, found.message) if found else None


def day_budget(case: Situation) -> Verdict | None:
    """The condition BudgetExhausted; None where the spec sets no day's budget."""
    spec = case.agent.spec
    if spec is None or not has_day_budget(spec.budget):
        return None
    if case.seen.bus.problem:
        message = f"{case.seen.bus.problem}; what was used today is not known"
        return unknown(Reason.BUS_UNAVAILABLE, message)
    found = exhausted_today(case.seen)
    if found is None:
        return no(Reason.WITHIN_BUDGET, "what the spec allows for a day (UTC) is not used up")
    limit = Reason.TOKENS_PER_DAY if found.limit == "tokensPerDay" else Reason.COST_PER_DAY
    return yes(limit, found.message)
