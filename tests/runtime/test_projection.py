"""What the model sees, as a pure function of records; the history is legal whatever the records hold."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from horos_model.scripted_answers import history_error
from horos_runtime.context import Context
from horos_runtime.exchanges import NO_RESULT
from horos_runtime.projection import BEGINNING_GONE, Room, View
from horos_runtime.records import Record
from horos_runtime.shortening import TRIMMED_BYTES, shorten
from horos_runtime.token_estimates import message_tokens
from tests.runtime.histories import (
    OPEN,
    RECORDS,
    assistant,
    compaction,
    contents,
    project,
    request,
    result,
    turns,
    user,
)


def test_our_own_fields_stay_at_home() -> None:
    records = [user("hi"), assistant("", "a"), result("a"), assistant("bye")]
    assert project(records) == [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "ok"},
        {"role": "assistant", "content": "bye"},
    ]


def test_the_model_is_told_which_agent_wrote() -> None:
    assert contents(project([user("hi", "bob")])) == ["[message from agent bob]\nhi"]


def test_a_call_without_a_result_gets_one_and_a_result_without_a_call_goes() -> None:
    records = [
        user("hi"),
        assistant("", "a", "b"),
        result("b"),
        user("more"),
        result("x"),
        assistant("", "c"),
    ]
    projected = project(records)
    assert [message["role"] for message in projected] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "user",
        "assistant",
        "tool",
    ]
    assert projected[3] == {"role": "tool", "tool_call_id": "a", "content": NO_RESULT}


def test_arguments_that_are_no_object_are_not_sent_back() -> None:
    for broken in ("{broken", "[1]", ""):
        (_, step, _) = project([user("hi"), assistant("", "a", arguments=broken), result("a")])
        assert step["tool_calls"][0]["function"]["arguments"] == "{}"


def test_a_compaction_tells_old_records_by_its_summary_and_leaves_rounds_out_and_results_short() -> None:
    records = [*turns(4, words=400), compaction(through=4, drop=8, trim=12, summary="They greeted.")]
    messages = project(records)
    assert "They greeted." in messages[0]["content"]
    assert contents(messages)[1:3] == ["question 1", "answer 1"]
    assert contents(messages)[3] == "question 2"
    short = messages[5]["content"]
    assert short.startswith("result 2 ") and short.endswith("result 2 ") and "bytes are not shown" in short
    assert len(short.encode()) <= TRIMMED_BYTES
    assert messages[9]["content"] == "result 3 " * 400
    assert history_error(messages) is None


def test_the_last_compaction_is_enough() -> None:
    once = [*turns(4), compaction(through=8)]
    twice = [*turns(4), compaction(through=4, summary="older"), compaction(through=8)]
    assert project(once) == project(twice)


def test_the_questions_of_the_open_turn_stay_when_the_records_around_them_are_summed_up() -> None:
    records = [
        *turns(2),
        user("the task", run=OPEN),
        assistant("", "x", run=OPEN),
        result("x"),
        assistant("", "y", run=OPEN),
        result("y", "newest"),
        compaction(through=11),
    ]
    shown = contents(project(records, run=OPEN))
    assert shown[1:] == ["the task", "", "newest"]
    assert contents(project(records))[1:] == ["", "newest"], "a later turn knows them from the summary"


def test_long_arguments_of_old_calls_are_shown_in_part() -> None:
    long = '{"path":"a.txt","text":"' + "x" * 5000 + '"}'
    records = [user("write"), assistant("", "a", arguments=long), result("a"), assistant("done")]
    (_, step, *_) = project([*records, compaction(through=0, trim=4)])
    arguments = step["tool_calls"][0]["function"]["arguments"]
    assert '"path":"a.txt"' in arguments and len(arguments) < 1000
    many = "{" + ",".join(f'"k{number}":"{"y" * 150}"' for number in range(50)) + "}"
    records[1] = assistant("", "a", arguments=many)
    (_, step, *_) = project([*records, compaction(through=0, trim=4)])
    assert step["tool_calls"][0]["function"]["arguments"] == f'{{"not shown":"{len(many)} bytes"}}'


def test_a_conversation_whose_beginning_is_gone_still_begins_with_a_user() -> None:
    assert contents(project([assistant("lost"), user("hi")])) == [BEGINNING_GONE, "lost", "hi"]


def test_messages_that_alone_exceed_the_room_are_shortened_longest_first() -> None:
    records = [user("short", run=OPEN), user("a" * 40_000, run=OPEN), user("b" * 20_000, run=OPEN)]
    messages = project(records, 1000, OPEN)
    assert sum(map(message_tokens, messages)) <= 1000
    assert messages[0]["content"] == "short"
    assert all("bytes are not shown" in message["content"] for message in messages[1:])


def test_a_text_is_cut_in_its_middle_and_never_inside_a_character() -> None:
    text = "ä" * 1000
    for most in range(0, 2100, 7):
        short = shorten(text, most)
        assert len(short.encode()) <= max(most, 0)
        assert "�" not in short
    assert shorten("short", 5) == "short"
    assert shorten("0123456789" * 100, 300).startswith("0123456789")


def test_a_long_unread_run_is_collapsed_but_no_request_disappears() -> None:
    unread = [request(f"task {number} " + "x" * 400, "bob", f"id-{number}") for number in range(30)]
    unread += [user(f"note {number} " + "y" * 400, "", OPEN, mid=f"n-{number}") for number in range(30)]
    messages = project([], 6000, OPEN, tuple(unread))
    assert len(messages) == 2 + 1 + 4
    assert sum(map(message_tokens, messages)) <= 6000
    assert messages[0]["content"].startswith("[request id-0 from agent bob]\ntask 0 ")
    collapsed = messages[2]["content"]
    assert "54 messages are collapsed here: 28 from agent bob, 26 from people." in collapsed
    assert "records 2 to 55" in collapsed
    for number in range(30):
        assert any(f"[request id-{number} from agent bob]" in each["content"] for each in messages), number
    assert "note 3 yyy" in collapsed
    assert messages[-1]["content"].startswith("note 29 ")


def test_what_people_decided_is_not_collapsed() -> None:
    unread = [user(f"note {number} " + "y" * 900, "", OPEN) for number in range(30)]
    denied = user(
        "Denied by bob, who says: " + "no " * 99, "", OPEN, kind="decision", re="id", verdict="deny"
    )
    messages = project([], 6000, OPEN, (*unread[:15], denied, *unread[15:]))
    assert f"[decision about your call, approval id]\n{denied['content']}" in contents(messages)
    assert len(messages) == 2 + 1 + 1 + 4
    assert "24 messages are collapsed here: 24 from people." in messages[2]["content"]


def test_a_short_unread_run_is_shown_whole() -> None:
    unread = tuple(request(f"task {number}", "bob", f"id-{number}") for number in range(30))
    assert len(project([], 6000, OPEN, unread)) == 30


@settings(deadline=None, max_examples=300)
@given(RECORDS, st.integers(0, 4000))
def test_every_history_is_legal_at_every_size(records: list[Record], room: int) -> None:
    messages = project([user("first"), *records], room, OPEN)
    assert history_error(messages) is None
    assert messages[0]["role"] == "user"
    assert all(message["role"] != "system" for message in messages)


@settings(deadline=None)
@given(RECORDS, st.lists(st.integers(1, 5), max_size=10))
def test_a_context_that_grows_is_the_same_as_one_that_is_read(
    records: list[Record], pieces: list[int]
) -> None:
    grown = Context()
    rest = list(records)
    for size in pieces:
        grown.extend(rest[:size])
        rest = rest[size:]
    grown.extend(rest)
    read = Context(0, records)
    assert grown.exchanges == read.exchanges
    assert (grown.end, grown.bytes, grown.compaction) == (read.end, read.bytes, read.compaction)


def test_ten_thousand_records_cost_little_in_each_turn() -> None:
    context = Context(0, turns(2500, words=5))
    View(context, OPEN, (), Room(10**9)).messages()  # what is made of each record, once
    best = min(_seconds(context) for _ in range(5))
    assert len(context.records) > 10_000
    assert best <= 0.010, f"{best * 1000:.1f} ms"


def _seconds(context: Context) -> float:
    began = time.process_time()
    context.extend([user("next", run=OPEN)])
    View(context, OPEN, (), Room(10**9)).messages()
    return time.process_time() - began
