from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from horos_api.conditions import ConditionType, Reason
from horos_api.crd import CHECKOUT, agent_crd, agent_schema, generated_files, structural_schema

SHORTEST_DESCRIPTION = 20
# The API server wants nothing said about what Kubernetes itself defines.
UNDESCRIBED = {"metadata"}


def described_places(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, inside in schema.get("properties", {}).items():
        if name not in UNDESCRIBED or path:
            yield f"{path}.{name}", inside
            yield from described_places(inside, f"{path}.{name}")
    if "items" in schema:
        yield from described_places(schema["items"], f"{path}[]")


def test_every_field_of_the_resource_is_described() -> None:
    places = dict(described_places(agent_schema()))
    assert ".spec.tolerations[].tolerationSeconds" in places
    too_short = [
        path for path, schema in places.items() if len(schema.get("description", "")) < SHORTEST_DESCRIPTION
    ]
    assert too_short == []


@pytest.mark.parametrize("path", generated_files())
def test_generated_files_are_fresh(path: str) -> None:
    on_disk = (CHECKOUT / path).read_text(encoding="utf-8")
    assert on_disk == generated_files()[path], "stale: run `make crds`"


def test_columns_say_what_it_is_doing_and_why_not() -> None:
    version = agent_crd()["spec"]["versions"][0]
    columns = {column["name"]: column["jsonPath"] for column in version["additionalPrinterColumns"]}
    assert list(columns)[:6] == ["State", "Ready", "Reason", "Pod", "Turns", "Age"]
    assert columns["Reason"] == '.status.conditions[?(@.type=="Ready")].reason'
    assert version["subresources"] == {"status": {}}
    names = agent_crd()["spec"]["names"]
    assert (names["shortNames"], names["categories"]) == (["ag"], ["horos"])


def test_a_status_has_no_defaults() -> None:
    assert "default" not in str(agent_schema()["properties"]["status"])


def test_reasons_are_words_that_a_condition_accepts() -> None:
    condition = agent_schema()["properties"]["status"]["properties"]["conditions"]["items"]
    assert condition["properties"]["type"]["enum"] == list(ConditionType)
    assert all(reason.isalpha() and reason[0].isupper() for reason in Reason)


class Inner(BaseModel):
    """What lies inside."""

    size: int = 3


class Sample(BaseModel):
    """One of everything."""

    above: Annotated[int, Field(gt=1, lt=9)] = 2
    ratio: Annotated[float, Field(gt=0)] = 0.5
    maybe: str | None = None
    inner: Inner = Field(default_factory=Inner, description="Said where it is used.")
    always: Inner
    names: tuple[str, ...] = ()


def test_pydantic_schemas_become_structural_ones() -> None:
    assert structural_schema(Sample) == {
        "type": "object",
        "description": "One of everything.",
        "required": ["always"],
        "properties": {
            "above": {"type": "integer", "format": "int64", "default": 2, "minimum": 2, "maximum": 8},
            "ratio": {"type": "number", "default": 0.5, "minimum": 0.0, "exclusiveMinimum": True},
            "maybe": {"type": "string"},
            "inner": {
                "type": "object",
                "description": "Said where it is used.",
                "default": {"size": 3},
                "properties": {"size": {"type": "integer", "format": "int64", "default": 3}},
            },
            "always": {
                "type": "object",
                "description": "What lies inside.",
                "properties": {"size": {"type": "integer", "format": "int64", "default": 3}},
            },
            "names": {"type": "array", "items": {"type": "string"}},
        },
    }


class UnionOfTypes(BaseModel):
    """No structural schema can say this."""

    either: int | str


class LostBound(BaseModel):
    """A keyword that Kubernetes does not know must not be dropped in silence."""

    even: Annotated[int, Field(json_schema_extra={"divisibleBy": 2})]


@pytest.mark.parametrize(("model", "said"), [(UnionOfTypes, "union"), (LostBound, "divisibleBy")])
def test_what_has_no_structural_form_is_an_error(model: type[BaseModel], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        structural_schema(model)
