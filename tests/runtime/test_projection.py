"""What the model sees, as a pure function of records; the history is legal whatever the records hold."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from horos_model.scripted_answers import history_error
from horos_runtime.context_manager import ContextManager
from horos_runtime.projection import NO_RESULT, estimate_tokens, message_tokens, project
from horos_runtime.records import Record, dump

PLENTY = 10**9


def user(text: str, sender: str = "") -> Record:
    return {"role": "user", "content": text, "from": sender, "mid": text, "run": "r"}


def assistant(text: str, *call_ids: str, arguments: str = "{}") -> Record:
    record: Record = {"role": "assistant", "content": text, "run": "r", "by": "t"}
    if call_ids:
        record["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}
            for call_id in call_ids
        ]
    return record


def result(call_id: str, text: str = "ok") -> Record:
    return {"role": "tool", "tool_call_id": call_id, "content": text, "run": "r", "by": "t"}


def contents(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages]


def test_our_own_fields_stay_at_home() -> None:
    records = [user("hi"), assistant("", "a"), result("a"), assistant("bye")]
    assert project(records, "Be kind.", PLENTY) == [
        {"role": "system", "content": "Be kind."},
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
    assert contents(project([user("hi", "bob")], "", PLENTY)) == ["[message from agent bob]\nhi"]


def test_a_call_without_a_result_gets_one_and_a_result_without_a_call_goes() -> None:
    records = [
        user("hi"),
        assistant("", "a", "b"),
        result("b"),
        user("more"),
        result("x"),
        assistant("", "c"),
    ]
    projected = project(records, "", PLENTY)
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
        (_, step, _) = project([user("hi"), assistant("", "a", arguments=broken), result("a")], "", PLENTY)
        assert step["tool_calls"][0]["function"]["arguments"] == "{}"


def test_the_oldest_exchanges_go_first_and_the_newest_question_stays() -> None:
    records = [user("one " * 50), assistant("1"), user("two " * 50), assistant("2"), user("three " * 50)]
    whole = sum(message_tokens(message) for message in project(records, "", PLENTY))
    assert contents(project(records, "", whole)) == contents(project(records, "", PLENTY))
    assert contents(project(records, "", whole - 1)) == [records[2]["content"], "2", records[4]["content"]]
    assert contents(project(records, "", 0)) == [records[4]["content"]]


def test_a_long_exchange_loses_its_oldest_rounds_but_not_its_question() -> None:
    records = [user("question")]
    for number in range(5):
        records += [assistant("", f"c{number}"), result(f"c{number}", f"result {number} " * 50)]
    projected = project(records, "", 400)
    assert projected[0]["content"] == "question"
    assert projected[-1]["content"] == records[-1]["content"]
    assert len(projected) < len(records)
    assert history_error(projected) is None


RECORDS = st.lists(
    st.one_of(
        st.builds(user, st.text(max_size=30)),
        st.builds(
            lambda text, ids: assistant(text, *ids), st.text(max_size=30), st.sets(st.sampled_from("abc"))
        ),
        st.builds(result, st.sampled_from("abcx"), st.text(max_size=30)),
    ),
    max_size=20,
)


@settings(deadline=None)
@given(RECORDS, st.integers(0, 400))
def test_every_history_is_legal_at_every_size(records: list[Record], room: int) -> None:
    projected = project([user("first"), *records], "system", room)
    assert history_error(projected) is None


def test_tokens_are_estimated_from_bytes() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("abcd" * 10) == 13
    assert estimate_tokens("日本") == 2


async def test_a_context_is_read_once_and_again_when_redis_tells_another_length() -> None:
    stored = [dump(user("one")), dump(assistant("1"))]
    reads: list[str] = []

    async def read(thread: str) -> list[bytes]:
        reads.append(thread)
        return stored

    contexts = ContextManager(read)
    assert len(await contexts.load("main", 2, [])) == 2
    contexts.save("main", [user("two")])
    assert [record["content"] for record in contexts.history("main")] == ["one", "1", "two"]
    await contexts.load("main", 3, [])
    assert reads == ["main"]
    stored.append(dump(user("another two")))
    stored.append(dump(assistant("2")))
    assert [record["content"] for record in await contexts.load("main", 4, [])] == [
        "one",
        "1",
        "another two",
        "2",
    ]
    assert reads == ["main", "main"]
    assert contexts.history("other") == ()
