"""What a person reads of a stream of events, as plain data."""

from typing import Any

import pytest

from horos.transcript import Piece, PieceKind, Transcript, state_pieces
from horos_api import events
from tests.asking_people import FORM

MINE = "k-1"


def started(*mids: str, run: str = "1-0") -> dict[str, Any]:
    return {
        "type": "RUN_STARTED",
        "threadId": "main",
        "runId": run,
        "metadata": {"mids": list(mids), "attempt": 1},
    }


def reply(text: str, re: str = MINE) -> dict[str, Any]:
    return events.custom("reply", {"re": re, "text": text})


def told(transcript: Transcript, *happened: dict[str, Any]) -> list[tuple[str, str]]:
    return [(piece.kind.value, piece.text) for event in happened for piece in transcript.feed(event)]


def spoken(message: str, *deltas: str) -> list[dict[str, Any]]:
    return [
        events.text_start(message),
        *(events.text_delta(message, delta) for delta in deltas),
        events.text_end(message),
    ]


def test_text_comes_as_it_is_written_and_the_reply_does_not_repeat_it() -> None:
    transcript = Transcript(MINE)
    shown = told(transcript, started(MINE), *spoken("1-0/1", "Hel", "lo"), reply("Hello"))
    assert shown == [("text", "Hel"), ("text", "lo"), ("end", "")]
    assert transcript.reply == "Hello"


def test_a_reply_whose_text_was_not_seen_is_shown_whole() -> None:
    transcript = Transcript(MINE)
    assert told(transcript, started(MINE), reply("Hello")) == [("text", "Hello"), ("end", "")]


def test_the_reply_to_another_message_is_not_mine() -> None:
    transcript = Transcript(MINE)
    assert told(transcript, started(MINE), reply("No", re="k-2")) == []
    assert transcript.reply is None


def test_turns_of_others_are_not_shown_but_told_once() -> None:
    transcript = Transcript(MINE)
    shown = told(
        transcript,
        started("k-9"),
        *spoken("1-0/1", "secret"),
        started("k-8", run="2-0"),
        started(MINE, run="3-0"),
    )
    assert shown == [("note", "the agent is busy with an earlier message; yours is next")]


def test_a_message_that_joins_a_turn_is_taken_from_there_on() -> None:
    transcript = Transcript(MINE)
    joined = events.custom("joined", {"runId": "1-0", "mids": [MINE]})
    shown = told(transcript, started("k-9"), *spoken("1-0/1", "before"), joined, *spoken("1-0/4", "after"))
    assert shown[1:] == [("text", "after"), ("end", "")]


def test_the_result_of_a_call_that_was_not_shown_is_not_shown_either() -> None:
    transcript = Transcript(MINE)
    joined = events.custom("joined", {"runId": "1-0", "mids": [MINE]})
    result = {"type": "TOOL_CALL_RESULT", "toolCallId": "c1", "content": "ok", "role": "tool"}
    assert told(transcript, joined, result) == []


def test_a_tool_is_shown_with_its_arguments_and_its_result() -> None:
    transcript = Transcript(MINE)
    shown = told(
        transcript,
        started(MINE),
        events.tool_call_start("c1", "send", "1-0/1"),
        events.tool_call_args("c1", '{"to":"bob",'),
        events.tool_call_args("c1", '"n":2}'),
        events.tool_call_end("c1"),
        {
            "type": "TOOL_CALL_RESULT",
            "toolCallId": "c1",
            "content": "ok",
            "messageId": "1-0/2",
            "role": "tool",
        },
    )
    assert shown == [("call", "send(to=bob, n=2)"), ("result", "ok")]


def test_arguments_that_are_not_json_are_shown_as_they_are_and_long_ones_are_cut() -> None:
    transcript = Transcript(MINE)
    call = [
        events.tool_call_start("c1", "send", "1-0/1"),
        events.tool_call_args("c1", "{broken" + "x" * 200),
        events.tool_call_end("c1"),
    ]
    [(_, text)] = told(transcript, started(MINE), *call)
    assert text.startswith("send({broken")
    assert text.endswith("…)")
    assert len(text) < 90


def test_what_is_taken_back_does_not_count_and_is_explained_where_nothing_else_does() -> None:
    transcript = Transcript(MINE)
    shown = told(
        transcript,
        started(MINE),
        events.text_start("1-0/1"),
        events.text_delta("1-0/1", "Hal"),
        events.discard("1-0/1"),
        events.retry("the connection broke", 0.5),
        *spoken("1-0/1", "``Hello"),
        events.discard("1-0/1", "once more"),
        *spoken("1-0/1", "Hello"),
        reply("Hello"),
    )
    assert shown == [
        ("text", "Hal"),
        ("note", "the connection broke; next try in 0.5 s"),
        ("text", "``Hello"),
        ("end", ""),
        ("note", "once more"),
        ("text", "Hello"),
        ("end", ""),
    ]


def test_a_retry_says_why_and_when() -> None:
    transcript = Transcript(MINE)
    shown = told(transcript, started(MINE), events.retry("the model is busy (429)", 2.0))
    assert shown == [("note", "the model is busy (429); next try in 2.0 s")]


def test_thoughts_are_one_line_when_they_are_complete() -> None:
    transcript = Transcript(MINE)
    told(transcript, started(MINE))
    begun = [*events.reasoning_start("1-0/1"), events.reasoning_delta("1-0/1", "First\nthe ")]
    assert told(transcript, *begun) == []
    rest = [events.reasoning_delta("1-0/1", "sum."), *events.reasoning_end("1-0/1")]
    assert told(transcript, *rest) == [("note", "thought: First the sum.")]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("fallback", {"reason": "m1 is down", "model": "m2"}, "the model m2 answers instead: m1 is down"),
        ("budget", {"exhausted": "tokens", "limit": 9}, "the day's budget of tokens is used up"),
        (
            "budget",
            {"exhausted": "tree cost", "limit": 9},
            "the day's budget of money of the whole family is used up",
        ),
        (
            "repair",
            {"reason": "no JSON"},
            "the model's answer could not be used and is asked for anew: no JSON",
        ),
        (
            "order",
            {"kind": "create_agent", "name": "bob", "status": "asked"},
            "asks the operator: create agent bob",
        ),
        ("compaction", {"through": 7}, "the older part of the conversation was shortened to fit the model"),
        ("progress", {"toolCallId": "c", "text": "3 of 9 files"}, "3 of 9 files"),
    ],
)
def test_what_happens_beside_the_answer_is_one_line(name: str, value: dict[str, Any], line: str) -> None:
    transcript = Transcript(MINE)
    assert told(transcript, started(MINE), events.custom(name, value)) == [("note", line)]
    assert told(Transcript(MINE), started("k-9"), events.custom(name, value))[1:] == []


def test_a_failed_turn_tells_its_reason_once() -> None:
    transcript = Transcript(MINE)
    shown = told(
        transcript,
        started(MINE),
        {"type": "RUN_ERROR", "message": "401 from the model", "code": "ModelRefusesKey"},
        {
            "type": "STATE_SNAPSHOT",
            "snapshot": {"state": "error", "reason": "ModelRefusesKey", "message": "401 from the model"},
        },
    )
    assert shown == [("error", "ModelRefusesKey: 401 from the model")]


def test_the_same_failure_after_a_recovery_is_told_again() -> None:
    transcript = Transcript(MINE)
    error = {"type": "STATE_SNAPSHOT", "snapshot": {"state": "error", "reason": "ModelRefusesKey"}}
    running = {"type": "STATE_SNAPSHOT", "snapshot": {"state": "running"}}
    assert told(transcript, error, running, error) == [
        ("error", "ModelRefusesKey"),
        ("error", "ModelRefusesKey"),
    ]


def test_a_deleted_agent_is_noticed() -> None:
    transcript = Transcript(MINE)
    assert told(transcript, events.custom("deleted", {})) == []
    assert transcript.refused == "the agent was deleted"


def test_an_answer_that_looks_like_an_error_is_an_answer() -> None:
    text = '{"error":"agent ada was deleted"}'
    transcript = Transcript(MINE)
    assert told(transcript, started(MINE), reply(text)) == [("text", text), ("end", "")]
    assert (transcript.refused, transcript.reply) == ("", text)


def test_a_gap_and_a_new_pod_are_told() -> None:
    transcript = Transcript(MINE)
    resumed = events.custom("resumed", {"runId": "1-0", "attempt": 2})
    shown = told(transcript, events.custom("gap", {}), started(MINE), resumed)
    assert shown == [
        ("note", "some events are gone; the reply will be shown whole"),
        ("note", "the agent moved to a new pod and goes on"),
    ]


def test_states_that_keep_a_person_waiting_are_explained() -> None:
    suspended = "the agent is suspended; it answers after `horos resume`"
    assert state_pieces({"state": "paused"}) == [Piece(PieceKind.NOTE, suspended)]
    assert state_pieces({"state": "error"}) == [Piece(PieceKind.ERROR, "the agent is in error")]
    assert state_pieces({"state": "idle"}) == []


def test_an_error_the_agent_was_found_in_is_told_once_and_again_when_it_comes_back() -> None:
    transcript = Transcript(MINE)
    reason = {"reason": "ModelRefusesKey", "message": "check Secret llm"}
    failed = {"type": "RUN_ERROR", "code": "ModelRefusesKey", "message": "check Secret llm"}
    error = {"type": "STATE_SNAPSHOT", "snapshot": {"state": "error", **reason}}
    running = {"type": "STATE_SNAPSHOT", "snapshot": {"state": "running"}}
    line = (PieceKind.ERROR, "ModelRefusesKey: check Secret llm")
    assert transcript.find(error["snapshot"]) == [Piece(*line)]
    assert told(transcript, started(MINE), running, failed, error) == []
    assert told(transcript, running, failed, error) == [line]


def test_events_of_no_known_kind_are_passed_over() -> None:
    transcript = Transcript(MINE)
    assert told(transcript, started(MINE), {"type": "NEW"}, {}, events.custom("usage", {"turns": 1})) == []


def asked(name: str, **value: Any) -> dict[str, Any]:
    return {**events.custom(name, value), "timestamp": 1_000_000}


def test_what_a_person_has_to_decide_is_told_with_the_commands_and_the_time_left() -> None:
    transcript = Transcript(MINE)
    call = {"id": "ada/1-0/1.0", "tool": "pay", "arguments": '{"to":"carol"}', "deadline": 1_600_000}
    (piece,) = transcript.feed(asked("approval", **call, status="pending"))
    how = "`horos approve ada/1-0/1.0` or `horos deny ada/1-0/1.0` within 10m"
    assert piece == Piece(PieceKind.ASK, f"? pay(to=carol): {how}", "ada/1-0/1.0")
    (piece,) = transcript.feed(
        asked("approval", id="ada/1-0/1.0", tool="pay", status="expired", reason="late")
    )
    assert piece == Piece(PieceKind.DECIDED, "pay: denied: late", "ada/1-0/1.0")


def test_a_question_is_told_with_what_must_be_set_and_its_id_is_safe_in_a_shell() -> None:
    question = {"id": "ada/1-0/1.0!ask1", "tool": "shop__buy", "server": "shop", "message": "Where\u202e?"}
    (piece,) = Transcript(MINE).feed(
        asked("elicitation", **question, schema=FORM, deadline=1_045_000, status="pending")
    )
    assert piece.text.startswith(
        "? shop asks: Where\\u202e? (city (required): a text of at least 2 characters, "
    )
    name = "'ada/1-0/1.0!ask1'"
    assert piece.text.endswith(f": `horos approve {name} --set city=…` or `horos deny {name}` within 45s")


def test_a_turn_that_is_over_cannot_be_cancelled() -> None:
    transcript = Transcript(MINE)
    told(transcript, started(MINE, run="1-0"))
    assert transcript.run == "1-0"
    told(transcript, {"type": "RUN_FINISHED", "runId": "1-0"})
    assert transcript.run == ""
    told(transcript, started("ada/1-0/1.0!decision", run="2-0"))
    assert transcript.run == "2-0"
