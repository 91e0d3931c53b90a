"""Forms of tool servers: what is asked for, what fits, and how a misfit is told."""

import json
from typing import Any

import pytest

from horos_api.elicitation import FormError, filled, form_of, read_texts

UNITS = {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"}
TITLED = {"type": "string", "oneOf": [{"const": "#f00", "title": "Red"}, {"const": "#0f0", "title": "Green"}]}
SOME = {"type": "array", "items": {"type": "string", "enum": ["a", "b", "c"]}, "minItems": 1, "maxItems": 2}
TITLED_SOME = {
    "type": "array",
    "items": {"anyOf": [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}]},
}


def schema(*required: str, **properties: Any) -> str:
    return json.dumps({"type": "object", "properties": properties, "required": list(required)})


def test_a_form_has_the_fields_of_its_schema_in_their_order() -> None:
    asked = schema("city", units=UNITS, city={"type": "string", "title": "City", "description": "Where"})
    units, city = form_of(asked)
    assert (units.name, units.kind, units.choices, units.default) == (
        "units",
        "choice",
        ("celsius", "fahrenheit"),
        "celsius",
    )
    assert (units.required, city.required) == (False, True)
    assert (city.kind, city.title, city.description, city.default) == ("string", "City", "Where", None)


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"properties": 5}', '{"properties": {}}'])
def test_what_is_no_form_asks_for_nothing(text: str) -> None:
    assert form_of(text) == ()
    assert filled(form_of(text), {}) == {}


@pytest.mark.parametrize(
    ("about", "value"),
    [
        ({"type": "string"}, ""),
        ({"type": "string", "minLength": 2, "maxLength": 3}, "abc"),
        ({"type": "string", "format": "email"}, "a@b.example"),
        ({"type": "string", "format": "uri"}, "https://a.example/x"),
        ({"type": "string", "format": "date"}, "2026-11-25"),
        ({"type": "string", "format": "date-time"}, "2026-11-25T08:00:00Z"),
        ({"type": "string", "format": "of-tomorrow"}, "anything"),
        ({"type": "integer", "minimum": 1, "maximum": 3}, 3),
        ({"type": "integer"}, 3.0),
        ({"type": "number", "minimum": 0.5}, 0.5),
        ({"type": "boolean"}, False),
        (UNITS, "fahrenheit"),
        (TITLED, "#f00"),
        (SOME, ["a", "c"]),
        (TITLED_SOME, []),
        ({"type": "object"}, {"of": "a later version"}),
    ],
)
def test_a_value_that_fits_is_taken_as_it_is(about: dict[str, Any], value: object) -> None:
    assert filled(form_of(schema("it", it=about)), {"it": value}) == {"it": value}


@pytest.mark.parametrize(
    ("about", "value", "expected"),
    [
        ({"type": "string"}, 5, "it is 5; expected a text"),
        ({"type": "string"}, None, "it is null; expected a text"),
        ({"type": "string", "minLength": 2}, "a", 'it is "a"; expected a text of at least 2 characters'),
        ({"type": "string", "maxLength": 2}, "abc", "expected a text of at most 2 characters"),
        ({"type": "string", "minLength": 1, "maxLength": 2}, "", "expected a text of 1 to 2 characters"),
        ({"type": "string", "format": "email"}, "me", "expected an e-mail address"),
        ({"type": "string", "format": "uri"}, "a b", "expected a URI"),
        ({"type": "string", "format": "date"}, "tomorrow", "expected a date (2026-01-31)"),
        ({"type": "string", "format": "date-time"}, "noon", "expected a time (2026-01-31T12:00:00Z)"),
        ({"type": "integer"}, "3", 'it is "3"; expected a whole number'),
        ({"type": "integer"}, 3.5, "expected a whole number"),
        ({"type": "integer"}, True, "it is true; expected a whole number"),
        ({"type": "integer", "minimum": 1, "maximum": 3}, 4, "expected a whole number 1 to 3"),
        ({"type": "number", "maximum": 3}, 3.5, "expected a number at most 3"),
        ({"type": "boolean"}, "true", 'it is "true"; expected true or false'),
        (UNITS, "kelvin", 'it is "kelvin"; expected one of celsius, fahrenheit'),
        (TITLED, "Red", "expected one of #f00, #0f0"),
        (SOME, [], "it is []; expected a list of 1 to 2 of a, b, c"),
        (SOME, ["a", "d"], "expected a list of 1 to 2 of a, b, c"),
        (SOME, "a", "expected a list of 1 to 2 of a, b, c"),
        ({"type": "object"}, None, "expected a value"),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_what_does(
    about: dict[str, Any], value: object, expected: str
) -> None:
    with pytest.raises(FormError, match="it is") as refused:
        filled(form_of(schema(it=about)), {"it": value})
    assert refused.value.field == "it"
    assert expected in str(refused.value)


def test_defaults_fill_what_was_not_given_and_the_rest_is_left_out() -> None:
    form = form_of(
        schema("units", units=UNITS, days={"type": "integer", "default": 0}, note={"type": "string"})
    )
    assert filled(form, {}) == {"units": "celsius", "days": 0}
    assert filled(form, {"note": "x", "units": "fahrenheit"}) == {
        "units": "fahrenheit",
        "days": 0,
        "note": "x",
    }


def test_a_required_value_without_default_must_be_given() -> None:
    with pytest.raises(FormError, match="city is missing; expected a text") as refused:
        filled(form_of(schema("city", city={"type": "string"})), {})
    assert refused.value.field == "city"


def test_a_default_that_does_not_fit_is_not_smuggled_in() -> None:
    with pytest.raises(FormError, match='days is "soon"; expected a whole number'):
        filled(form_of(schema(days={"type": "integer", "default": "soon"})), {})


def test_a_value_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(FormError, match="unit is not asked for; asked for are units") as refused:
        filled(form_of(schema(units=UNITS)), {"unit": "celsius"})
    assert refused.value.field == "unit"
    with pytest.raises(FormError, match="asked for are no values"):
        filled((), {"unit": "celsius"})


def test_what_a_person_typed_is_read_as_what_is_asked_for() -> None:
    form = form_of(
        schema(
            n={"type": "integer"},
            x={"type": "number"},
            ok={"type": "boolean"},
            also=SOME,
            said={"type": "string"},
            o={},
        )
    )
    typed = {
        "n": "3",
        "x": "2.5",
        "ok": "Yes",
        "also": "a, b",
        "said": "5",
        "o": '{"a": 1}',
        "other": "as it is",
    }
    assert read_texts(form, typed) == {
        "n": 3,
        "x": 2.5,
        "ok": True,
        "also": ["a", "b"],
        "said": "5",
        "o": {"a": 1},
        "other": "as it is",
    }
    for no_number in ("NaN", "1e999", "-Infinity"):
        assert read_texts(form, {"x": no_number}) == {"x": no_number}
    assert read_texts(form, {"n": "three", "ok": "maybe", "also": " "}) == {
        "n": "three",
        "ok": "maybe",
        "also": [],
    }
