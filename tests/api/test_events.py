"""Every event is one that AG-UI knows, and one that is documented."""

import re
from pathlib import Path

import pytest
from ag_ui.core import Event as AgUiEvent
from pydantic import TypeAdapter

from horos_api import events
from horos_api.event_table import CUSTOM_EVENTS, EVENT_TYPES, event_table
from horos_api.events import Event, EventType, placed

PROJECT = Path(__file__).parent.parent.parent
SOURCES = [path for folder in ("operator", "agent_image") for path in (PROJECT / folder).rglob("*.py")]
SCRIPTS = sorted((PROJECT / "operator/horos_bus/scripts").glob("*.lua"))
AG_UI: TypeAdapter[AgUiEvent] = TypeAdapter(AgUiEvent)

BUILT: list[Event] = [
    events.text_start("1-0/1"),
    events.text_delta("1-0/1", "Hel"),
    events.text_end("1-0/1"),
    *events.reasoning_start("1-0/1"),
    events.reasoning_delta("1-0/1", "so"),
    *events.reasoning_end("1-0/1"),
    events.tool_call_start("c1", "add", "1-0/1"),
    events.tool_call_args("c1", "{}"),
    events.tool_call_end("c1"),
    events.custom("gap", {"after": "1-0"}),
    events.discard("1-0/1"),
    events.retry("busy", 0.5),
    events.fallback("gpt-5.2-mini", "busy"),
    events.repair("it is not JSON"),
]


@pytest.mark.parametrize("event", BUILT, ids=lambda event: str(event.get("name") or event["type"]))
def test_what_is_built_is_an_ag_ui_event_as_it_stands_and_with_its_place(event: Event) -> None:
    AG_UI.validate_python(event)
    parsed = AG_UI.validate_python(placed("1795579503678-2", event))
    assert parsed.timestamp == 1795579503678
    assert parsed.metadata == {"sequence": "1795579503678-2"}
    assert placed("1-0", event).items() >= event.items(), "nothing of the event is lost"


def test_the_place_of_an_event_joins_the_metadata_that_it_has() -> None:
    event = {"type": "RUN_STARTED", "threadId": "t", "runId": "r", "metadata": {"attempt": 1}}
    assert placed("5-0", event)["metadata"] == {"attempt": 1, "sequence": "5-0"}


def test_every_type_is_documented() -> None:
    assert set(EVENT_TYPES) == set(EventType)


def test_every_type_that_a_script_writes_is_documented() -> None:
    written = {kind for path in SCRIPTS for kind in re.findall(r"type = '(\w+)'", path.read_text())}
    assert {"RUN_STARTED", "CUSTOM"} <= written
    assert written <= set(EventType)


def test_every_name_of_a_custom_event_is_documented() -> None:
    named = {
        name
        for path in SCRIPTS
        for name in re.findall(r"(?:custom|tell_usage)\(\s*\w+, [\w.']+, '([^']+)'", path.read_text())
    }
    assert {"owes", "resident", "cancel"} <= named
    for path in SOURCES:
        named |= set(re.findall(r"\bcustom\(\s*\"([^\"]+)\"", path.read_text()))
    assert {"gap", "deleted", "discard"} <= named
    assert named - set(CUSTOM_EVENTS) == set(), "say in horos_api/event_table.py what it means"


def test_no_custom_event_is_named_where_the_test_before_cannot_see_it() -> None:
    calls = [
        (path.name, line.strip())
        for path in [*SCRIPTS, *SOURCES]
        for line in path.read_text().splitlines()
        if re.search(r"(?<!def )(?<!function )(?<![._\w])(events\.)?custom\(", line)
    ]
    unseen = [
        (name, line)
        for name, line in calls
        if not re.search(r"custom\(\s*(\w+, [\w.']+, '[^']+'|\"[^\"]+\")", line)
    ]
    assert calls
    assert unseen == [], "write the name as a literal, on the line of the call"


def test_the_page_about_events_is_fresh() -> None:
    page = (PROJECT / "docs/events.md").read_text()
    assert page.endswith(event_table()), "run python -m horos_api.event_table > docs/events.md"
