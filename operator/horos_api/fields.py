"""What the resources are built of: their base class, and types that pydantic and the CRD read alike."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

DNS_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_SUBDOMAIN: Final = rf"^{DNS_LABEL}(\.{DNS_LABEL})*$"
QUANTITY: Final = r"^[0-9]{1,15}(\.[0-9]{1,9})?(m|k|[KMGTPE]i|[MGTPE])?$"
INT64_MAX: Final = 2**63 - 1

JsonSchema: TypeAlias = dict[str, Any]
Item = TypeVar("Item")


class ApiModel(BaseModel):
    """Base of all resources: immutable, camelCase outside and snake_case inside, no unknown field."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        # A runtime that only claims checks no resource: validators are built when the first is read.
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: object) -> object:
        # The API server drops a null in a known field before it fills in defaults.
        if not isinstance(data, Mapping):
            return data
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: value for key, value in data.items() if value is not None or key not in known}


def rule(cel: str, message: str) -> dict[str, str]:
    """One entry of `x-kubernetes-validations`: what the schema cannot say, and the error for it."""
    return {"rule": cel, "message": message}


def rules(*entries: dict[str, str]) -> JsonSchema:
    """Attach rules to a model; next to it stands a validator that says the same in Python."""
    return {"x-kubernetes-validations": list(entries)}


def _whole_number(value: object) -> object:
    if isinstance(value, bool | str | bytes):
        raise ValueError("expected a whole number")  # noqa: TRY004 - pydantic turns only ValueError into its own
    return value


def _quantity_text(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= INT64_MAX:
            raise ValueError(f"expected a quantity from 0 to {INT64_MAX}")
        return str(value)
    return value


def _unique(items: tuple[Item, ...]) -> tuple[Item, ...]:
    if len(set(items)) != len(items):
        raise ValueError("expected no value twice")
    return items


NOT_TEXT: Final = BeforeValidator(_whole_number)
"""Stands last in an `Annotated[int, ...]`, or pydantic's schema loses the bounds in front of a `| None`."""

WholeNumber = Annotated[int, NOT_TEXT]
"""An integer and nothing that pydantic would read as one (text, true)."""

ObjectName = Annotated[str, Field(pattern=DNS_SUBDOMAIN, min_length=1, max_length=253)]
"""The name of a Secret or a ConfigMap."""

DataKey = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]
"""A key in a Secret or a ConfigMap."""

Quantity = Annotated[
    str,
    BeforeValidator(_quantity_text),
    Field(pattern=QUANTITY, max_length=28),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": QUANTITY, "maxLength": 28, "minimum": 0}),
]
"""An amount as in a pod's resources (`250m`, `96Mi`, 1); a whole number becomes text."""

Unique = AfterValidator(_unique)
"""For lists of plain values that the API server keeps as sets."""


def unique_by_name(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Refuse a list in which two items have the same `name`, as the API server does for lists keyed by it."""
    names = [getattr(item, "name") for item in items]  # noqa: B009 - Item is any of our models with a name
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"expected no name twice: {', '.join(twice)}")
    return items


NAMED_LIST: Final[JsonSchema] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
SET_LIST: Final[JsonSchema] = {"x-kubernetes-list-type": "set"}
