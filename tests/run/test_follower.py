"""What a person reads of one agent of a society: who said what to whom, and what it does now."""

from typing import Any

from horos.local.follower import WAITS, Follower, Line, LineKind
from horos_api import events

RUN = "1-0"


def started(thread: str = "main") -> dict[str, Any]:
    return {"type": "RUN_STARTED", "threadId": thread, "runId": RUN}


def called(name: str, arguments: str, result: str, call: str = "c") -> list[dict[str, Any]]:
    return [
        events.tool_call_start(call, name, "m"),
        events.tool_call_args(call, arguments),
        events.tool_call_end(call),
        {"type": "TOOL_CALL_RESULT", "toolCallId": call, "content": result},
    ]


def said(text: str, message: str = "m") -> list[dict[str, Any]]:
    cut = len(text) // 2
    return [
        events.text_start(message),
        events.text_delta(message, text[:cut]),
        events.text_delta(message, text[cut:]),
        events.text_end(message),
    ]


def state(name: str, **more: str) -> dict[str, Any]:
    return {"type": "STATE_SNAPSHOT", "snapshot": {"state": name, **more}}


def lines(follower: Follower, *told: dict[str, Any]) -> list[Line]:
    return [line for each in told for line in follower.feed(each)]


def test_a_text_is_a_line_when_it_is_complete() -> None:
    ada = Follower("ada")
    assert lines(ada, started(), *said("Good morning.")) == [Line(LineKind.SAID, "ada", "Good morning.")]


def test_what_is_being_said_can_be_seen_before() -> None:
    ada = Follower("ada")
    assert lines(ada, started(), *said("Good morning.")[:2]) == []
    assert (ada.doing, ada.speaking, ada.is_busy) == ("speaks", "Good m", True)


def test_what_is_taken_back_is_not_shown() -> None:
    ada = Follower("ada")
    begun = said("Wrong.")[:2]
    assert lines(ada, started(), *begun, events.discard("m")) == []
    assert ada.speaking == ""


def test_messages_to_others_are_shown_as_such_when_they_went_out() -> None:
    ada = Follower("ada")
    told = [
        *called("ask", '{"to": "bob", "text": "Why?"}', "request 1 is delivered to bob"),
        *called("send", '{"to": "eve", "text": "Hello."}', "error: not delivered, there is no other agent"),
        *called("broadcast", '{"group": "team", "text": "Done."}', "posted"),
        *called("create_agent", '{"name": "kid", "instructions": "x", "task": "Count."}', "asked for"),
    ]
    assert lines(ada, started(), *told) == [
        Line(LineKind.TOLD, "ada", "Why?", to="bob"),
        Line(
            LineKind.TOOL, "ada", "send(to=eve, text=Hello.) → error: not delivered, there is no other agent"
        ),
        Line(LineKind.TOLD, "ada", "Done.", to="@team"),
        Line(LineKind.TOLD, "ada", "(new) Count.", to="kid"),
    ]


def test_other_tools_are_shown_with_their_results() -> None:
    ada = Follower("ada")
    told = called("clock__now", "{}", "12:00")
    assert lines(ada, started(), *told[:3]) == []
    assert ada.doing == "uses clock__now"
    assert lines(ada, told[3]) == [Line(LineKind.TOOL, "ada", "clock__now() → 12:00")]


def test_arguments_that_are_no_object_are_shown_as_they_are() -> None:
    assert lines(Follower("ada"), started(), *called("ask", "[1", "error: not JSON")) == [
        Line(LineKind.TOOL, "ada", "ask([1) → error: not JSON")
    ]


def test_another_conversation_is_named() -> None:
    ada = Follower("ada")
    assert lines(ada, started("group.board"), *said("Fine."))[0].where == "@board"
    assert lines(ada, started("plan"), *said("Fine."))[0].where == "plan"


def test_an_error_is_told_once() -> None:
    ada = Follower("ada")
    failed = {"type": "RUN_ERROR", "code": "ModelRefusesKey", "message": "401"}
    told = [started(), failed, state("error", reason="ModelRefusesKey", message="401")]
    assert lines(ada, *told) == [Line(LineKind.ERROR, "ada", "ModelRefusesKey: 401")]
    assert ada.doing == "in error"
    assert lines(ada, state("running"), failed) == [Line(LineKind.ERROR, "ada", "ModelRefusesKey: 401")]


def test_who_waits_for_others_is_seen_to_wait() -> None:
    ada = Follower("ada")
    owes = events.custom("owes", {"mids": ["x"], "runId": RUN})
    over = {"type": "RUN_FINISHED", "threadId": "main", "runId": RUN}
    lines(ada, started(), owes, over, state("idle"), events.custom("hibernated", {"epoch": 1}))
    assert (ada.doing, ada.is_busy) == (WAITS, False)
    lines(ada, started(), over, state("idle"))
    assert ada.doing == "idle"


def test_usage_is_counted() -> None:
    ada = Follower("ada")
    lines(ada, events.custom("usage", {"turns": 2, "promptTokens": 100, "completionTokens": 20}))
    assert (ada.turns, ada.tokens) == (2, 120)


def test_what_a_person_has_to_decide_is_told_with_how() -> None:
    asked = {"id": "ada/1-0/1.0", "status": "pending", "tool": "pay", "arguments": '{"euros": 5}'}
    [line] = lines(Follower("ada"), events.custom("approval", asked))
    assert line.kind == LineKind.ASK
    assert line.text == "pay(euros=5): `horos approve ada/1-0/1.0` or `horos deny ada/1-0/1.0`"
    decided = {**asked, "status": "approved", "who": "bob"}
    assert lines(Follower("ada"), events.custom("approval", decided)) == [
        Line(LineKind.NOTE, "ada", "pay: approved by bob")
    ]


def test_a_reply_that_never_comes_and_an_end_are_told() -> None:
    ada = Follower("ada")
    told = [events.custom("reply", {"re": "x", "error": "its deadline is over"}), state("terminated")]
    assert [line.text for line in lines(ada, *told)] == ["did not answer: its deadline is over", "has ended"]
    assert not ada.is_busy
    assert lines(Follower("kid"), state("terminated", reason="TaskDone")) == [
        Line(LineKind.NOTE, "kid", "has done its task")
    ]
