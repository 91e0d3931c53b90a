"""The values of an answer to a server's question: defaults, values given as texts, what does not fit."""

from typing import Any

import pytest

from horos_runtime.mcp_questions import values_for

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "size": {"type": "integer", "default": 7},
        "share": {"type": "number"},
        "sure": {"type": "boolean", "default": False},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name"],
}


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"name": "Ada"}, {"name": "Ada", "size": 7, "sure": False}),
        (
            {"name": "7", "size": "8", "share": "0.5", "sure": "yes", "tags": "a, b"},
            {"name": "7", "size": 8, "share": 0.5, "sure": True, "tags": ["a", "b"]},
        ),
        (
            {"name": "", "size": 9, "share": 1, "sure": True, "tags": []},
            {"name": "", "size": 9, "share": 1, "sure": True, "tags": []},
        ),
    ],
)
def test_defaults_are_filled_in_and_texts_are_read(given: dict[str, Any], values: dict[str, Any]) -> None:
    assert values_for(SCHEMA, given) == values


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "name: it is missing and has no default"),
        ({"name": "Ada", "size": "big"}, "size: expected integer, not 'big'"),
        ({"name": "Ada", "size": True}, "size: expected integer, not True"),
        ({"name": "Ada", "sure": "perhaps"}, "sure: expected boolean, not 'perhaps'"),
        ({"name": "Ada", "tags": [1]}, r"tags: expected array, not \[1\]"),
        ({"name": "Ada", "nam": "x"}, "nam: not asked for; asked for are name, size, share, sure, tags"),
    ],
)
def test_what_does_not_fit_is_named_with_what_was_expected(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        values_for(SCHEMA, given)


def test_a_question_without_values_takes_none() -> None:
    assert values_for({}, {}) == {}
    with pytest.raises(ValueError, match="x: not asked for; asked for are no values"):
        values_for({"properties": {}}, {"x": 1})
