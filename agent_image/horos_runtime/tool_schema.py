"""Reads a function as a tool: a model and its JSON Schema from hints, descriptions from the docstring."""

import inspect
import re
import typing
from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, create_model

_ARGUMENT: Final = re.compile(r"^\s*\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.+)$")
_SECTION: Final = re.compile(r"^(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Note|Notes):\s*$")


def summary(function: Callable[..., Any]) -> str:
    """Return the docstring up to its first section: what a model reads about the tool."""
    lines: list[str] = []
    for line in (inspect.getdoc(function) or "").splitlines():
        if _SECTION.match(line):
            break
        lines.append(line)
    return "\n".join(lines).strip()


def arguments_model(function: Callable[..., Any]) -> type[BaseModel]:
    """Build the model that validates a call's arguments; raises TypeError when a parameter cannot be one."""
    hints = typing.get_type_hints(function, include_extras=True)
    texts = _argument_texts(inspect.getdoc(function) or "")
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        name = parameter.name
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"tool {function.__name__}: parameter {parameter} cannot be given by name")
        if name not in hints:
            raise TypeError(f"tool {function.__name__}: parameter {name!r} has no type hint")
        hint = Annotated[hints[name], Field(description=texts[name])] if name in texts else hints[name]
        fields[name] = (hint, ... if parameter.default is parameter.empty else parameter.default)
    config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)
    return create_model(f"{function.__name__}_arguments", __config__=config, **fields)


def parameters_schema(arguments: type[BaseModel]) -> dict[str, Any]:
    """Build the JSON Schema of a call's arguments, without the titles that only cost tokens."""
    schema: dict[str, Any] = _without_titles(arguments.model_json_schema())
    schema.pop("description", None)
    schema.setdefault("properties", {})
    return schema


def _without_titles(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    # A property may itself be called `title`: then its value is a schema and not a text.
    return {
        key: _without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def _argument_texts(docstring: str) -> dict[str, str]:
    """Read the lines of a Google style `Args:` section."""
    texts: dict[str, str] = {}
    inside, last = False, ""
    for line in docstring.splitlines():
        if section := _SECTION.match(line):
            inside = section[1] in ("Args", "Arguments", "Parameters")
        elif inside and (argument := _ARGUMENT.match(line)):
            last = argument[1]
            texts[last] = argument[2].strip()
        elif inside and last and line.strip():
            texts[last] += " " + line.strip()
    return texts
