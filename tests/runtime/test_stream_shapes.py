"""The quirks of compatible servers: one row each with the chunks, the step, and what watchers see."""

from typing import Any

import pytest
from ag_ui.core import Event as AgUiEvent
from pydantic import TypeAdapter

from horos_runtime.stream_assembly import CUT_OFF, WITHHELD, CutStreamError
from tests.runtime.stream_stage import Seen, assemble, calls, chunk, part, seen

AG_UI: TypeAdapter[Any] = TypeAdapter(AgUiEvent)
TEXT = ("text", "t/1", "Hello")
THOUGHTS = ("reasoning", "t/1/r1", "Hm.")
END = chunk("stop")


def row(name: str, *chunks: object, text: str = "", sees: list[Seen]) -> Any:
    return pytest.param(chunks, text, sees, id=name)


TEXTS = [
    row("content null", chunk(content=None), chunk(content="Hello"), END, text="Hello", sees=[TEXT]),
    row("delta null", {"choices": [{"delta": None}]}, chunk(content="Hello"), END, text="Hello", sees=[TEXT]),
    row("no choices yet", {"choices": []}, chunk(content="Hello"), END, text="Hello", sees=[TEXT]),
    row("choices null", {"choices": None}, chunk(content="Hello"), END, text="Hello", sees=[TEXT]),
    row("no index", {"choices": [{"delta": {"content": "Hello"}}]}, END, text="Hello", sees=[TEXT]),
    row("content in the last chunk", chunk("stop", content="Hello"), text="Hello", sees=[TEXT]),
    row(
        "a list of parts",
        chunk(content=[{"type": "text", "text": "Hel"}, {"text": "lo"}, {"type": "image"}, 5]),
        END,
        text="Hello",
        sees=[TEXT],
    ),
    row("a list of strings", chunk(content=["Hel", "lo"]), END, text="Hello", sees=[TEXT]),
    row(
        "a whole message instead of deltas",
        {"choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]},
        text="Hello",
        sees=[TEXT],
    ),
    row("a refusal", chunk(refusal="Hello"), END, text="Hello", sees=[TEXT]),
    row("no words at all", chunk(role="assistant", content=""), END, sees=[]),
    row("white space alone", chunk(content=" \n"), END, sees=[]),
    row(
        "finish_reason tool_calls without any",
        chunk(content="Hello"),
        chunk("tool_calls"),
        text="Hello",
        sees=[TEXT],
    ),
    row("an unknown finish_reason", chunk(content="Hello"), chunk("eos"), text="Hello", sees=[TEXT]),
    row(
        "cut off by the limit",
        chunk(content="Hello"),
        chunk("length"),
        text=f"Hello\n\n{CUT_OFF}",
        sees=[("text", "t/1", f"Hello\n\n{CUT_OFF}")],
    ),
    row(
        "the limit was used up by thoughts",
        chunk(reasoning_content="Hm."),
        chunk("length"),
        text=CUT_OFF,
        sees=[THOUGHTS, ("text", "t/1", CUT_OFF)],
    ),
    row(
        "a content filter",
        chunk(content="Hello"),
        chunk("content_filter"),
        text=f"Hello\n\n{WITHHELD}",
        sees=[("text", "t/1", f"Hello\n\n{WITHHELD}")],
    ),
    row("a content filter at once", chunk("content_filter"), text=WITHHELD, sees=[("text", "t/1", WITHHELD)]),
]
REASONINGS = [
    row(name, *chunks, chunk(content="Hello"), END, text="Hello", sees=[THOUGHTS, TEXT])
    for name, chunks in {
        "reasoning_content": [chunk(reasoning_content="H", content=None), chunk(reasoning_content="m.")],
        "reasoning": [chunk(reasoning="Hm.", content="")],
        "both, with the same": [chunk(reasoning="Hm.", reasoning_content="Hm.")],
        "thinking": [chunk(thinking="Hm.")],
        "reasoning_details": [
            chunk(reasoning_details=[{"type": "reasoning.text", "text": "H"}, {"type": "x", "summary": "m."}])
        ],
        "reasoning and its details": [chunk(reasoning="Hm.", reasoning_details=[{"text": "Hm."}])],
        "parts of thoughts": [
            chunk(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}])
        ],
        "think tags": [chunk(content="\n<think>Hm.</think>\n\n")],
        "think tags in pieces": [
            chunk(content=piece) for piece in ("<th", "ink>", "Hm.</", "thi", "nk", ">")
        ],
        "thought tags": [chunk(content="<thought>Hm.</thought>")],
    }.items()
] + [
    row(
        "empty thoughts", chunk(reasoning_content=""), chunk(content="Hello"), END, text="Hello", sees=[TEXT]
    ),
    row("empty think tags", chunk(content="<think></think>Hello"), END, text="Hello", sees=[TEXT]),
    row("thoughts without an end", chunk(content="<think>Hm."), END, sees=[THOUGHTS]),
    row(
        "almost the end of thoughts",
        chunk(content="<think>Hm.</thin"),
        END,
        sees=[("reasoning", "t/1/r1", "Hm.</thin")],
    ),
    row("almost a tag", chunk(content="<thi"), END, text="<thi", sees=[("text", "t/1", "<thi")]),
    row(
        "a tag later on is text",
        chunk(content="Say <think>"),
        END,
        text="Say <think>",
        sees=[("text", "t/1", "Say <think>")],
    ),
    row(
        "thoughts between the words",
        chunk(reasoning="Hm."),
        chunk(content="Hel"),
        chunk(reasoning="Well."),
        chunk(content="lo"),
        END,
        text="Hello",
        sees=[THOUGHTS, TEXT, ("reasoning", "t/1/r2", "Well.")],
    ),
]


@pytest.mark.parametrize(("chunks", "text", "sees"), TEXTS + REASONINGS)
def test_text_and_thoughts_are_told_apart_as_servers_spell_them(
    chunks: tuple[object, ...], text: str, sees: list[Seen]
) -> None:
    step, events = assemble(*chunks)
    assert (step.text, step.tool_calls) == (text, ())
    assert seen(events) == sees


CALLS = {
    "a whole call in one chunk": [part(index=0, id="a", name="one", arguments='{"x":1}')],
    "arguments are an object": [part(index=0, id="a", name="one", arguments={"x": 1})],
    "an index that is text": [
        part(index="0", id="a", name="one", arguments='{"x"'),
        part(index="0", arguments=":1}"),
    ],
    "a gap in the indexes": [part(index=7, id="a", name="one", arguments='{"x":1}')],
    "id null behind the first piece": [
        part(index=0, id="a", name="one", arguments='{"x"'),
        part(index=0, id=None, name=None, arguments=":1}"),
    ],
    "the name in each chunk": [
        part(index=0, id="a", name="one", arguments='{"x":'),
        part(index=0, id="a", name="one", arguments="1}"),
        part(index=0, id="a", name="one", arguments=""),
    ],
}


@pytest.mark.parametrize("parts", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("finish", ["tool_calls", "stop", "length"])
def test_one_call_is_understood_whatever_its_shape_and_finish_reason(
    parts: list[dict[str, Any]], finish: str
) -> None:
    step, events = assemble(*(chunk(tool_calls=[each]) for each in parts), chunk(finish))
    assert calls(step) == [("a", "one", '{"x":1}')]
    assert seen(events) == [("call one", "a", '{"x":1}')]


TWO = {
    "index 0 for both, no ids": [
        part(index=0, name="one", arguments="{}"),
        part(index=0, name="one", arguments="{}"),
    ],
    "index 0 for both, empty ids": [
        part(index=0, id="", name="one", arguments="{}"),
        part(index=0, id="", name="one", arguments="{}"),
    ],
    "no index, no ids": [part(name="one", arguments="{}"), part(name="one", arguments="{}")],
    "without arguments": [part(index=0, name="one"), part(index=1, name="one", arguments=None)],
}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("parts", TWO.values(), ids=TWO)
def test_two_calls_stay_two(parts: list[dict[str, Any]], together: bool) -> None:
    chunks = [chunk(tool_calls=parts)] if together else [chunk(tool_calls=[each]) for each in parts]
    step, events = assemble(*chunks, chunk("tool_calls"))
    assert calls(step) == [("made0", "one", "{}"), ("made1", "one", "{}")]
    assert seen(events) == [("call one", "made0", "{}"), ("call one", "made1", "{}")]


def test_a_call_in_the_old_spelling_is_a_call() -> None:
    step, events = assemble(
        chunk(function_call={"name": "one", "arguments": '{"x'}),
        chunk(function_call={"arguments": '":1}'}),
        chunk("function_call"),
    )
    assert calls(step) == [("made0", "one", '{"x":1}')]
    assert seen(events) == [("call one", "made0", '{"x":1}')]


def test_thoughts_end_where_a_call_begins_and_may_come_again() -> None:
    step, events = assemble(
        chunk(reasoning="Hm."),
        chunk(tool_calls=[part(index=0, id="a", name="one", arguments="{}")]),
        chunk(reasoning="Well."),
        chunk("tool_calls"),
    )
    assert step.text == ""
    assert seen(events) == [THOUGHTS, ("call one", "a", "{}"), ("reasoning", "t/1/r2", "Well.")]


def test_a_call_whose_arguments_are_not_json_is_kept_as_the_model_wrote_it() -> None:
    step, events = assemble(
        chunk(tool_calls=[part(index=0, id="a", name="one", arguments="{x")]), chunk("length")
    )
    assert (calls(step), step.cut) == ([("a", "one", "{x")], True)
    assert seen(events) == [("call one", "a", "{x")]


USAGES = {
    "behind the end": [
        chunk(content="x"),
        END,
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
    ],
    "in the last chunk": [chunk(content="x"), END | {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}],
    "in every chunk, growing": [
        chunk() | {"usage": {"prompt_tokens": 7, "completion_tokens": 0}},
        chunk(content="x") | {"usage": {"prompt_tokens": 7, "completion_tokens": 1}},
        END | {"usage": {"prompt_tokens": 7, "completion_tokens": 2}},
    ],
    "as input and output": [chunk(content="x"), END | {"usage": {"input_tokens": 7, "output_tokens": 2}}],
    "as text": [chunk(content="x"), END | {"usage": {"prompt_tokens": "7", "completion_tokens": "2"}}],
    "under Groq's own name": [
        chunk(content="x"),
        END | {"x_groq": {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}},
    ],
    "inside the choice": [
        {
            "choices": [
                {
                    "delta": {"content": "x"},
                    "finish_reason": "stop",
                    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
                }
            ]
        }
    ],
    "instead of an end": [
        chunk(content="x"),
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
    ],
}


@pytest.mark.parametrize("chunks", USAGES.values(), ids=USAGES)
def test_the_usage_is_found_wherever_it_is(chunks: list[object]) -> None:
    step, _ = assemble(*chunks)
    assert (step.text, step.usage) == ("x", {"prompt": 7, "completion": 2})


@pytest.mark.parametrize(
    "usage", [None, {}, 5, {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": True}]
)
def test_a_usage_that_says_nothing_is_none(usage: object) -> None:
    step, _ = assemble(chunk(content="x"), END | {"usage": usage})
    assert step.usage is None


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([chunk(content="half"), chunk("error")], "broke off the answer (finish_reason error)"),
        ([chunk("abort", content="half")], "broke off the answer (finish_reason abort)"),
        ([chunk("tool_calls")], "announced tool calls and sent none"),
        ([chunk(content="half"), {"choices": [], "usage": None}], "ended before the answer was complete"),
        (
            [{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 0}}, chunk(content="half")],
            "ended before the answer was complete",
        ),
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(chunks: list[object], said: str) -> None:
    with pytest.raises(CutStreamError, match=said.replace("(", r"\(").replace(")", r"\)")):
        assemble(*chunks)


@pytest.mark.parametrize(("chunks", "text", "sees"), REASONINGS)
def test_the_types_of_ag_ui_understand_every_event(
    chunks: tuple[object, ...], text: str, sees: list[Seen]
) -> None:
    _, events = assemble(*chunks)
    assert [AG_UI.validate_python(event).type for event in events] == [event["type"] for event in events]
