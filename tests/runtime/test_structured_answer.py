"""Answers against schemas: what passes, and what the model is told about what does not."""

from typing import Any

import pytest

from horos_api.conditions import Reason
from horos_runtime.model_errors import ModelRefusedError, UnfitAnswerError
from horos_runtime.structured_answer import AnswerSchema

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"city": "Oslo"}', '{"city": "Oslo"}'),
        (' {"city": "Oslo", "people": 700000}\n', '{"city": "Oslo", "people": 700000}'),
        ('```json\n{"city": "Oslo"}\n```', '{"city": "Oslo"}'),
        ('Here it is:\n```\n{"city": "Oslo"}\n```\nAnything else?', '{"city": "Oslo"}'),
        ('{"city": "a ``` fence"}', '{"city": "a ``` fence"}'),
    ],
)
def test_json_that_fits_is_taken_without_what_is_around_it(text: str, answer: str) -> None:
    assert AnswerSchema(CITY).checked(text) == answer


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is Oslo.", "it is not JSON (Expecting value: line 1 column 1 (char 0)): 'It is Oslo.'"),
        ("", "it is not JSON (Expecting value: line 1 column 1 (char 0)): ''"),
        ('{"city": "Os', "it is not JSON (Unterminated string starting at: line 1 column 10 (char 9))"),
        ('{"city": NaN}', "it is not JSON (NaN is no number in JSON)"),
        ("[" * 100_000, "it is not JSON ("),
        ('{"city": 5}', "$.city: 5 is not of type 'string'"),
        ('{"people": 0}', "$: 'city' is a required property; $.people: 0 is less than the minimum of 1"),
        ('{"city": "Oslo", "x": 1}', "$: Additional properties are not allowed ('x' was unexpected)"),
        ("[]", "$: [] is not of type 'object'"),
        ("x" * 1000, "x" * 200 + "…'"),
    ],
)
def test_what_does_not_fit_is_told_with_place_and_reason(text: str, said: str) -> None:
    with pytest.raises(UnfitAnswerError) as unfit:
        AnswerSchema(CITY).checked(text)
    assert said in str(unfit.value)
    assert len(str(unfit.value)) < 500


def test_many_problems_are_told_in_part() -> None:
    schema = AnswerSchema({"type": "array", "items": {"type": "string"}})
    with pytest.raises(UnfitAnswerError, match=r"; and 3 more$"):
        schema.checked("[1, 2, 3, 4, 5, 6, 7, 8]")


def test_an_older_draft_is_understood_when_the_schema_says_so() -> None:
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "type": "number", "minimum": 1}
    schema["exclusiveMinimum"] = True
    with pytest.raises(UnfitAnswerError, match="less than or equal to the minimum of 1"):
        AnswerSchema(schema).checked("1")


def test_references_inside_the_schema_are_followed() -> None:
    schema = {"$defs": {"name": {"type": "string"}}, "type": "array", "items": {"$ref": "#/$defs/name"}}
    assert AnswerSchema(schema).checked('["a"]') == '["a"]'


@pytest.mark.parametrize("ref", ["#/$defs/none", "http://127.0.0.1:1/schema.json"])
def test_a_reference_to_nowhere_is_an_error_of_the_spec_and_nothing_is_fetched(ref: str) -> None:
    with pytest.raises(ModelRefusedError) as refused:
        AnswerSchema({"$ref": ref}).checked("1")
    assert refused.value.reason == Reason.MODEL_MISCONFIGURED
    named = ref.removeprefix("#")
    assert str(refused.value) == f"spec.model.responseSchema: $ref {named!r} names nothing in the schema"


def test_what_is_no_schema_is_an_error_of_the_spec() -> None:
    with pytest.raises(ModelRefusedError) as refused:
        AnswerSchema({"properties": {"city": {"type": "text"}}})
    assert str(refused.value).startswith(
        "spec.model.responseSchema: $.properties.city.type: 'text' is not valid"
    )
