import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from horos_api.conditions import ConditionType, Reason
from horos_api.crd import (
    AGENT,
    CHECKOUT,
    KINDS,
    MODEL_CONFIG,
    Kind,
    definition,
    generated_files,
    schema,
)
from horos_api.structural import structural_schema

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


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        (AGENT, ".spec.tolerations[].tolerationSeconds"),
        (AGENT, ".spec.model.fallbacks[].apiKeySecretRef.key"),
        (MODEL_CONFIG, ".spec.pricePerMillionTokens.completion"),
        (MODEL_CONFIG, ".status.agents"),
    ],
)
def test_every_field_of_a_resource_is_described(kind: Kind, place: str) -> None:
    places = dict(described_places(schema(kind)))
    assert place in places
    too_short = [
        path for path, inside in places.items() if len(inside.get("description", "")) < SHORTEST_DESCRIPTION
    ]
    assert too_short == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_descriptions_are_sentences(kind: Kind) -> None:
    texts = {path: inside["description"] for path, inside in described_places(schema(kind))}
    assert {
        path: text for path, text in texts.items() if not text.endswith((".", ").")) or "  " in text
    } == {}
    assert {path: text for path, text in texts.items() if not text[0].isupper()} == {}


@pytest.mark.parametrize("path", generated_files())
def test_generated_files_are_fresh(path: str) -> None:
    on_disk = (CHECKOUT / path).read_text(encoding="utf-8")
    assert on_disk == generated_files()[path], "stale: run `make crds`"


def test_columns_say_what_it_is_doing_and_why_not() -> None:
    version = definition(AGENT)["spec"]["versions"][0]
    columns = {column["name"]: column["jsonPath"] for column in version["additionalPrinterColumns"]}
    assert list(columns)[:6] == ["State", "Ready", "Reason", "Pod", "Turns", "Age"]
    assert columns["Reason"] == '.status.conditions[?(@.type=="Ready")].reason'
    assert version["subresources"] == {"status": {}}
    names = definition(AGENT)["spec"]["names"]
    assert (names["shortNames"], names["categories"]) == (["ag"], ["horos"])


def test_every_kind_has_names_of_its_own_under_one_category() -> None:
    names = [definition(kind)["spec"]["names"] for kind in KINDS]
    assert [each["shortNames"] for each in names] == [["ag"], ["amc"], ["ats"], ["agp"], ["agg"]]
    assert [each["plural"] for each in names] == [
        "agents",
        "modelconfigs",
        "toolservers",
        "agentpools",
        "groups",
    ]
    assert all(each["categories"] == ["horos"] for each in names)


def test_every_column_shows_a_field_that_exists() -> None:
    for kind in KINDS:
        places = {path for path, _ in described_places(schema(kind))} | {".metadata.creationTimestamp"}
        for column in kind.columns:
            path = re.sub(r"\[\?\(.*\)\]", "[]", column["jsonPath"])
            assert path in places, column


def test_a_schema_of_the_answer_is_kept_as_it_is() -> None:
    model = schema(AGENT)["properties"]["spec"]["properties"]["model"]["properties"]
    assert {key: value for key, value in model["responseSchema"].items() if key != "description"} == {
        "type": "object",
        "maxProperties": 256,
        "x-kubernetes-preserve-unknown-fields": True,
    }
    assert model["fallbacks"]["x-kubernetes-list-type"] == "atomic"
    assert "fallbacks" not in model["fallbacks"]["items"]["properties"]


def test_a_status_has_no_defaults() -> None:
    for kind in KINDS:
        assert "'default':" not in str(schema(kind)["properties"]["status"])


def test_reasons_are_words_that_a_condition_accepts() -> None:
    condition = schema(AGENT)["properties"]["status"]["properties"]["conditions"]["items"]
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
