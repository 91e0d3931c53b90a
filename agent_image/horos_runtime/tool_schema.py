"""Reads a function as a tool: a model and its JSON Schema from hints, descriptions from the docstring."""

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticUserError

from horos_runtime.docstrings import parameter_texts
from horos_runtime.tool_context import ToolContext


@dataclass(frozen=True)
class Signature:
    """How a function is called: the model of its arguments, and where each of its fields goes.

    `context` is the parameter that gets the ToolContext, '' if there is none.
    """

    arguments: type[BaseModel]
    parameters: dict[str, str]
    context: str

    def given(self, arguments: BaseModel, context: ToolContext) -> dict[str, Any]:
        """Build the keyword arguments; parameters that are models arrive as models."""
        given = {parameter: getattr(arguments, name) for name, parameter in self.parameters.items()}
        return given | {self.context: context} if self.context else given


def signature_of(function: Callable[..., Any], name: str) -> Signature:
    """Read the signature of the function behind tool `name`; raises TypeError when it cannot be one."""
    hints = _hints(function, name)
    texts = parameter_texts(inspect.getdoc(function) or "")
    fields: dict[str, Any] = {}
    parameters: dict[str, str] = {}
    context = ""
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"tool {name}: parameter {parameter} cannot be given by name")
        if parameter.name not in hints:
            raise TypeError(f"tool {name}: parameter {parameter.name!r} has no type hint")
        if _is_context(hints[parameter.name]):
            if context:
                raise TypeError(
                    f"tool {name}: parameters {context!r} and {parameter.name!r} both want a context"
                )
            context = parameter.name
            continue
        field = _field_name(parameter.name, len(fields))
        parameters[field] = parameter.name
        fields[field] = _field(parameter, hints[parameter.name], texts, renamed=field != parameter.name)
    return Signature(_model(name, fields), parameters, context)


@cache
def parameters_schema(arguments: type[BaseModel]) -> dict[str, Any]:
    """Build the JSON Schema of a call's arguments, without the titles that only cost tokens.

    It is asked for in every round and takes long to build, so it is built once; nobody may change it.
    """
    schema: dict[str, Any] = _without_titles(arguments.model_json_schema())
    schema.pop("description", None)
    schema.setdefault("properties", {})
    return schema


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    described = function if inspect.isroutine(function) else type(function).__call__
    try:
        return typing.get_type_hints(described, include_extras=True)
    except NameError as error:
        raise TypeError(f"tool {name}: a type hint cannot be read: {error}") from error


def _is_context(hint: object) -> bool:
    return hint is ToolContext or ToolContext in typing.get_args(hint)


def _field_name(parameter: str, number: int) -> str:
    """Models have names and rules of their own: a parameter `json` or `_x` is called otherwise there."""
    awkward = parameter.startswith(("_", "model_")) or hasattr(BaseModel, parameter)
    return f"argument_{number}" if awkward else parameter


def _field(parameter: inspect.Parameter, hint: Any, texts: dict[str, str], *, renamed: bool) -> Any:
    said: dict[str, Any] = {}
    if parameter.name in texts:
        said["description"] = texts[parameter.name]
    if renamed:
        said["alias"] = parameter.name
    default = ... if parameter.default is parameter.empty else parameter.default
    return (Annotated[hint, Field(**said)] if said else hint, default)


def _model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)
    try:
        return create_model(f"{name}_arguments", __config__=config, **fields)
    except PydanticUserError as error:
        reason = str(error).partition("\n")[0]
        raise TypeError(f"tool {name}: a parameter is of a type that JSON cannot carry: {reason}") from error


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
