"""When a conversation is shortened, and what is left of it; pure functions of records."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from horos_model.scripted_answers import history_error
from horos_runtime.compaction import learnt, plan, room_for, summary_bytes, target, trigger
from horos_runtime.context import Context
from horos_runtime.projection import LEAST_TOKENS, Room, View
from horos_runtime.records import Record
from horos_runtime.retention import keep_from
from horos_runtime.token_estimates import estimate_tokens, factor, message_tokens, schema_tokens
from tests.runtime.histories import (
    OPEN,
    RECORDS,
    assistant,
    carried_out,
    compacted,
    compaction,
    contents,
    result,
    turns,
    user,
)


def view(context: Context, room: Room) -> View:
    return View(context, OPEN, (), room)


def test_nothing_is_done_below_four_fifths_of_the_room() -> None:
    context = Context(0, turns(10))
    tokens = view(context, Room(10**6)).tokens
    assert plan(view(context, Room(int(tokens / 0.8) + 2))) is None
    assert plan(view(context, Room(int(tokens / 0.8) - 2))) is not None


def test_what_instructions_and_tools_take_is_room_that_is_gone() -> None:
    context = Context(0, turns(10))
    tokens = view(context, Room(10**6)).tokens
    size = int(tokens / 0.8) + 2
    assert plan(view(context, Room(size, fixed=100))) is not None


def test_long_results_are_trimmed_first() -> None:
    context = Context(0, turns(8, words=1000))
    room = Room(28_000)
    decided = compacted(context, room)
    assert decided is not None and not decided.told
    boundaries = view(context, room).boundaries
    assert (boundaries.through, boundaries.drop) == (0, 0) < (0, boundaries.trim)
    assert view(context, room).tokens <= target(room)


def test_then_old_rounds_are_left_out_and_their_questions_and_answers_stay() -> None:
    context = Context(0, turns(40, words=40))
    room = Room(int(view(context, Room(10**6)).tokens * 0.9))
    decided = compacted(context, room)
    assert decided is not None and not decided.told
    shown = contents(view(context, room).messages())
    assert {"question 0", "answer 0", "question 39", "answer 39"} <= set(shown)
    assert not any(text.startswith("result 0 ") for text in shown)
    assert any(text.startswith("result 39 ") for text in shown)


def test_then_the_oldest_exchanges_are_told_by_a_summary() -> None:
    context = Context(0, [user("old " * 300), assistant("yes " * 300), *turns(10, words=1)] * 5)
    room = Room(3000)
    decided = compacted(context, room)
    assert decided is not None and decided.told[0].messages[0]["content"].startswith("old ")
    seen = view(context, room)
    assert seen.boundaries.through > 0
    assert seen.tokens <= target(room)
    assert "Left out without a summary" in seen.messages()[0]["content"]


def test_in_a_long_tool_loop_old_rounds_are_summed_up_and_the_task_stays() -> None:
    rounds = [
        record
        for number in range(30)
        for record in (
            assistant(f"step {number}", f"c{number}", run=OPEN),
            result(f"c{number}", f"found {number} " * 60),
        )
    ]
    context = Context(0, [*turns(3), user("the task", run=OPEN), *rounds])
    room = Room(6000)
    decided = compacted(context, room)
    assert decided is not None
    assert any(each.kind == "round" and each.run == OPEN for each in decided.told)
    shown = contents(view(context, room).messages())
    assert "the task" in shown
    assert shown[-1].startswith("found 29 ")
    assert history_error(view(context, room).messages()) is None


def test_a_compaction_that_would_win_next_to_nothing_is_left_alone() -> None:
    huge = user("task " * 3000, run=OPEN)
    context = Context(0, [*turns(1, words=1), huge, assistant("", "a", run=OPEN), result("a")])
    room = Room(view(context, Room(10**6)).tokens + 10)
    assert view(context, room).tokens > trigger(room)
    assert plan(view(context, room)) is None


@settings(deadline=None, max_examples=400)
@given(RECORDS, st.integers(600, 8000), st.lists(st.builds(user, st.text(max_size=2000)), max_size=3))
def test_any_history_is_brought_down_once_and_stays_legal_and_within_the_room(
    records: list[Record], tokens: int, unsaved: list[Record]
) -> None:
    room = Room(tokens, fixed=tokens // 10)
    context = Context(0, [user("first"), *records])
    told = tuple({**record, "run": OPEN} for record in unsaved)
    before = View(context, OPEN, told, room).tokens
    decided = compacted(context, room, told)  # type: ignore[arg-type]
    seen = View(context, OPEN, told, room)  # type: ignore[arg-type]
    if decided:
        assert seen.tokens < before
        bounds = seen.boundaries
        assert bounds.through <= bounds.drop <= bounds.trim
    assert plan(seen) is None, "compacting again right away does nothing"
    messages = seen.messages()
    assert history_error(messages) is None
    assert messages[0]["role"] == "user"
    assume(len(messages) * 40 <= room.limit)
    assert sum(map(message_tokens, messages)) <= room.limit


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 60), st.integers(1, 200), st.integers(2000, 20_000))
def test_any_ordinary_history_lands_below_the_trigger(count: int, words: int, tokens: int) -> None:
    room = Room(tokens, fixed=200)
    context = Context(0, [*turns(count, words), user("next", run=OPEN)])
    over = view(context, room).tokens > trigger(room)
    assert (compacted(context, room) is not None) == over
    assert view(context, room).tokens <= (target(room) + words * 5 + 400 if over else trigger(room))
    assert view(context, room).tokens <= trigger(room)


def test_decisions_are_the_same_after_reading_only_what_the_summary_does_not_tell() -> None:
    whole = Context(0, turns(60))
    room = Room(4000)
    while compacted(whole, room) or not whole.through:
        whole.extend(turns(5, first=whole.end))
    whole.extend(turns(20, first=1000))
    part = Context(whole.through, whole.since(whole.through))
    assert view(part, room).messages() == view(whole, room).messages()
    assert plan(view(part, room)) == plan(view(whole, room))


def test_tokens_are_estimated_from_bytes() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("abcd" * 10) == 13
    assert estimate_tokens("日本") == 2
    assert schema_tokens([]) == 0
    assert schema_tokens([{"name": "x" * 400}]) > 130


def used(prompt: int, estimate: int) -> Record:
    return {**assistant("x"), "usage": {"prompt": prompt, "completion": 1, "estimate": estimate}}


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], 1.0),
        ([assistant("x")], 1.0),
        ([{**assistant("x"), "usage": {"prompt": 500, "completion": 1}}], 1.0),
        ([used(500, 400)], 1.25),
        ([used(500, 400), used(300, 400)], 0.75),
        ([used(0, 400)], 1.0),
        ([used(10**6, 1)], 4.0),
        ([used(1, 10**6)], 0.7),
    ],
)
def test_the_estimate_is_calibrated_by_the_newest_usage_within_reason(
    records: list[Record], expected: float
) -> None:
    assert factor(records) == expected


def test_the_room_is_the_window_without_the_answer_in_our_tokens() -> None:
    assert room_for(6000, 1.0, 100, None) == Room(6000, 100)
    assert room_for(6000, 2.0, 100, None) == Room(3000, 100)
    assert room_for(6000, 1.0, 100, 500) == Room(500, 100)
    assert room_for(0, 1.0, 100, None).limit == LEAST_TOKENS


def test_a_ceiling_holds_for_the_model_and_window_that_taught_it() -> None:
    record = compaction(0)
    record["ceiling"] = {"model": "m", "window": 8000, "room": 700}
    context = Context(0, [record])
    assert learnt(context, "m", 8000) == 700
    assert learnt(context, "m", 9000) is None
    assert learnt(context, "other", 8000) is None
    assert learnt(Context(), "m", 8000) is None


def test_in_an_emergency_something_is_decided_even_if_nothing_can_be_won() -> None:
    context = Context(0, [user("task", run=OPEN)])
    decided = plan(view(context, Room(10_000)), urgent=True)
    assert decided is not None
    assert decided.boundaries == view(context, Room(10_000)).boundaries


def test_a_summary_is_bounded_by_its_share_of_the_room() -> None:
    room = Room(4000)
    context = Context(0, turns(60))
    decided = plan(view(context, room))
    assert decided is not None
    context.extend([{**carried_out(context, decided, room)}])
    assert context.compaction is not None
    assert len(context.compaction["content"].encode()) <= summary_bytes(room)


def test_a_short_thread_is_kept_whole() -> None:
    assert keep_from(Context(0, turns(10))) == 0


def test_of_a_thread_with_too_many_records_the_oldest_go() -> None:
    context = Context(0, [*turns(100), compaction(through=390)])
    assert keep_from(context, most_records=100) == 301
    assert keep_from(context, most_records=3) == 399, "behind the summary whole exchanges go"


def test_without_a_summary_the_thread_is_cut_between_exchanges() -> None:
    context = Context(0, turns(100))
    for most in range(90, 110):
        index = keep_from(context, most_records=most)
        assert index >= 400 - most
        assert any(each.start == index for each in context.exchanges)


def test_of_a_thread_with_too_many_bytes_the_oldest_go_at_a_compaction_noted_before() -> None:
    context, room = Context(), Room(4000)
    number, throughs = 0, [0]
    while len(throughs) < 12:
        context.extend(turns(10, first=number))
        number += 10
        compacted(context, room)
        if context.through != throughs[-1]:
            throughs.append(context.through)
    sizes = context.sizes(0, context.end)
    for most in (80_000, 50_000):
        index = keep_from(context, most_bytes=most)
        assert index in throughs[1:]
        assert sum(sizes[index:]) <= most
        before = throughs[throughs.index(index) - 1]
        assert sum(sizes[before:]) > most
    part = Context(context.through, context.since(context.through))
    assert keep_from(part, most_bytes=50_000) == index, "memory holds only the end of the thread"


def test_too_many_bytes_without_a_summary_are_cut_between_exchanges() -> None:
    context = Context(0, turns(100))
    index = keep_from(context, most_bytes=20_000)
    assert any(each.start == index for each in context.exchanges)
    assert sum(context.sizes(index, context.end)) <= 20_000
