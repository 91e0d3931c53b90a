"""What a tool server asks a person for in the middle of a call: a flat form, and the values that fit it.

Forms are MCP's: an object schema whose properties are texts, numbers, truths, or choices of texts, each
perhaps with a default. The gateway checks answers with this, the `horos` command reads texts as values.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, Literal, TypeAlias

from horos_api.text_formats import FORMATS

Value: TypeAlias = str | int | float | bool | list[str]
Kind: TypeAlias = Literal["string", "number", "integer", "boolean", "choice", "choices", "value"]
_TRUTHS: Final = {"true": True, "yes": True, "false": False, "no": False}
_KINDS: Final[dict[str, Kind]] = {
    "string": "string",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
}


class FormError(ValueError):
    """A value that does not fit; `field` is its name in the form, '' for all of them."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class FormField:
    """One value that is asked for.

    `default` is None without one; `least` and `most` bound a number, the length of a text, or how many of
    the `choices` are taken. `value` is a kind that MCP does not know: anything fits.
    """

    name: str
    kind: Kind
    title: str = ""
    description: str = ""
    required: bool = False
    default: Value | None = None
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    format: str = ""

    def wanted(self) -> str:
        """Say what fits, with an article: `a whole number 1 to 10`."""
        text = FORMATS[self.format].called if self.format in FORMATS else "a text"
        return {
            "choice": f"one of {', '.join(self.choices)}",
            "choices": f"a list of {self._bounds() or 'any'} of {', '.join(self.choices)}",
            "boolean": "true or false",
            "integer": f"a whole number {self._bounds()}",
            "number": f"a number {self._bounds()}",
            "string": f"{text} of {self._bounds()} characters" if self._bounds() else text,
            "value": "a value",
        }[self.kind].strip()

    def _bounds(self) -> str:
        least, most = (None if bound is None else f"{bound:g}" for bound in (self.least, self.most))
        if least is not None and most is not None:
            return f"{least} to {most}"
        if least is not None:
            return f"at least {least}"
        return "" if most is None else f"at most {most}"

    def fits(self, value: object) -> bool:
        """Say whether a value is what is asked for."""
        match value:
            case None:
                return False
            case bool():
                return self.kind in ("boolean", "value")
            case int() | float():
                whole = self.kind == "integer" and value == round(value)
                return self.kind == "value" or ((whole or self.kind == "number") and self._within(value))
            case str():
                return self._fits_text(value)
            case list():
                known = all(each in self.choices for each in value)
                return self.kind == "value" or (self.kind == "choices" and known and self._within(len(value)))
        return self.kind == "value"

    def _fits_text(self, text: str) -> bool:
        if self.kind == "string":
            return self._within(len(text)) and (self.format not in FORMATS or FORMATS[self.format].fits(text))
        return self.kind == "value" or (self.kind == "choice" and text in self.choices)

    def _within(self, size: float) -> bool:
        return (self.least is None or size >= self.least) and (self.most is None or size <= self.most)

    def read(self, text: str) -> object:
        """Read what a person typed; a text that is no such value stays one, and does not fit."""
        match self.kind:
            case "boolean":
                return _TRUTHS.get(text.strip().lower(), text)
            case "choices":
                return [part.strip() for part in text.split(",")] if text.strip() else []
            case "integer" | "number" | "value":
                return _json_or_text(text)
        return text


def form_of(schema: str) -> tuple[FormField, ...]:
    """Read a form from its JSON text, in the order of its properties; none from what is no such schema."""
    document = _json_or_text(schema)
    if not isinstance(document, dict) or not isinstance(document.get("properties"), dict):
        return ()
    required = document.get("required")
    wanted = set(required) if isinstance(required, list) else set()
    return tuple(
        _field(name, about if isinstance(about, dict) else {}, name in wanted)
        for name, about in document["properties"].items()
    )


def filled(form: tuple[FormField, ...], given: Mapping[str, object]) -> dict[str, object]:
    """Complete what was given with the defaults, in the form's order; raises FormError."""
    for name in given:
        if name not in {field.name for field in form}:
            known = ", ".join(field.name for field in form) or "no values"
            raise FormError(name, f"{name} is not asked for; asked for are {known}")
    values: dict[str, object] = {}
    for field in form:
        value = given.get(field.name, field.default)
        if value is None and field.name not in given:
            if field.required:
                raise FormError(field.name, f"{field.name} is missing; expected {field.wanted()}")
            continue
        if not field.fits(value):
            said = json.dumps(value, ensure_ascii=False)[:80]
            raise FormError(field.name, f"{field.name} is {said}; expected {field.wanted()}")
        values[field.name] = value
    return values


def read_texts(form: tuple[FormField, ...], texts: Mapping[str, str]) -> dict[str, object]:
    """Read what a person typed as the values that the form asks for; a name that it has not stays a text."""
    fields = {field.name: field for field in form}
    return {name: fields[name].read(text) if name in fields else text for name, text in texts.items()}


def _field(name: str, about: Mapping[str, Any], required: bool) -> FormField:
    kind, choices = _kind_of(about)
    names = {
        "string": ("minLength", "maxLength"),
        "choices": ("minItems", "maxItems"),
    }.get(kind, ("minimum", "maximum"))
    least, most = (_bound(about.get(name)) for name in names)
    return FormField(
        name=name,
        kind=kind,
        title=_text(about.get("title")),
        description=_text(about.get("description")),
        required=required,
        default=about.get("default"),
        choices=choices,
        least=least,
        most=most,
        format=_text(about.get("format")),
    )


def _kind_of(about: Mapping[str, Any]) -> tuple[Kind, tuple[str, ...]]:
    kind = about.get("type")
    items = about.get("items")
    if kind == "array" and isinstance(items, dict):
        return "choices", _choices(items)
    if kind == "string" and (choices := _choices(about)):
        return "choice", choices
    return _KINDS.get(str(kind), "value"), ()


def _choices(about: Mapping[str, Any]) -> tuple[str, ...]:
    """Choices come as `enum`, or each with a title as `oneOf` or `anyOf`."""
    titled = [
        each.get("const") for each in about.get("oneOf") or about.get("anyOf") or () if isinstance(each, dict)
    ]
    return tuple(each for each in about.get("enum") or titled if isinstance(each, str))


def _bound(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except ValueError:
        return text


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if isfinite(number) else _no_number(text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
