"""Chunks of many servers become one step; plain data in, plain data out."""

from typing import Any

import pytest

from horos_runtime.stream_assembly import REASONING_BYTES, CutStreamError
from tests.runtime.stream_stage import assemble, calls, chunk, part


def test_text_comes_in_fragments_and_ends() -> None:
    step, events = assemble(
        chunk(role="assistant", content=""), chunk(content="Hel"), chunk("stop", content="lo")
    )
    assert (step.text, step.tool_calls, step.usage) == ("Hello", (), None)
    assert [event["type"] for event in events] == [
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
    ]
    assert {event["messageId"] for event in events} == {"t/1"}


def test_thoughts_go_into_the_record_beside_the_content_and_no_longer_than_is_kept() -> None:
    step, _ = assemble(
        chunk(reasoning_content="\nFirst "),
        chunk(reasoning_content="this.\n"),
        chunk("stop", content="Hello"),
    )
    assert step.record("r", "t") == {
        "role": "assistant",
        "content": "Hello",
        "run": "r",
        "by": "t",
        "reasoning": "First this.",
    }
    long, _ = assemble(chunk(reasoning_content="wörd " * 10_000), chunk("stop", content="Hello"))
    kept = long.record("r", "t")["reasoning"]
    assert REASONING_BYTES - 100 < len(kept.encode()) <= REASONING_BYTES
    assert "bytes are not shown" in kept


def test_arguments_of_two_calls_may_interleave() -> None:
    step, events = assemble(
        chunk(tool_calls=[part(index=0, id="a", name="one", arguments="")]),
        chunk(tool_calls=[part(index=1, id="b", name="two", arguments='{"x"')]),
        chunk(tool_calls=[part(index=0, arguments="{}"), part(index=1, arguments=":1}")]),
        chunk("tool_calls"),
    )
    assert calls(step) == [("a", "one", "{}"), ("b", "two", '{"x":1}')]
    assert [event["type"] for event in events] == [
        "TOOL_CALL_START",
        "TOOL_CALL_START",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "TOOL_CALL_END",
    ]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([part(index=0, name="one", arguments="{}")], [("made0", "one", "{}")], id="no id"),
        pytest.param(
            [part(name="one", arguments="{"), part(arguments="}"), part(name="two", arguments="{}")],
            [("made0", "one", "{}"), ("made1", "two", "{}")],
            id="neither id nor index",
        ),
        pytest.param(
            [
                part(index=0, id="a", name="one", arguments="{}"),
                part(index=0, id="b", name="one", arguments="{}"),
            ],
            [("a", "one", "{}"), ("b", "one", "{}")],
            id="index always 0",
        ),
        pytest.param(
            [
                part(index=0, id="a", name="one", arguments="{}"),
                part(index=1, id="a", name="two", arguments="{}"),
            ],
            [("a", "one", "{}"), ("made0", "two", "{}")],
            id="the same id twice",
        ),
        pytest.param(
            [
                part(index=0, id="a", name="one", arguments="{"),
                part(index=0, id="a", name="one", arguments="}"),
            ],
            [("a", "one", "{}")],
            id="the name again in each chunk",
        ),
        pytest.param(
            [part(index=0, id="a", arguments='{"x":'), part(index=0, name="one", arguments="1}")],
            [("a", "one", '{"x":1}')],
            id="arguments before the name",
        ),
        pytest.param([part(index=0, id="a", arguments="{}")], [], id="never a name"),
        pytest.param(["nonsense", None, 5, {"function": "no"}], [], id="nonsense"),
    ],
)
def test_calls_are_understood_as_servers_spell_them(
    parts: list[Any], expected: list[tuple[str, str, str]]
) -> None:
    step, events = assemble(
        chunk(content="See:"), *(chunk(tool_calls=[each]) for each in parts), chunk("tool_calls")
    )
    assert calls(step) == expected
    shown: dict[str, str] = {
        event["toolCallId"]: "" for event in events if event["type"] == "TOOL_CALL_START"
    }
    for event in events:
        if event["type"] == "TOOL_CALL_ARGS":
            shown[event["toolCallId"]] += event["delta"]
    assert shown == {call_id: arguments for call_id, _, arguments in expected}


def test_usage_may_come_with_the_last_chunk_or_behind_it_or_never() -> None:
    usage = {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    behind, _ = assemble(chunk(content="x"), chunk("stop"), {"choices": [], **usage})
    within, _ = assemble(chunk(content="x"), chunk("stop") | usage)
    never, _ = assemble(chunk(content="x"), chunk("stop") | {"usage": None})
    wrong, _ = assemble(chunk(content="x"), chunk("stop") | {"usage": {"prompt_tokens": "many"}})
    assert behind.usage == within.usage == {"prompt": 7, "completion": 2}
    assert never.usage is wrong.usage is None


@pytest.mark.parametrize(
    "chunks", [[], [chunk(content="half")], ["x", None, {"choices": None}, {"choices": 3}]]
)
def test_a_stream_without_an_end_is_cut(chunks: list[object]) -> None:
    with pytest.raises(CutStreamError):
        assemble(*chunks)


def test_usage_behind_everything_is_an_end_too() -> None:
    step, _ = assemble(
        chunk(content="x"), {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    )
    assert step.text == "x"


def test_other_choices_are_ignored() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": None}]}
    step, _ = assemble(chunk(content="x"), other, chunk("stop"))
    assert step.text == "x"


def test_halves_of_characters_can_be_stored() -> None:
    step, events = assemble(chunk(content="smile \ud83d\ude00 half \ud83d"), chunk("stop"))
    assert step.text == "smile \U0001f600 half \ufffd"
    assert "".join(event["delta"] for event in events if "delta" in event) == step.text
