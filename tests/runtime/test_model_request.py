"""The body of a question, and how it changes for a server that objects."""

from typing import Any

import pytest

from horos_api.conditions import Reason
from horos_api.model_choice import ModelChoice
from horos_runtime.model_dialect import Concession, concession_for
from horos_runtime.model_errors import (
    ContextLengthError,
    ModelError,
    ModelRefusedError,
    TransientModelError,
    error_in_answer,
    error_of_status,
)
from horos_runtime.model_request import ModelRequest

MODEL = ModelChoice(name="m", base_url="http://llm.example/v1", temperature="0.2", max_output_tokens=100)
SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
STRICT = {**SCHEMA, "required": ["a"], "additionalProperties": False}


def request(model: ModelChoice = MODEL, schema: dict[str, Any] | None = None) -> ModelRequest:
    return ModelRequest(model, [SYSTEM, USER], [], schema)


def test_the_body_says_what_the_model_choice_says() -> None:
    assert request().body() == {
        "model": "m",
        "messages": [SYSTEM, USER],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.2,
        "max_tokens": 100,
    }


def test_openai_itself_wants_the_new_name_of_the_limit() -> None:
    openai = MODEL.model_copy(update={"base_url": "https://api.openai.com/v1"})
    assert request(openai).body()["max_completion_tokens"] == 100
    assert "max_tokens" not in request(openai).body()


@pytest.mark.parametrize(
    ("base_url", "problem"),
    [
        ("http://[::1", "Invalid IPv6 URL"),
        ("http://llm.example:99999/v1", "Port out of range 0-65535"),
        ("https://:8000/v1", "it names no host"),
    ],
)
def test_an_address_that_is_none_is_refused_with_its_field(base_url: str, problem: str) -> None:
    for limit in (100, None):
        model = MODEL.model_copy(update={"base_url": base_url, "max_output_tokens": limit})
        with pytest.raises(ModelRefusedError) as refused:
            request(model).body()
        assert refused.value.reason == Reason.MODEL_MISCONFIGURED
        assert str(refused.value) == (
            "spec.model.baseUrl is no address, expected one as in https://llm.example/v1: "
            f"{base_url} ({problem})"
        )


@pytest.mark.parametrize(
    ("schema", "strict"), [(SCHEMA, False), (STRICT, True), ({"items": [SCHEMA]}, False)]
)
def test_a_schema_is_sent_as_response_format_and_strict_where_openai_would_take_it(
    schema: dict[str, Any], strict: bool
) -> None:
    assert request(schema=schema).body()["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": strict},
    }


def test_concessions_change_the_body() -> None:
    body = request(schema=SCHEMA).body(frozenset(Concession))
    assert {"response_format", "stream_options", "max_tokens"} & body.keys() == set()
    assert body["max_completion_tokens"] == 100
    assert body["messages"][1:] == [USER]
    assert body["messages"][0]["content"].startswith("Be brief.\n\nYour final answer")
    assert body["messages"][0]["content"].endswith('{"type":"object","properties":{"a":{"type":"string"}}}')
    alone = ModelRequest(MODEL, [USER], [], SCHEMA).body({Concession.SCHEMA_AS_TEXT})
    assert [message["role"] for message in alone["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("status", "said", "concession"),
    [
        (
            400,
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead",
            Concession.NEW_OUTPUT_LIMIT,
        ),
        (422, "body.stream_options: Extra inputs are not permitted", Concession.NO_USAGE),
        (400, "This model does not support response format `json_schema`", Concession.SCHEMA_AS_TEXT),
        (400, "Cannot use custom grammar constraints with tools", Concession.SCHEMA_AS_TEXT),
        (400, "temperature is out of range", None),
        (404, "response_format is unknown here", None),
    ],
)
def test_only_a_refusal_that_names_a_field_is_an_objection(
    status: int, said: str, concession: Concession | None
) -> None:
    refusal = error_of_status("the server", status, "", said, None)
    assert isinstance(refusal, ModelRefusedError)
    assert concession_for(refusal, request(schema=SCHEMA).body().keys()) == concession
    assert concession_for(refusal, {"model", "messages"}) is None


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        ("out of memory", TransientModelError, "S said: out of memory"),
        ({"message": "overloaded", "type": "server_error"}, TransientModelError, "S said: overloaded"),
        ({"message": "slow down", "code": 429}, TransientModelError, "S answered 429: slow down"),
        ({"message": "no", "code": "401"}, ModelRefusedError, "S answered 401: no; check the API key"),
        (
            {"message": "bad field", "code": 400},
            ModelRefusedError,
            "S answered 400: bad field; check spec.model",
        ),
        ({"message": "x", "code": "context_length_exceeded"}, ContextLengthError, "S said: x"),
        ({"message": "maximum context length is 5"}, ContextLengthError, "S said: maximum context"),
        (
            {"message": "pay", "code": "insufficient_quota"},
            ModelRefusedError,
            "S answered 429: pay; check the acc",
        ),
        ({"detail": "odd"}, TransientModelError, "S said: {'detail': 'odd'}"),
        (None, TransientModelError, "S said: None"),
    ],
)
def test_errors_that_come_as_data_are_sorted(error: object, kind: type[ModelError], said: str) -> None:
    found = error_in_answer("S", error)
    assert type(found) is kind
    assert str(found).startswith(said)


def test_waiting_does_not_help_who_has_no_money() -> None:
    for status, code in ((402, ""), (429, "insufficient_quota")):
        error = error_of_status("S", status, code, "You have no money.", 1.0)
        assert isinstance(error, ModelRefusedError)
        assert error.reason == Reason.MODEL_REFUSES_KEY
