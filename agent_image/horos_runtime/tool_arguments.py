"""Validates the arguments that a model wrote, and explains what is wrong so that it can do better."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

import orjson
from pydantic import BaseModel, ValidationError

from horos_runtime.tool_schema import parameters_schema

SHOWN: Final = 80
"""How much of a wrong value is quoted, in characters."""
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}

Arguments: TypeAlias = BaseModel | dict[str, Any]
"""What a tool is run with: an instance of its model, or the object itself where there is only a schema."""


class WrongArgumentsError(ValueError):
    """The arguments do not fit; the message names each field, what is wrong with it and what was expected."""


@dataclass(frozen=True)
class RawSchema:
    """Arguments described by a JSON Schema alone, as a tool server gives it.

    Checked here are names, types and enums of the arguments themselves; what lies deeper is checked by
    whoever made the schema.
    """

    schema: Mapping[str, Any]


Described: TypeAlias = type[BaseModel] | RawSchema


@dataclass(frozen=True)
class _Problem:
    path: tuple[int | str, ...]
    kind: str
    text: str = ""
    value: object = None


def schema_of(described: Described) -> dict[str, Any]:
    """Build the JSON Schema that a model reads."""
    if isinstance(described, RawSchema):
        return {"type": "object", "properties": {}, **described.schema}
    return parameters_schema(described)


def parsed(text: str) -> dict[str, Any]:
    """Read the text of a call's arguments; raises WrongArgumentsError when it is no JSON object."""
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError as error:
        raise WrongArgumentsError(f"they are not a JSON object: {error}; got {_short(text)}") from error
    if not isinstance(value, dict):
        raise WrongArgumentsError(f"they are not a JSON object, but {_kind(value)}; got {_short(text)}")
    return value


def validated(described: Described, given: dict[str, Any]) -> Arguments:
    """Check arguments; raises WrongArgumentsError."""
    if isinstance(described, RawSchema):
        problems = list(_raw_problems(described.schema, given))
        if not problems:
            return given
    else:
        try:
            return described.model_validate(given)
        except ValidationError as error:
            problems = [
                _Problem(each["loc"], each["type"], each["msg"], each["input"]) for each in error.errors()
            ]
    raise WrongArgumentsError("; ".join(_explained(problems, schema_of(described))))


def _raw_problems(schema: Mapping[str, Any], given: dict[str, Any]) -> Iterator[_Problem]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in given:
            yield _Problem((name,), "missing")
    for name, value in given.items():
        if name not in properties:
            if schema.get("additionalProperties") is False:
                yield _Problem((name,), "extra_forbidden", value=value)
            continue
        kinds = properties[name].get("type", ()) if isinstance(properties[name], dict) else ()
        allowed = [kinds] if isinstance(kinds, str) else list(kinds)
        if allowed and not any(_is(value, kind) for kind in allowed):
            yield _Problem((name,), "type", f"expected {' or '.join(allowed)}", value)
        elif isinstance(properties[name], dict) and value not in properties[name].get("enum", [value]):
            choices = ", ".join(map(_short, properties[name]["enum"]))
            yield _Problem((name,), "enum", f"expected one of {choices}", value)


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, (object,)))


def _explained(problems: list[_Problem], schema: dict[str, Any]) -> Iterator[str]:
    missing = {problem.path for problem in problems if problem.kind == "missing"}
    mistaken: set[tuple[int | str, ...]] = set()
    for problem in problems:
        if problem.kind == "extra_forbidden":
            parent, name = problem.path[:-1], str(problem.path[-1])
            known = sorted(_fields(_at(schema, parent, schema)))
            wanted = [each for each in known if (*parent, each) in missing] or known
            near = get_close_matches(name, wanted, n=1) or get_close_matches(name, known, n=1)
            mistaken |= {(*parent, each) for each in near}
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
            yield f"{_path(problem.path)}: there is no field of this name; {hint}"
    for problem in problems:
        if problem.kind == "missing" and problem.path not in mistaken:
            wrote = _misspelled(problem, schema)
            yield f"{_path(problem.path)}: it is missing; expected {_expected(schema, problem.path)}{wrote}"
        elif problem.kind not in ("missing", "extra_forbidden"):
            text = problem.text.removeprefix("Value error, ")
            yield f"{_path(problem.path)}: {text}, got {_short(problem.value)}{_quoted(problem.value)}"


def _misspelled(missing: _Problem, schema: dict[str, Any]) -> str:
    """A model inside the arguments may ignore what it does not know; what was meant is said all the same."""
    known = _fields(_at(schema, missing.path[:-1], schema))
    given = missing.value if isinstance(missing.value, dict) else {}
    near = get_close_matches(str(missing.path[-1]), [name for name in given if name not in known], n=1)
    return f"; you wrote {near[0]!r}" if near else ""


def _path(path: tuple[int | str, ...]) -> str:
    return ".".join(map(str, path)) or "arguments"


def _at(schema: Any, path: tuple[int | str, ...], root: dict[str, Any]) -> dict[str, Any]:
    """Follow a path into a schema; {} where it leads through a union or out of it."""
    found = schema if isinstance(schema, dict) else {}
    if reference := found.get("$ref"):
        found = root.get("$defs", {}).get(str(reference).rpartition("/")[2], {})
    if not path:
        return found
    deeper = found.get("items") if isinstance(path[0], int) else found.get("properties", {}).get(path[0])
    return _at(deeper, path[1:], root)


def _fields(schema: dict[str, Any]) -> list[str]:
    return list(schema.get("properties", {}))


def _expected(schema: dict[str, Any], path: tuple[int | str, ...]) -> str:
    # A description may stand beside a reference, so the field's own schema is read before the one it names.
    own = _at(schema, path[:-1], schema).get("properties", {}).get(path[-1], {})
    found = _at(own, (), schema)
    kind = found.get("type") or ("one of " + _short(found["enum"]) if "enum" in found else "a value")
    inner = f" with {', '.join(_fields(found))}" if kind == "object" and _fields(found) else ""
    description = own.get("description") or found.get("description")
    named = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{named}{inner} ({description})" if description else f"{named}{inner}"


def _quoted(value: object) -> str:
    """A mistake that many models make."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        return " (if this is meant as JSON, give it without quotes)"
    return ""


def _kind(value: object) -> str:
    return next(kind for kind, types in _TYPES.items() if _is(value, kind) and types)


def _short(value: object) -> str:
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
