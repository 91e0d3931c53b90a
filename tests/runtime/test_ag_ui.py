"""The events of real turns, as the unmodified types of AG-UI read them."""

from ag_ui.core import Event as AgUiEvent
from ag_ui.core import RunStartedEvent, TextMessageContentEvent, ToolCallResultEvent
from pydantic import TypeAdapter

from horos_api.event_table import CUSTOM_EVENTS
from horos_api.events import placed
from horos_bus.control import Control
from horos_bus.event_stream import EventStream
from horos_runtime.tool_registry import ToolRegistry
from horos_runtime.tool_registry import tool as as_tool
from tests.runtime.stage import Stage, custom

AG_UI: TypeAdapter[AgUiEvent] = TypeAdapter(AgUiEvent)


@as_tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


async def parsed(stage: Stage) -> list[AgUiEvent]:
    """Everything in the stream, parsed; an event that AG-UI does not know raises."""
    stored = await EventStream(stage.bus).read("ada", None, "0", 0)
    return [AG_UI.validate_python(placed(each.id, each.event)) for each in stored]


async def test_a_turn_with_a_tool_a_cut_a_refusal_and_a_cancel_is_ag_ui(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(
        {"text": "let me see", "toolCalls": [{"name": "add", "arguments": {"a": 2, "b": 3}}]},
        {"text": "cut off here", "cutAfter": 1},
        {"fault": {"status": 429, "retryAfter": 0.01}},
        {"text": "five"},
        {"chunks": ["too long", {"text": " for you", "hold": True}]},
        {"fault": {"status": 401}},
        repeat="last",
    )
    async with stage.running(tools=ToolRegistry(add)):
        assert await stage.ask("2 + 3?") == "five"
        await stage.say("tell me a long story")
        await stage.shows(lambda event: event.get("delta") == "too long")
        await Control(stage.bus).cancel("ada", (await stage.view()).turn)
        await stage.becomes("idle")
        await stage.say("and now?")
        await stage.becomes("error")
        await stage.shows(lambda event: event["type"] == "RUN_ERROR")
    seen = await parsed(stage)
    kinds = {event.type.value for event in seen}
    names = {event.name for event in seen if event.type.value == "CUSTOM"}
    assert kinds >= {"RUN_STARTED", "RUN_FINISHED", "RUN_ERROR", "STATE_SNAPSHOT", "TEXT_MESSAGE_START"}
    assert kinds >= {"TEXT_MESSAGE_END", "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"}
    assert names >= {"resident", "reply", "usage", "discard", "retry", "cancel"}
    assert names <= set(CUSTOM_EVENTS)
    assert "".join(e.delta for e in seen if isinstance(e, TextMessageContentEvent)).startswith("let me see")
    assert [e.content for e in seen if isinstance(e, ToolCallResultEvent)] == ["5.0"]
    assert {e.thread_id for e in seen if isinstance(e, RunStartedEvent)} == {"main"}


async def test_places_only_grow_and_times_are_theirs(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"text": "one two three"}, repeat="last")
    async with stage.running():
        await stage.ask("count")
        await stage.ask("again", thread="other")
        await stage.shows(custom("usage"), count=2)
    seen = await parsed(stage)
    places = [tuple(map(int, str((event.metadata or {})["sequence"]).split("-"))) for event in seen]
    assert places == sorted(set(places))
    assert [event.timestamp for event in seen] == [milliseconds for milliseconds, _ in places]
