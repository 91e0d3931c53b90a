"""Functions become tools, and calls are checked: what is wrong with one is a text for the model."""

import functools
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, Literal

import orjson
import pytest
from pydantic import AfterValidator, BaseModel, Field

from horos_api.messages import MessageKind
from horos_api.names import BODY_BYTES
from horos_api.resources import BuiltinTool
from horos_bus.group_reading import GroupLine
from horos_bus.records import Stretch
from horos_runtime.builtin_tools import builtin_tools, send_effect
from horos_runtime.bus_arguments import NoArguments
from horos_runtime.records import ToolCall
from horos_runtime.tool_arguments import RawSchema
from horos_runtime.tool_context import ToolContext
from horos_runtime.tool_executor import BusCall, OutsideCall, Rejected, ToolExecutor
from horos_runtime.tool_registry import (
    EffectCall,
    Tool,
    ToolNameConflictError,
    ToolRegistry,
    tool,
)
from horos_runtime.tools import Approval

CHUR = {"city": "Chur"}


class Unit(StrEnum):
    METRIC = "metric"
    US = "us"


class Place(BaseModel):
    city: str
    country: str = "CH"


@tool(idempotent=True, timeout_seconds=5)
def weather(place: Place, unit: Unit = Unit.METRIC, *, days: Annotated[int, Field(ge=1, le=7)] = 1) -> str:
    """Tell the weather.

    It is only a forecast.

    Args:
        place: Where, as exactly
            as you can.
        days: How many days ahead.

    Returns:
        A sentence.
    """
    return f"{place.city} {unit} {days}"


def call(name: str, arguments: str | dict[str, Any] = "{}") -> ToolCall:
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": text}}


async def run(made: Tool, arguments: dict[str, Any]) -> str:
    return await ToolExecutor(ToolRegistry(made)).call(made.name, arguments)


def rejected(made: Tool, arguments: str | dict[str, Any]) -> str:
    checked = ToolExecutor(ToolRegistry(made)).check(call(made.name, arguments))
    assert isinstance(checked, Rejected), checked
    return checked.text


def test_a_schema_comes_from_hints_and_docstring() -> None:
    (schema,) = ToolRegistry(weather).schemas()
    function = schema["function"]
    assert function["name"] == "weather"
    assert function["description"] == "Tell the weather.\n\nIt is only a forecast."
    parameters = function["parameters"]
    assert parameters["required"] == ["place"]
    assert parameters["additionalProperties"] is False
    assert parameters["properties"]["place"]["description"] == "Where, as exactly as you can."
    assert parameters["properties"]["days"] == {
        "default": 1,
        "description": "How many days ahead.",
        "maximum": 7,
        "minimum": 1,
        "type": "integer",
    }
    assert '"title"' not in orjson.dumps(schema).decode()
    assert (weather.idempotent, weather.timeout_seconds) == (True, 5)


def test_a_parameter_may_be_called_title() -> None:
    @tool
    def find(title: str) -> str:
        return title

    (schema,) = ToolRegistry(find).schemas()
    assert schema["function"]["parameters"]["properties"] == {"title": {"type": "string"}}


def test_schemas_are_in_the_same_order_always() -> None:
    @tool(name="zebra")
    def one() -> None: ...

    @tool(name="ant")
    def two() -> None: ...

    names = [schema["function"]["name"] for schema in ToolRegistry(one, two).schemas()]
    assert names == ["ant", "zebra"]


def test_a_function_that_cannot_be_a_tool_is_refused() -> None:
    def untyped(x) -> None: ...  # type: ignore[no-untyped-def]

    def open_ended(*words: str) -> None: ...

    def yields(x: int) -> Iterator[int]:
        yield x

    async def streams(x: int) -> AsyncIterator[int]:
        yield x

    def reads(file: threading.Thread) -> None: ...

    def unknown(x: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    def twice(a: ToolContext, b: ToolContext) -> None: ...

    for refused, told in (
        (yields, "tool yields: it yields; expected a function that returns its result"),
        (streams, "tool streams: it yields"),
        (reads, "tool reads: a parameter is of a type that JSON cannot carry: .*Thread"),
        (unknown, "tool unknown: a type hint cannot be read: name 'Nowhere' is not defined"),
        (twice, "tool twice: parameters 'a' and 'b' both want a context"),
        (functools.partial(print), "has no name; give it one"),
    ):
        with pytest.raises(TypeError, match=told):
            tool(refused)
    with pytest.raises(ValueError, match="tool weather: timeout_seconds 0: expected more than 0"):
        tool(name="weather", timeout_seconds=0)(echo)
    with pytest.raises(ValueError, match="tool weather: approval_timeout_seconds -1: expected more than 0"):
        tool(name="weather", approval_timeout_seconds=-1)(echo)
    with pytest.raises(TypeError, match="tool untyped: parameter 'x' has no type hint"):
        tool(untyped)
    with pytest.raises(TypeError, match=r"tool open_ended: parameter .*words.* cannot be given by name"):
        tool(open_ended)


def test_only_a_tool_that_says_so_waits_for_a_person() -> None:
    def echo(x: int) -> int:
        return x

    assert tool(name="echo", approval_timeout_seconds=5)(echo).approval is None
    assert tool(name="echo", approval=True)(echo).approval == Approval(3600)
    assert tool(name="echo", approval=True, approval_timeout_seconds=5)(echo).approval == Approval(5)


def test_two_tools_of_one_name_are_refused_and_both_are_named() -> None:
    other = Tool("weather", "", NoArguments, lambda *_: echo(1), origin="package meteo 1.0")
    with pytest.raises(ToolNameConflictError) as refused:
        ToolRegistry(weather, other)
    assert str(refused.value) == (
        f"there is already a tool named 'weather': one is from {__name__}.weather, "
        "the other from package meteo 1.0"
    )
    with pytest.raises(ToolNameConflictError, match="the other made by this program"):
        ToolRegistry(weather, replace(other, origin=""))


def test_tools_come_and_go_but_not_in_a_copy() -> None:
    registry = ToolRegistry(weather)
    before = registry.copy()
    registry.unregister("weather")
    assert (registry.names(), before.names()) == ([], ["weather"])
    registry.register(RAW)
    assert (registry.names(), before.names()) == (["search"], ["weather"])
    with pytest.raises(KeyError, match="there is no tool named 'weather'; registered: search"):
        registry.unregister("weather")


def test_a_parameter_may_be_called_as_it_likes() -> None:
    @tool
    def fetch(json: bool, copy: int, model_name: str, _hidden: str, schema: str = "x") -> None: ...

    (described,) = ToolRegistry(fetch).schemas()
    parameters = described["function"]["parameters"]
    assert list(parameters["properties"]) == ["json", "copy", "model_name", "_hidden", "schema"]
    assert parameters["required"] == ["json", "copy", "model_name", "_hidden"]
    told = rejected(fetch, {"json": "maybe", "copy": 1, "model_name": "m", "_hiden": "h"})
    assert "_hiden: there is no field of this name; did you mean '_hidden'?" in told
    assert "json: Input should be a valid boolean" in told


async def test_parameters_with_awkward_names_arrive() -> None:
    @tool
    def fetch(json: bool, _hidden: str = "h", *, schema: str = "s") -> list[object]:
        return [json, _hidden, schema]

    assert await run(fetch, {"json": True, "schema": "x"}) == '[true,"h","x"]'


NUMPY = """Find things.

Parameters
----------
query : str
    What to look for,
    in words.
limit, offset : int, optional
    How many.

Returns
-------
list
    What was found.
"""
SPHINX = """Find things.

:param query: What to look for,
    in words.
:param int limit: How many.
:param offset: How many.
:returns: What was found.
"""
GOOGLE = """Find things.

Args:
    query (str): What to look for,
        in words.
    limit: How many.
    offset: How many.

Returns:
    What was found.
"""


@pytest.mark.parametrize("docstring", [NUMPY, SPHINX, GOOGLE], ids=["numpy", "Sphinx", "Google"])
def test_docstrings_are_read_in_three_styles(docstring: str) -> None:
    def find(query: str, limit: int = 1, offset: int = 0) -> list[str]:
        return []

    find.__doc__ = docstring
    (schema,) = ToolRegistry(tool(find)).schemas()
    assert schema["function"]["description"] == "Find things."
    properties = schema["function"]["parameters"]["properties"]
    assert {name: each["description"] for name, each in properties.items()} == {
        "query": "What to look for, in words.",
        "limit": "How many.",
        "offset": "How many.",
    }


def test_optional_and_nested_types_are_described() -> None:
    @tool
    def plan(stops: list[Place], mode: Literal["car", "train"] = "car", note: str | None = None) -> None: ...

    (schema,) = ToolRegistry(plan).schemas()
    parameters = schema["function"]["parameters"]
    assert parameters["properties"]["mode"] == {"default": "car", "enum": ["car", "train"], "type": "string"}
    assert parameters["properties"]["note"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert parameters["properties"]["stops"]["items"] == {"$ref": "#/$defs/Place"}
    told = rejected(plan, {"stops": [{"town": "Chur"}], "mode": "boat"})
    assert "stops.0.city: it is missing; expected string; mode" in told
    assert "mode: Input should be 'car' or 'train', got \"boat\"" in told


def test_a_context_is_no_part_of_the_schema() -> None:
    @tool
    def charge(amount: int, context: ToolContext) -> None: ...

    @tool
    def maybe(context: ToolContext | None = None) -> None: ...

    for described, expected in zip(ToolRegistry(charge, maybe).schemas(), (["amount"], []), strict=True):
        assert list(described["function"]["parameters"]["properties"]) == expected


def test_a_name_that_models_refuse_is_refused_here() -> None:
    with pytest.raises(ValueError, match="'<lambda>'"):
        ToolRegistry(tool(lambda: None))


async def test_arguments_arrive_as_their_types() -> None:
    assert await run(weather, {"place": {"city": "Chur"}, "unit": "us", "days": 3}) == "Chur us 3"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "place: it is missing; expected object with city, country (Where, as exactly as you can.)"),
        ({"place": {}}, "place.city: it is missing; expected string"),
        ({"place": {"city": 5}}, "place.city: Input should be a valid string, got 5"),
        ({"place": CHUR, "days": 9}, "days: Input should be less than or equal to 7, got 9"),
        ({"place": CHUR, "unit": "si"}, "unit: Input should be 'metric' or 'us', got \"si\""),
        ({"place": CHUR, "moon": 1}, "moon: there is no field of this name; there are days, place, unit"),
        ({"place": CHUR, "day": 1}, "day: there is no field of this name; did you mean 'days'?"),
        ({"plce": CHUR}, "plce: there is no field of this name; did you mean 'place'?"),
        ({"place": {"City": "Chur"}}, "place.city: it is missing; expected string; you wrote 'City'"),
        (
            {"place": '{"city": "Chur"}'},
            "place: Input should be a valid dictionary or instance of Place, got "
            '"{\\"city\\": \\"Chur\\"}" (if this is meant as JSON, give it without quotes)',
        ),
        ("[1]", 'they are not a JSON object, but array; got "[1]"'),
        (
            '{"place"',
            "they are not a JSON object: unexpected end of data: line 1 column 9 (char 8); "
            'got "{\\"place\\""',
        ),
    ],
)
def test_wrong_arguments_are_explained(arguments: str | dict[str, Any], told: str) -> None:
    assert rejected(weather, arguments) == f"error: wrong arguments for weather: {told}"


def test_each_wrong_argument_is_named() -> None:
    assert rejected(weather, {"place": {"city": 5}, "days": 0, "moon": 1}) == (
        "error: wrong arguments for weather: "
        "moon: there is no field of this name; there are days, place, unit; "
        "place.city: Input should be a valid string, got 5; "
        "days: Input should be greater than or equal to 1, got 0"
    )


def test_a_long_wrong_value_is_quoted_in_part() -> None:
    told = rejected(weather, {"place": {"city": list(range(1000))}})
    assert told.endswith("…")
    assert len(told) < 200


RAW = Tool(
    name="search",
    description="Search.",
    arguments=RawSchema(
        {
            "properties": {
                "query": {"type": "string", "description": "What to look for."},
                "limit": {"type": ["integer", "null"]},
                "order": {"enum": ["new", "old"]},
                "free": True,
            },
            "required": ["query"],
            "additionalProperties": False,
        }
    ),
    run=lambda arguments, _: echo(arguments),
)


async def echo(value: object) -> object:
    return value


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "query: it is missing; expected string (What to look for.)"),
        ({"qery": "x"}, "qery: there is no field of this name; did you mean 'query'?"),
        ({"query": "x", "limit": "5"}, 'limit: expected integer or null, got "5"'),
        ({"query": "x", "limit": 1.5}, "limit: expected integer or null, got 1.5"),
        ({"query": "x", "limit": True}, "limit: expected integer or null, got true"),
        ({"query": "x", "order": "best"}, 'order: expected one of "new", "old", got "best"'),
    ],
)
def test_a_schema_alone_checks_arguments_too(arguments: dict[str, Any], told: str) -> None:
    assert rejected(RAW, arguments) == f"error: wrong arguments for search: {told}"


async def test_a_tool_with_a_schema_alone_gets_the_object_as_it_came() -> None:
    given = {"query": "x", "limit": None, "order": "old", "free": [1]}
    assert orjson.loads(await run(RAW, given)) == given
    assert await run(RAW, {"query": "x", "limit": 5.0}) == '{"query":"x","limit":5.0}'
    (schema,) = ToolRegistry(RAW).schemas()
    assert schema["function"]["parameters"]["type"] == "object"
    assert schema["function"]["parameters"]["required"] == ["query"]


def test_a_validator_that_breaks_is_told_like_a_wrong_argument() -> None:
    def broken(value: int) -> int:
        raise RuntimeError("the validator is broken")

    @tool
    def half(number: Annotated[int, AfterValidator(broken)]) -> float:
        return number / 2

    assert rejected(half, {"number": 1}) == (
        "error: the arguments of half could not be checked: RuntimeError: the validator is broken"
    )


def test_a_misspelled_tool_is_recognised() -> None:
    checked = ToolExecutor(ToolRegistry(weather)).check(call("wether"))
    assert checked == Rejected(
        "error: there is no tool named 'wether'; available: weather; did you mean 'weather'?"
    )


async def test_no_arguments_at_all_are_an_empty_object() -> None:
    @tool
    def ping() -> str:
        return "pong"

    checked = ToolExecutor(ToolRegistry(ping)).check(call("ping", ""))
    assert isinstance(checked, OutsideCall)


async def nobody() -> list[str]:
    return []


async def no_records(start: int, _: int | None) -> Stretch:
    return Stretch(start, ())


async def no_groups() -> list[GroupLine]:
    return []


@pytest.mark.parametrize(
    "arguments",
    [{"to": "Bob!", "text": "hi"}, {"to": "bob", "text": " "}, {"to": "bob", "text": "x" * (BODY_BYTES + 1)}],
)
def test_send_checks_name_and_text(arguments: dict[str, str]) -> None:
    executor = ToolExecutor(ToolRegistry(*builtin_tools([BuiltinTool.SEND], nobody, no_records, no_groups)))
    assert isinstance(executor.check(call("send", arguments)), Rejected)


def test_send_is_one_effect_with_a_result_for_each_outcome() -> None:
    executor = ToolExecutor(ToolRegistry(*builtin_tools(BuiltinTool, nobody, no_records, no_groups)))
    checked = executor.check(call("send", {"to": "bob", "text": "hi"}))
    assert isinstance(checked, BusCall)
    effect = send_effect(EffectCall(checked.arguments, "c1", "side", "run", "token"))
    assert (effect.to, effect.thread, effect.message_kind, effect.body) == (
        "bob",
        "side",
        MessageKind.NOTICE,
        "hi",
    )
    results = {outcome: orjson.loads(record) for outcome, record in effect.results.items()}
    assert results.keys() == {"OK", "FULL", "NOAGENT", "LOOP", "RATE"}
    assert all(record["tool_call_id"] == "c1" and record["role"] == "tool" for record in results.values())
