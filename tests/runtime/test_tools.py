"""Functions become tools, calls are checked, whatever goes wrong is a text for the model."""

import asyncio
import threading
from enum import StrEnum
from typing import Annotated, Any, Literal

import orjson
import pytest
from pydantic import BaseModel, Field

from horos_api.messages import MessageKind
from horos_api.names import BODY_BYTES
from horos_api.resources import BuiltinTool
from horos_bus.records import Stretch
from horos_runtime.builtin_tools import builtin_tools, send_effect
from horos_runtime.records import ToolCall
from horos_runtime.tool_executor import RESULT_BYTES, BusCall, OutsideCall, Rejected, ToolExecutor
from horos_runtime.tool_registry import (
    EffectCall,
    Tool,
    ToolNameConflictError,
    ToolRegistry,
    tool,
)


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


async def run(made: Tool, arguments: str | dict[str, Any] = "{}", seconds: float = 5) -> str:
    executor = ToolExecutor(ToolRegistry(made))
    checked = executor.check(call(made.name, arguments))
    assert isinstance(checked, OutsideCall), checked
    return await executor.run(checked, seconds)


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

    with pytest.raises(TypeError, match="tool untyped: parameter 'x' has no type hint"):
        tool(untyped)
    with pytest.raises(TypeError, match=r"tool open_ended: parameter .*words.* cannot be given by name"):
        tool(open_ended)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ToolNameConflictError, match="'weather'"):
        ToolRegistry(weather, weather)


def test_a_name_that_models_refuse_is_refused_here() -> None:
    with pytest.raises(ValueError, match="'<lambda>'"):
        ToolRegistry(tool(lambda: None))


async def test_arguments_arrive_as_their_types() -> None:
    assert await run(weather, {"place": {"city": "Chur"}, "unit": "us", "days": 3}) == "Chur us 3"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "wrong arguments for weather: place: Field required"),
        ({"place": {"city": 5}}, "place.city: Input should be a valid string"),
        ({"place": {"city": "Chur"}, "days": 9}, "days: Input should be less than or equal to 7"),
        ({"place": {"city": "Chur"}, "moon": 1}, "moon: Extra inputs are not permitted"),
        ("[1]", "are not a JSON object"),
        ('{"place"', "are not a JSON object"),
    ],
)
def test_wrong_arguments_are_explained(arguments: str | dict[str, Any], told: str) -> None:
    assert told in rejected(weather, arguments)


async def test_no_arguments_at_all_are_an_empty_object() -> None:
    @tool
    def ping() -> str:
        return "pong"

    assert await run(ping, "") == "pong"


async def test_a_plain_function_does_not_block_the_loop() -> None:
    released = threading.Event()

    @tool
    def wait() -> bool:
        return released.wait(5)

    async def release() -> None:
        released.set()

    result, _ = await asyncio.gather(run(wait), release())
    assert result == "true"


async def test_a_tool_that_hangs_is_ended_by_its_timeout_or_the_turns() -> None:
    ended = asyncio.Event()

    @tool(timeout_seconds=0.05)
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    assert await run(hang) == "error: hang did not finish within 0.05 s"
    assert ended.is_set()
    assert await run(hang, seconds=0.01) == "error: hang did not finish within 0.01 s"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (None, "done"),
        ({"a": [1, True]}, '{"a":[1,true]}'),
        (Place(city="Chur"), '{"city":"Chur","country":"CH"}'),
        (Literal, "typing.Literal"),
        (2**70, str(2**70)),
    ],
)
async def test_results_of_all_kinds_become_text(value: object, text: str) -> None:
    @tool
    def give() -> object:
        return value

    assert (await run(give)).strip('"') == text


async def test_a_huge_result_is_cut_and_says_so() -> None:
    @tool
    def flood() -> str:
        return "ä" * RESULT_BYTES

    text = await run(flood)
    assert text.startswith("äää")
    assert text.endswith(f"[cut: {2 * RESULT_BYTES} bytes, the first {RESULT_BYTES} are shown]")


async def test_a_result_that_is_no_text_is_one_after_all() -> None:
    @tool
    def halves() -> str:
        return "half \ud83d"

    circle: list[object] = []
    circle.append(circle)

    @tool
    def recurse() -> object:
        return circle

    assert await run(halves) == "half ?"
    assert await run(recurse) == "[[...]]"


async def test_what_a_tool_raises_is_a_result() -> None:
    @tool
    def fail() -> None:
        raise LookupError("not there")

    assert await run(fail) == "error: fail failed: LookupError: not there"


async def nobody() -> list[str]:
    return []


async def no_records(start: int) -> Stretch:
    return Stretch(start, ())


@pytest.mark.parametrize(
    "arguments",
    [{"to": "Bob!", "text": "hi"}, {"to": "bob", "text": " "}, {"to": "bob", "text": "x" * (BODY_BYTES + 1)}],
)
def test_send_checks_name_and_text(arguments: dict[str, str]) -> None:
    executor = ToolExecutor(ToolRegistry(*builtin_tools([BuiltinTool.SEND], nobody, no_records)))
    assert isinstance(executor.check(call("send", arguments)), Rejected)


def test_send_is_one_effect_with_a_result_for_each_outcome() -> None:
    executor = ToolExecutor(ToolRegistry(*builtin_tools(BuiltinTool, nobody, no_records)))
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
    assert results.keys() == {"OK", "FULL", "NOAGENT"}
    assert all(record["tool_call_id"] == "c1" and record["role"] == "tool" for record in results.values())
