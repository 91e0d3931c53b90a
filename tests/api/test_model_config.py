"""ModelConfig, what a call costs, and a day's budget."""

import pytest
from pydantic import ValidationError

from horos_api.budgets import date_of, day_of, exhausted, utc_time
from horos_api.model_choice import ModelChoice
from horos_api.model_config import ModelConfig
from horos_api.money import billionths, decimal_text
from horos_api.names import Env
from horos_api.resources import BudgetSpec, Price
from horos_bus.records import DayUsage
from tests.api.specs import EVERY_CONFIG_FIELD

DAY = 20_000
NOON = DAY * 86_400 + 43_200


def manifest(spec: object, name: str = "default") -> dict[str, object]:
    return {
        "apiVersion": "horos.dev/v1alpha1",
        "kind": "ModelConfig",
        "metadata": {"name": name},
        "spec": spec,
    }


def test_a_model_config_survives_reading_and_writing() -> None:
    whole = manifest(EVERY_CONFIG_FIELD, "gpt-5.2")
    assert ModelConfig.from_manifest(whole).to_manifest() == whole


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "spec.name"),
        ({"baseUrl": None}, "spec.baseUrl"),
        ({"baseUrl": "llm.example"}, "spec.baseUrl"),
        ({"configName": "other"}, "spec.configName"),
        ({"apiKeySecretRef": {"name": "llm"}}, "spec.apiKeySecretRef.key"),
        ({"contextWindowTokens": 500}, "spec.contextWindowTokens"),
        ({"maxOutputTokens": 8000}, "spec"),
        ({"pricePerMillionTokens": {"prompt": 1}}, "spec.pricePerMillionTokens.prompt"),
        ({"pricePerMillionTokens": {"completion": "1,5"}}, "spec.pricePerMillionTokens.completion"),
        ({"pricePerMillionTokens": "2"}, "spec.pricePerMillionTokens"),
    ],
)
def test_a_wrong_value_is_refused_at_its_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelConfig.from_manifest(manifest({**EVERY_CONFIG_FIELD, **change}))
    assert [".".join(map(str, each["loc"])) for each in caught.value.errors()] == [field]


def test_the_name_of_a_model_config_is_any_that_kubernetes_takes() -> None:
    assert ModelConfig.from_manifest(manifest(EVERY_CONFIG_FIELD, "a.b" * 60)).metadata.name == "a.b" * 60
    with pytest.raises(ValidationError, match=r"metadata\.name"):
        ModelConfig.from_manifest(manifest(EVERY_CONFIG_FIELD, "Big"))


@pytest.mark.parametrize(
    ("prompt", "completion", "tokens", "cost"),
    [
        ("0.25", "2", (1000, 100), 450_000),
        ("0", "0", (10**9, 10**9), 0),
        ("0.000000001", "0", (1, 0), 1),
        ("1", "3", (1_000_000, 1_000_000), 4 * 10**9),
    ],
)
def test_a_call_costs_whole_billionths_rounded_up(
    prompt: str, completion: str, tokens: tuple[int, int], cost: int
) -> None:
    choice = ModelChoice(price=Price(prompt=prompt, completion=completion))
    assert choice.cost(*tokens) == cost


def test_a_model_without_a_price_counts_as_free() -> None:
    assert ModelChoice().cost(10**6, 10**6) == 0


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1, "0.000000001"), (1_250_000_000, "1.25"), (10**10, "10"), (10**9 * 7 + 10, "7.00000001")],
)
def test_money_is_written_without_zeros_at_the_end_and_read_back(amount: int, text: str) -> None:
    assert decimal_text(amount) == text
    assert billionths(text) == amount


def test_a_day_is_counted_from_midnight_in_utc() -> None:
    assert (day_of(NOON), date_of(DAY)) == (DAY, "2024-10-04")
    assert day_of(DAY * 86_400) == DAY
    assert day_of((DAY + 1) * 86_400 - 0.001) == DAY
    assert utc_time(NOON) == "2024-10-04T12:00:00Z"


@pytest.mark.parametrize(
    ("budget", "tokens", "cost", "limit"),
    [
        (BudgetSpec(), 10**15, 10**15, None),
        (BudgetSpec(tokens_per_day=100), 99, 0, None),
        (BudgetSpec(tokens_per_day=100), 100, 0, "tokensPerDay"),
        (BudgetSpec(cost_per_day="0.5"), 10**9, 499_999_999, None),
        (BudgetSpec(cost_per_day="0.5"), 0, 500_000_000, "costPerDay"),
        (BudgetSpec(tokens_per_day=1, cost_per_day="0"), 5, 5, "tokensPerDay"),
    ],
)
def test_a_budget_is_exhausted_when_as_much_is_used_as_is_allowed(
    budget: BudgetSpec, tokens: int, cost: int, limit: str | None
) -> None:
    found = exhausted(budget, DayUsage(DAY, tokens, cost), NOON)
    assert (found.limit if found else None) == limit


def test_a_day_that_is_over_counts_nothing_and_one_that_begins_early_counts() -> None:
    budget, used = BudgetSpec(tokens_per_day=100), DayUsage(DAY, 100, 0)
    assert exhausted(budget, used, (DAY + 1) * 86_400 - 0.001) is not None
    assert exhausted(budget, used, (DAY + 1) * 86_400) is None
    early = exhausted(budget, used, DAY * 86_400 - 5.0)
    assert early is not None
    assert early.resets_at == (DAY + 1) * 86_400


def test_what_is_exhausted_says_how_much_was_used_and_when_it_begins_anew() -> None:
    of_tokens = exhausted(BudgetSpec(tokens_per_day=100), DayUsage(DAY, 120, 0), NOON)
    of_money = exhausted(BudgetSpec(cost_per_day="0.5"), DayUsage(DAY, 0, 512_500_000), NOON)
    assert of_tokens is not None
    assert of_money is not None
    assert of_tokens.resets_at == (DAY + 1) * 86_400
    assert of_tokens.message == (
        "today's tokens are used up: 120 of 100 (budget.tokensPerDay);"
        " the next day begins at 2024-10-05T00:00:00Z"
    )
    assert of_money.message == (
        "today's money is used up: 0.5125 of 0.5 (budget.costPerDay);"
        " the next day begins at 2024-10-05T00:00:00Z"
    )


def test_each_model_of_an_agent_has_a_key_variable_of_its_own() -> None:
    assert [Env.model_api_key(index) for index in range(3)] == [
        "HOROS_MODEL_API_KEY",
        "HOROS_MODEL_API_KEY_1",
        "HOROS_MODEL_API_KEY_2",
    ]
