"""However a stream is cut into chunks, the step is the same."""

import itertools
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from horos_runtime.stream_assembly import Step
from tests.runtime.stream_stage import Seen, assemble, calls, chunk, part, seen

PIECES = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<",
        "</",
        "<thi",
        "nk>",
        " ",
        "\n",
        "a",
        "é",
        "\U0001f600",
        "\ud83d",
        "\ude00",
        '{"x":1}',
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join)
ARGUMENTS = st.sampled_from(["", "{}", '{"x": "\U0001f600"}', '{"x": [1, 2', "not json", "\ud83d"])
CUTS = st.lists(st.integers(0, 60), max_size=12)


def cut(text: str, cuts: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(each for each in cuts if each < len(text))})
    return [text[start:end] for start, end in itertools.pairwise(edges)]


def stream(answer: dict[str, Any], cuts: list[int]) -> list[dict[str, Any]]:
    chunks = [chunk(reasoning_content=piece) for piece in cut(answer["thoughts"], cuts)]
    chunks += [chunk(content=piece) for piece in cut(answer["text"], cuts)]
    for index, arguments in enumerate(answer["calls"]):
        chunks.append(chunk(tool_calls=[part(index=index, id=f"c{index}", name="look", arguments="")]))
        chunks += [chunk(tool_calls=[part(index=index, arguments=piece)]) for piece in cut(arguments, cuts)]
    return [*chunks, chunk("stop")]


def result(answer: dict[str, Any], cuts: list[int]) -> tuple[Step, list[Seen]]:
    step, events = assemble(*stream(answer, cuts))
    return step, seen(events)


@given(
    st.fixed_dictionaries({"thoughts": TEXTS, "text": TEXTS, "calls": st.lists(ARGUMENTS, max_size=2)}), CUTS
)
@example({"thoughts": "", "text": "<think>\U0001f600</think> a", "calls": []}, list(range(20)))
@example({"thoughts": "\ud83d\ude00", "text": "\ud83d\ude00", "calls": ['{"x": "\ud83d\ude00"}']}, [1, 8])
def test_any_split_of_a_stream_gives_the_same_step_and_the_same_view(
    answer: dict[str, Any], cuts: list[int]
) -> None:
    whole, split = result(answer, []), result(answer, cuts)
    assert split == whole
    step, view = whole
    assert "".join(text for kind, _, text in view if kind == "text") == step.text
    assert [text for kind, _, text in view if kind == "call look"] == [found[2] for found in calls(step)]
    step.text.encode()
