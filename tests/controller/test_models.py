"""Which models an agent asks: one sentence per test, spec, ModelConfigs and settings as plain data."""

import dataclasses
from typing import Any

import pytest

from horos_api.model_choice import ModelChoice
from horos_api.resources import Price, SecretKeyRef
from horos_operator.agent_factory import AgentFactory
from horos_operator.model_configs import ModelConfigFacts, configs_used, model_config_status
from horos_operator.models import Models
from horos_operator.settings import Settings, SettingsError
from tests.controller.facts import NOW, SETTINGS, configs, model_config, spec

OF_THE_CHART = SETTINGS.model_copy(
    update={
        "model_temperature": "0.5",
        "model_context_window_tokens": 4096,
        "model_max_output_tokens": 512,
        "model_api_key_secret_name": "chart",
        "model_api_key_secret_key": "k",
        "model_prompt_price": "1",
    }
)
WHOLE = {
    "temperature": "0.2",
    "contextWindowTokens": 128_000,
    "maxOutputTokens": 4096,
    "apiKeySecretRef": {"name": "llm", "key": "apiKey"},
    "pricePerMillionTokens": {"prompt": "0.25", "completion": "2"},
}


def resolved(model: dict[str, Any] | None, *made: ModelConfigFacts) -> Models:
    return AgentFactory(OF_THE_CHART).wanted(spec(model=model) if model else spec(), configs(*made)).models


def own(model: dict[str, Any] | None, *made: ModelConfigFacts) -> ModelChoice:
    return resolved(model, *made).own.choice


def test_without_a_model_config_everything_comes_from_the_chart() -> None:
    found = resolved(None).own
    assert found.choice == ModelChoice(
        name="small",
        base_url="http://model/v1",
        temperature="0.5",
        context_window_tokens=4096,
        max_output_tokens=512,
        price=Price(prompt="1", completion="0"),
    )
    assert (found.key, found.field, found.usable) == (SecretKeyRef(name="chart", key="k"), "spec.model", True)


def test_the_model_config_called_default_takes_the_place_of_the_chart_as_a_whole() -> None:
    assert own(None, model_config()) == ModelChoice(name="model-of-default", base_url="http://default/v1")
    assert resolved(None, model_config()).own.key is None
    assert own(None, model_config(**WHOLE)) == ModelChoice(
        name="model-of-default",
        base_url="http://default/v1",
        temperature="0.2",
        context_window_tokens=128_000,
        max_output_tokens=4096,
        price=Price(prompt="0.25", completion="2"),
    )


def test_a_model_config_that_is_named_takes_the_place_of_the_one_called_default() -> None:
    both = (model_config(**WHOLE), model_config("big", contextWindowTokens=9999))
    assert own({"configName": "big"}, *both) == ModelChoice(
        name="model-of-big", base_url="http://big/v1", context_window_tokens=9999
    )


@pytest.mark.parametrize(
    ("said", "field", "value"),
    [
        ({"name": "mine"}, "name", "mine"),
        ({"temperature": "1"}, "temperature", "1"),
        ({"contextWindowTokens": 5000}, "context_window_tokens", 5000),
        ({"maxOutputTokens": 5}, "max_output_tokens", 5),
        ({"baseUrl": "http://mine/v1"}, "base_url", "http://mine/v1"),
    ],
)
def test_what_the_spec_says_wins_and_the_rest_stays(said: dict[str, Any], field: str, value: object) -> None:
    shared = model_config(**WHOLE)
    assert own(said, shared) == own(None, shared).model_copy(update={field: value})


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({}, ("llm", "apiKey")),
        ({"name": "other"}, ("llm", "apiKey")),
        ({"baseUrl": "http://default/v1"}, ("llm", "apiKey")),
        ({"baseUrl": "http://elsewhere/v1"}, None),
        ({"baseUrl": "http://elsewhere/v1", "apiKeySecretRef": {"name": "a", "key": "b"}}, ("a", "b")),
        ({"apiKeySecretRef": {"name": "a", "key": "b"}}, ("a", "b")),
    ],
)
def test_a_key_is_shown_only_to_the_server_it_belongs_to(
    said: dict[str, Any], key: tuple[str, str] | None
) -> None:
    found = resolved({"temperature": "1", **said}, model_config(**WHOLE)).own.key
    assert ((found.name, found.key) if found else None) == key


def test_each_fallback_is_filled_in_by_itself_and_has_a_variable_for_its_key() -> None:
    said = {"configName": "big", "fallbacks": [{}, {"configName": "big", "temperature": "2"}, {"name": "x"}]}
    choices = resolved(said, model_config("big")).choices
    assert [(each.name, each.base_url, each.temperature, each.key_variable) for each in choices] == [
        ("model-of-big", "http://big/v1", None, "HOROS_MODEL_API_KEY"),
        ("small", "http://model/v1", "0.5", "HOROS_MODEL_API_KEY_1"),
        ("model-of-big", "http://big/v1", "2", "HOROS_MODEL_API_KEY_2"),
        ("x", "http://model/v1", "0.5", "HOROS_MODEL_API_KEY_3"),
    ]


def test_a_fallback_without_its_model_config_is_left_out_and_no_other_changes_its_variable() -> None:
    found = resolved({"fallbacks": [{"configName": "gone"}, {"name": "x"}]})
    assert [each.key_variable for each in found.choices] == ["HOROS_MODEL_API_KEY", "HOROS_MODEL_API_KEY_2"]
    assert [(each.field, each.missing) for each in found.fallbacks] == [
        ("spec.model.fallbacks[0]", "gone"),
        ("spec.model.fallbacks[1]", ""),
    ]


def test_without_the_model_config_that_it_names_nothing_is_guessed() -> None:
    found = resolved({"configName": "gone", "name": "x", "baseUrl": "http://x/v1"}, model_config()).own
    assert (found.missing, found.usable, found.key, found.choice) == ("gone", False, None, ModelChoice())


def test_the_model_configs_that_a_spec_uses() -> None:
    assert configs_used(spec()) == {"default"}
    assert configs_used(spec(model={"name": "x", "baseUrl": "http://x/v1"})) == {"default"}
    assert configs_used(spec(model={"configName": "big", "fallbacks": [{"configName": "spare"}]})) == {
        "big",
        "spare",
    }


def test_the_status_of_a_model_config_counts_its_agents() -> None:
    assert model_config_status(model_config(version=3), 7, NOW) == {
        "agents": 7,
        "conditions": [
            {
                "type": "Accepted",
                "status": "True",
                "reason": "Valid",
                "message": "its agents use it from their next turn on",
                "observedGeneration": 3,
                "lastTransitionTime": "1970-01-12T13:46:40Z",
            }
        ],
    }


def test_the_status_of_a_model_config_that_cannot_be_read_says_why_since_when() -> None:
    broken = model_config(baseUrl="no")
    (told,) = model_config_status(broken, 0, NOW)["conditions"]
    assert (told["status"], told["reason"]) == ("False", "InvalidSpec")
    assert told["message"].startswith("spec.baseUrl: ")


def test_the_time_of_its_condition_stays_while_its_answer_stays() -> None:
    before = model_config_status(model_config(), 1, NOW)
    again = dataclasses.replace(model_config(version=2), status=before)
    (told,) = model_config_status(again, 2, NOW + 1000)["conditions"]
    assert (told["lastTransitionTime"], told["observedGeneration"]) == ("1970-01-12T13:46:40Z", 2)


ENVIRONMENT = {
    "HOROS_OPERATOR_INSTALL": "t",
    "HOROS_OPERATOR_NAMESPACE": "horos-system",
    "HOROS_OPERATOR_REDIS_URL": "redis://r",
    "HOROS_OPERATOR_AGENT_IMAGE": "a",
}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MODEL_API_KEY_SECRET_NAME", "llm", "go together"),
        ("MODEL_API_KEY_SECRET_KEY", "apiKey", "go together"),
        ("MODEL_PROMPT_PRICE", "1,5", "HOROS_OPERATOR_MODEL_PROMPT_PRICE"),
    ],
)
def test_a_wrong_default_of_the_chart_is_refused_by_name(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings.from_environment({**ENVIRONMENT, f"HOROS_OPERATOR_{name}": value})
