"""Each thing that can be wrong with a history is seen, and nothing else is."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from horos_bus.records import Ending
from horos_runtime.records import OUTCOME_UNKNOWN
from tests.crash.history import History, Life, Said, problems
from tests.crash.mind import body, think
from tests.crash.verdicts import Verdict

APPROVAL = "gil/1-0/0.0"
WIPE = {"rounds": [[["wipe", "p1"]]]}
ASK = {"rounds": [[["ask", "bob", "q1", {}]], [["charge", "k1"]]]}
SAID = (
    Said("r1", "pam", "ada", "r1", ASK, rests_on=("by:bob",)),
    Said("n1", "pam", "ada", "n1", kind="notice"),
    Said("a1", "uma", "gil", "a1", WIPE, "allowed", waits_for={"p1": ("approved",)}),
)


def call(name: str, **arguments: str) -> dict[str, Any]:
    text = str(arguments).replace("'", '"')
    return {"id": "call_0", "type": "function", "function": {"name": name, "arguments": text}}


def user(mid: str, text: str, run: str = "1") -> dict[str, Any]:
    return {"role": "user", "content": text, "mid": mid, "run": run}


def step(by: str, *calls: dict[str, Any], text: str = "", run: str = "1") -> dict[str, Any]:
    return {"role": "assistant", "content": text, "tool_calls": list(calls), "by": by, "run": run}


def result(by: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "call_0", "content": text, "by": by, "run": "1"}


def good() -> History:
    """Ada was killed once, between a tool and its result's successor."""
    ada: list[dict[str, Any]] = [
        user("r1", SAID[0].body),
        step("ada-1", call("ask", to="bob", text="<q1> ")),
        result("ada-1", "request is delivered"),
        step("ada-1", call("charge", tag="<k1>")),
        result("ada-2", "charge did <k1>"),
        step("ada-2", text="<r1> <by:ada>"),
        user("ada/1-0/1.0!reply", "<by:bob> <q1>", "2"),
        user("n1", SAID[1].body, "2"),
        step("ada-2", text="<r1> <by:bob>", run="2"),
    ]
    bob: list[dict[str, Any]] = [user("ada/1-0/1.0", body("q1")), step("bob-1", text="<by:bob> <q1>")]
    gil: list[dict[str, Any]] = [
        user("a1", SAID[2].body),
        step("gil-1", call("wipe", tag="<p1>")),
        result("gil-1", "waits for approval gil/1-0/0.0"),
        step("gil-1", text="<a1>"),
        user("gil/1-0/0.0!decision", "Approved by judy: wipe <p1>", "2"),
        step("gil-2", {**call("wipe", tag="<p1>"), "id": APPROVAL}, run="2"),
        {**result("gil-2", "wipe did <p1>"), "tool_call_id": APPROVAL},
        step("gil-2", text="<a1> <approved:p1>", run="2"),
    ]
    told: list[dict[str, Any]] = [{"type": "CUSTOM", "name": "reply", "value": {"re": "r1"}}]
    return History(
        lives=[
            Life("ada", ["ada-1", "ada-2"], {"main": list(ada)}, [], list(told)),
            Life("bob", ["bob-1"], {"main": list(bob)}, [], []),
            Life("gil", ["gil-1", "gil-2"], {"allowed": list(gil)}, [], [waits(), waits("approved", "judy")]),
        ],
        endings={"r1": Ending(text="<r1> <by:bob>"), "a1": Ending(text="<a1> <approved:p1>")},
        marks=[("charge", "<k1>", "ada-1"), ("wipe", "<p1>", "gil-2")],
        sent={"r1": "OK", "n1": "DUP", "a1": "OK"},
        decided=[
            Verdict(APPROVAL, "call", "judy", "approve", "DECIDED", "approved", "judy"),
            Verdict(APPROVAL, "call", "jack", "deny", "ALREADY", "approved", "judy"),
        ],
    )


def waits(status: str = "pending", who: str = "") -> dict[str, Any]:
    value = {"id": APPROVAL, "tool": "wipe", "status": status}
    more = {"arguments": '{"tag":"<p1>"}'} if status == "pending" else {"who": who, "reason": ""}
    return {"type": "CUSTOM", "name": "approval", "value": {**value, **more}}


def records(history: History) -> list[Any]:
    return history.lives[0].contexts["main"]


def test_a_good_history_has_no_problem() -> None:
    assert problems(good(), SAID) == []


def _swap(history: History, left: int, right: int) -> None:
    found = records(history)
    found[left], found[right] = found[right], found[left]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda h: records(h).pop(7), "lost: n1 was accepted by ada and is nowhere"),
        (lambda h: records(h).append(user("n1", "<n1> ", "3")), "repeated: n1 was taken in 2 times by ada"),
        (lambda h: h.endings.update(r1=None), "lost: r1 to ada has no answer"),
        (lambda h: h.endings.update(r1=Ending(error="why")), "illegal: r1 ended with error 'why'"),
        (
            lambda h: h.endings.update(r1=Ending(text="<r1>")),
            "illegal: the answer to r1 lacks ['by:bob']: <r1>",
        ),
        (
            lambda h: h.lives[0].told.append(h.lives[0].told[0]),
            "repeated: watchers were told of 2 answers to r1",
        ),
        (lambda h: h.lives[1].contexts.clear(), "lost: ada's ask <q1> reached nobody"),
        (lambda h: records(h).pop(6), "lost: ada asked 1 times in main and got 0 replies"),
        (lambda h: records(h).pop(4), "illegal: ada/main: calls without a result: ['call_0']"),
        (
            lambda h: records(h).insert(4, result("ada-1", "again")),
            "illegal: ada/main: a result without a call",
        ),
        (lambda h: records(h)[8].update(by="ada-1"), "illegal: ada/main: ada-1 wrote after ada-2"),
        (lambda h: h.marks.append(h.marks[0]), "repeated: charge <k1> was started 2 times"),
        (lambda h: h.marks.clear(), "lost: charge <k1> has a result and never ran"),
        (
            lambda h: records(h)[5].update(usage={"prompt": 7, "completion": 1}),
            "lost: ada's steps used 7 tokens and 0 were counted",
        ),
        (lambda h: _swap(h, 0, 7), "illegal: pam's messages to ada/main came as ['n1', 'r1']"),
    ],
)
def test_what_is_wrong_is_said(spoil: Callable[[History], object], said: str) -> None:
    history = copy.deepcopy(good())
    spoil(history)
    found = [str(problem) for problem in problems(history, SAID)]
    assert any(problem.startswith(said) for problem in found), found


def gil(history: History) -> Life:
    return history.lives[2]


def _end_as(history: History, status: str) -> None:
    gil(history).told[1] = waits(status, "judy")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda h: h.marks.append(h.marks[1]), "repeated: wipe <p1> was started 2 times"),
        (lambda h: h.marks.pop(1), "lost: wipe <p1> has a result and never ran"),
        (lambda h: h.marks.pop(1), "lost: <p1> (gil/1-0/0.0) was approved and never ran"),
        (
            lambda h: gil(h).contexts["allowed"].pop(6),
            "lost: <p1> (gil/1-0/0.0) was approved and has the results []",
        ),
        (lambda h: _end_as(h, "denied"), "illegal: <p1> (gil/1-0/0.0) was denied and ran 1 times"),
        (lambda h: _end_as(h, "denied"), "illegal: <p1> was denied, not approved"),
        (
            lambda h: gil(h).told.append(waits("denied", "jack")),
            "repeated: <p1> (gil/1-0/0.0) was decided as ['approved', 'denied']",
        ),
        (lambda h: gil(h).told.pop(), "lost: <p1> (gil/1-0/0.0) was decided as []"),
        (
            lambda h: h.decided.append(
                Verdict(APPROVAL, "call", "jack", "deny", "ALREADY", "denied", "jack")
            ),
            "illegal: jack was told that <p1> (gil/1-0/0.0) is denied by jack",
        ),
        (
            lambda h: h.decided.append(
                Verdict(APPROVAL, "call", "jack", "approve", "DECIDED", "approved", "judy")
            ),
            "illegal: jack was told DECIDED and judy has decided <p1> (gil/1-0/0.0)",
        ),
        (
            lambda h: h.endings.update(a1=Ending(text="<a1>")),
            "illegal: the answer to a1 does not say <approved:p1>: <a1>",
        ),
    ],
)
def test_what_is_wrong_with_an_approval_is_said(spoil: Callable[[History], object], said: str) -> None:
    history = copy.deepcopy(good())
    spoil(history)
    found = [str(problem) for problem in problems(history, SAID)]
    assert any(problem.startswith(said) for problem in found), found


def test_an_approved_call_that_began_may_have_an_unknown_outcome() -> None:
    history = good()
    ran: Any = gil(history).contexts["allowed"][6]
    ran.update(content=OUTCOME_UNKNOWN)
    assert problems(history, SAID) == []
    history.marks.pop(1)
    assert problems(history, SAID) == []


def test_what_a_buried_turn_had_told_is_no_repetition() -> None:
    history = good()
    letter = {"mid": "n1", "content": SAID[1].body, "thread": "main"}
    history.lives[0].dead.append({**letter, "turn": "2"})
    assert problems(history, SAID) == []
    history.lives[0].dead.append({**letter, "turn": "3"})
    assert "repeated: n1 was taken in 2 times by ada" in map(str, problems(history, SAID))


def test_words_of_another_thread_are_seen() -> None:
    history = good()
    history.endings["r1"] = Ending(text="<r1> <by:bob> <x1>")
    found = problems(history, (*SAID, Said("x1", "quin", "bob", "x1", thread="other")))
    assert "illegal: the answer to r1 tells of another thread: ['x1']" in map(str, found)


def test_the_model_calls_every_tag_once_and_answers_with_what_it_heard() -> None:
    talk: list[dict[str, Any]] = [
        {"role": "system", "content": "You are ada"},
        {"role": "user", "content": SAID[0].body},
    ]
    said = []
    while (thought := think(talk)).calls:
        said.append(thought.calls[0])
        talk.append(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [call(thought.calls[0][0], **thought.calls[0][1])],
            }
        )
        talk.append({"role": "tool", "tool_call_id": "call_0", "content": "done"})
    assert said == [("ask", {"to": "bob", "text": "<q1> {}"}), ("charge", {"tag": "<k1>"})]
    assert thought.text == "<by:ada> <r1>"
    talk += [{"role": "assistant", "content": thought.text}, {"role": "user", "content": "[reply]\n<by:bob>"}]
    assert think(talk).text == "<by:ada> <by:bob> <r1>"
    for told, tag in (("Approved by judy", "approved:p1"), ("Denied by judy", "denied:p1")):
        assert f"<{tag}>" in think([{"role": "user", "content": f'{told}: wipe {{"tag":"<p1>"}}'}]).text
    for trouble in ("poison", "hang", "refuse"):
        assert think([{"role": "user", "content": body("x", {trouble: True})}]).trouble == trouble
