"""Turns the models into structural schemas, which the API server wants instead of pydantic's own.

That is: no references, no `anyOf` with null, no `const`, no numeric `exclusiveMinimum`, nothing that forbids
fields beside `properties`.
"""

from typing import Any, Final

from pydantic import BaseModel

from horos_api.fields import JsonSchema

_KEPT: Final[tuple[str, ...]] = (
    "type", "description", "default", "enum", "format", "pattern", "minimum", "maximum",
    "minLength", "maxLength", "minItems", "maxItems", "maxProperties", "required",
)  # fmt: skip
_SAID_OTHERWISE: Final = frozenset(
    {
        "title",
        "const",
        "$defs",
        "properties",
        "items",
        "additionalProperties",
        "exclusiveMinimum",
        "exclusiveMaximum",
    }
)
_STEPS: Final = (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1))
_EMPTY: Final[tuple[object, ...]] = ("", [], None)


def structural_schema(model: type[BaseModel]) -> JsonSchema:
    """Build the structural OpenAPI v3 schema that accepts what the model accepts.

    Raises ValueError for a construct that has no structural form (a union of types, for example).
    """
    raw = model.model_json_schema(by_alias=True)
    return _structural(raw, raw.get("$defs", {}))


def _structural(raw: JsonSchema, definitions: dict[str, JsonSchema]) -> JsonSchema:
    raw = _resolved(raw, definitions)
    schema: JsonSchema = {key: raw[key] for key in _KEPT if key in raw}
    schema |= {key: value for key, value in raw.items() if key.startswith("x-kubernetes-")}
    unknown = raw.keys() - schema.keys() - _SAID_OTHERWISE
    if unknown:
        raise ValueError(f"no structural form for {', '.join(sorted(unknown))} in {raw}")
    schema |= _inclusive_bounds(raw)
    if schema.get("default") in _EMPTY:
        schema.pop("default", None)
    if schema.get("type") == "integer":
        schema.setdefault("format", "int64")
    if "properties" in raw:
        schema["properties"] = {
            name: _property(prop, definitions, required=name in raw.get("required", ()))
            for name, prop in raw["properties"].items()
        }
    elif isinstance(raw.get("additionalProperties"), dict):
        schema["additionalProperties"] = _structural(raw["additionalProperties"], definitions)
    if "items" in raw:
        schema["items"] = _structural(raw["items"], definitions)
    return schema


def _property(raw: JsonSchema, definitions: dict[str, JsonSchema], *, required: bool) -> JsonSchema:
    schema = _structural(raw, definitions)
    optional = required or any(option.get("type") == "null" for option in raw.get("anyOf", ()))
    if "properties" in schema and not optional:
        # Always there. Written out, since rules see the default before its own parts are filled in.
        parts = schema["properties"].items()
        schema["default"] = {name: part["default"] for name, part in parts if "default" in part}
    return schema


def _resolved(raw: JsonSchema, definitions: dict[str, JsonSchema]) -> JsonSchema:
    """Follow references and drop null as an alternative; what is said at the place of use wins."""
    here = {key: value for key, value in raw.items() if key not in ("$ref", "anyOf")}
    if "$ref" in raw:
        return _resolved(definitions[raw["$ref"].rsplit("/", 1)[-1]], definitions) | here
    if "anyOf" in raw:
        options = [option for option in raw["anyOf"] if option.get("type") != "null"]
        if len(options) != 1:
            raise ValueError(f"a union of types has no structural schema: {raw}")
        return _resolved(options[0], definitions) | here
    return raw


def _inclusive_bounds(raw: JsonSchema) -> JsonSchema:
    bounds: JsonSchema = {}
    for exclusive, inclusive, step in _STEPS:
        if exclusive not in raw:
            continue
        if raw.get("type") == "integer":
            bounds[inclusive] = raw[exclusive] + step
        else:
            bounds |= {inclusive: raw[exclusive], exclusive: True}
    return bounds


def without_defaults(schema: Any) -> Any:
    """Copy a schema without its defaults: a status says what was seen, and nothing is filled in for it."""
    if isinstance(schema, dict):
        is_schema = isinstance(schema.get("type"), str)
        return {
            key: without_defaults(value)
            for key, value in schema.items()
            if not (is_schema and key == "default")
        }
    return [without_defaults(item) for item in schema] if isinstance(schema, list) else schema
