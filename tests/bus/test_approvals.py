"""A call that needs approval waits in Redis, not in a process; the decision is a message like any other."""

import pytest

from horos_api.messages import Message, MessageKind, Verdict
from horos_bus.approvals import Approval
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, FencedError, Idle, Turn
from horos_bus.sender import reply
from tests.bus.stage import Stage, answer, asking, calling, kept, record, tool_result, turn_of, user

APPROVE, DENY = Verdict.APPROVE, Verdict.DENY


async def asked(stage: Stage) -> tuple[MessageService, Turn, str]:
    """A turn for m1 that has called a tool which needs approval, and the approval's id."""
    ada = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    await ada.append(turn.id, 0, step, [calling()])
    return ada, turn, f"ada/{turn.id}/0.0"


async def waiting(stage: Stage) -> tuple[MessageService, str]:
    """The same, when that turn is over."""
    ada, turn, approval_id = await asked(stage)
    await ada.commit(turn.id, 3, [record("assistant", "wait")], Ending(text="wait"))
    return ada, approval_id


async def open_one(stage: Stage) -> Approval:
    (found,) = await stage.control.approvals("ada")
    return found


async def pending(stage: Stage) -> int:
    view = await stage.control.view("ada")
    assert view is not None
    return view.approvals


async def deadlines(stage: Stage) -> list[bytes]:
    return list(await stage.bus.command("ZRANGE", stage.bus.keys.later, 0, -1))


async def told(stage: Stage, name: str = "approval") -> list[dict[str, object]]:
    return [event["value"] for event in await stage.events() if event.get("name") == name]


async def time_passes(stage: Stage, approval_id: str) -> None:
    """Bring the deadline of an approval into the past."""
    key = stage.bus.keys.approvals("ada")
    stored = await stage.bus.command("HGET", key, approval_id)
    past = stored.replace(b'"deadline":1', b'"deadline":0')
    assert past != stored
    await stage.bus.command("HSET", key, approval_id, past)
    await stage.bus.command("ZADD", stage.bus.keys.later, 1, f"expire ada uid-ada {approval_id}")


async def test_a_call_that_needs_approval_is_stored_with_its_result(stage: Stage) -> None:
    ada, turn, approval_id = await asked(stage)
    assert (await kept(ada))[2:] == [tool_result("call-1", "OK")]
    found = await open_one(stage)
    assert found == Approval(
        id=approval_id,
        kind="call",
        thread="main",
        turn=turn.id,
        tool="pay",
        status="pending",
        asked=found.asked,
        deadline=found.asked + 60_000,
        arguments='{"to": []}',
    )
    assert (found.agent, found.verdict) == ("ada", None)
    assert await told(stage) == [
        {
            "id": approval_id,
            "tool": "pay",
            "arguments": '{"to": []}',
            "deadline": found.deadline,
            "status": "pending",
        }
    ]
    assert await pending(stage) == 1


async def test_the_status_is_looked_at_when_something_is_asked_and_when_it_is_decided(stage: Stage) -> None:
    ada = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await stage.control.dirty()
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [calling()])
    assert await stage.control.dirty() == ["ada"]
    await stage.control.decide("ada", f"ada/{turn.id}/0.0", APPROVE, "bob")
    assert await stage.control.dirty() == ["ada"]


async def test_what_waits_for_a_person_needs_no_process_and_answers_nobody(stage: Stage) -> None:
    ada, _ = await waiting(stage)
    assert await reply(stage.bus, "m1") is None
    assert await ada.retire()
    assert await stage.in_work() == []


async def test_a_decision_is_a_message_that_wakes_the_agent(stage: Stage) -> None:
    ada, approval_id = await waiting(stage)
    await ada.retire()
    decision = await stage.control.decide("ada", approval_id, APPROVE, "bob", reason="fine")
    assert decision.outcome == "DECIDED"
    assert decision.approval is not None
    assert (decision.approval.status, decision.approval.who, decision.approval.reason) == (
        "approved",
        "bob",
        "fine",
    )
    assert decision.approval.decided >= decision.approval.asked
    assert await stage.in_work() == ["ada"]
    assert (await told(stage, "wake"))[-1] == {"reason": "message"}
    heir = stage.runtime()
    await heir.claim(None)
    (message,) = turn_of(await heir.all_unread()).inputs
    assert message == Message(
        id=message.id,
        mid=f"{approval_id}!decision",
        sender="bob",
        sender_uid="uid-ada",
        thread="main",
        kind=MessageKind.DECISION,
        re=approval_id,
        body='{"id":"call-1","function":{"name":"pay","arguments":"{\\"to\\": []}"}}',
        verdict=APPROVE,
        who="bob",
        reason="fine",
    )
    assert (await told(stage))[-1] == {
        "id": approval_id,
        "tool": "pay",
        "status": "approved",
        "who": "bob",
        "reason": "fine",
    }
    assert await deadlines(stage) == [b"expire ada uid-ada m1"]


async def test_the_turn_that_acts_on_it_answers_whoever_waits(stage: Stage) -> None:
    ada, approval_id = await waiting(stage)
    await stage.control.decide("ada", approval_id, APPROVE, "bob")
    turn = turn_of(await ada.all_unread())
    assert (await open_one(stage)).status == "approved"
    assert await pending(stage) == 0
    assert await answer(ada, turn, "paid") == Idle(0)
    assert await reply(stage.bus, "m1") == Ending(text="paid")
    assert await stage.control.approvals("ada") == []


async def test_a_decision_that_is_not_acted_on_holds_the_answer_back(stage: Stage) -> None:
    ada, turn, approval_id = await asked(stage)
    await stage.control.decide("ada", approval_id, APPROVE, "bob")
    await ada.commit(turn.id, 3, [record("assistant", "wait")], Ending(text="wait"))
    assert await reply(stage.bus, "m1") is None


async def test_another_thread_does_not_wait_for_it(stage: Stage) -> None:
    ada, _ = await waiting(stage)
    await stage.say("m2", thread="other")
    await answer(ada, turn_of(await ada.all_unread()), "at once")
    assert await reply(stage.bus, "m2") == Ending(text="at once")


async def test_an_agent_that_asked_waits_for_the_decision_too(stage: Stage) -> None:
    bob, ada = await stage.resident("bob"), await stage.resident("ada")
    await stage.say("m1", to="bob")
    theirs = turn_of(await bob.all_unread())
    await bob.append(theirs.id, 0, [user(theirs.inputs[0]), record("assistant", "")], [asking("ada")])
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [calling()])
    await ada.commit(turn.id, 3, [record("assistant", "wait")], Ending(text="wait"))
    assert await stage.waiting("bob") == 1
    await stage.control.decide("ada", f"ada/{turn.id}/0.0", DENY, "carol")
    await answer(ada, turn_of(await ada.all_unread()), "denied")
    assert [each.body for each in await stage.control.inbox("bob")][1:] == ["denied"]


async def test_who_decides_first_decides(stage: Stage) -> None:
    ada, approval_id = await waiting(stage)
    await stage.control.decide("ada", approval_id, DENY, "bob", reason="too much")
    late = await stage.control.decide("ada", approval_id, APPROVE, "carol")
    assert late.outcome == "ALREADY"
    assert late.approval is not None
    assert (late.approval.verdict, late.approval.who, late.approval.reason) == (DENY, "bob", "too much")
    (message,) = turn_of(await ada.all_unread()).inputs
    assert (message.verdict, message.who) == (DENY, "bob")
    assert [event["status"] for event in await told(stage)] == ["pending", "denied"]


async def test_who_decides_again_when_it_is_done_hears_who_decided(stage: Stage) -> None:
    ada, approval_id = await waiting(stage)
    await stage.control.decide("ada", approval_id, APPROVE, "bob")
    await answer(ada, turn_of(await ada.all_unread()))
    again = await stage.control.decide("ada", approval_id, DENY, "carol")
    assert again.outcome == "ALREADY"
    assert again.approval is not None
    assert (again.approval.tool, again.approval.verdict, again.approval.who) == ("pay", APPROVE, "bob")
    assert await stage.waiting() == 0


async def test_who_decided_is_known_for_as_long_as_the_agent_has_not_acted_on_it(stage: Stage) -> None:
    _, approval_id = await waiting(stage)
    first = await stage.control.decide("ada", approval_id, APPROVE, "bob")
    await stage.bus.command("DEL", stage.bus.keys.decision(approval_id))
    again = await stage.control.decide("ada", approval_id, DENY, "carol")
    assert (again.outcome, again.approval) == ("ALREADY", first.approval)


async def test_a_decision_is_waited_for_no_longer_than_the_agent_can_still_answer(stage: Stage) -> None:
    ada = await stage.resident()
    await stage.control.configure("ada", "uid-ada", 1, b"{}", request_seconds=10)
    await stage.say("m1", thread="other")
    await answer(ada, turn_of(await ada.all_unread()))
    await stage.say("m2")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    await ada.append(turn.id, 0, step, [calling(seconds=60), calling(seconds=1)])
    late, soon = sorted(await stage.control.approvals("ada"), key=lambda each: each.id)
    assert soon.deadline - soon.asked == 1000
    assert 8000 < late.deadline - late.asked <= 9000


async def test_nobody_decides_about_what_is_not_asked(stage: Stage) -> None:
    assert (await stage.control.decide("ada", "ada/1-0/0.0", APPROVE, "bob")).outcome == "NOAGENT"
    await waiting(stage)
    assert (await stage.control.decide("ada", "ada/1-0/0.0", APPROVE, "bob")).outcome == "NONE"
    with pytest.raises(ValueError, match="who is empty"):
        await stage.control.decide("ada", "ada/1-0/0.0", APPROVE, "")


async def test_what_nobody_decides_is_denied_at_its_deadline(stage: Stage) -> None:
    ada, approval_id = await waiting(stage)
    assert await stage.control.work_off_later() == 0
    await time_passes(stage, approval_id)
    assert await stage.control.work_off_later() == 1
    (message,) = turn_of(await ada.all_unread()).inputs
    assert (message.verdict, message.who, message.reason) == (DENY, "", "nobody decided in time")
    assert (await told(stage))[-1]["status"] == "expired"
    assert (await open_one(stage)).status == "expired"
    assert await stage.bus.call("expire", ["ada", "uid-ada", approval_id]) == b"NOOP"
    assert await stage.waiting() == 1


async def test_who_comes_after_the_deadline_is_too_late_whoever_looked_at_it(stage: Stage) -> None:
    ada, approval_id = await waiting(stage)
    await time_passes(stage, approval_id)
    late = await stage.control.decide("ada", approval_id, APPROVE, "bob")
    assert late.outcome == "ALREADY"
    assert late.approval is not None
    assert (late.approval.status, late.approval.who) == ("expired", "")
    (message,) = turn_of(await ada.all_unread()).inputs
    assert message.verdict == DENY


async def test_a_deadline_of_an_earlier_life_denies_nothing(stage: Stage) -> None:
    _, approval_id = await waiting(stage)
    assert await stage.bus.call("expire", ["ada", "uid-earlier", approval_id]) == b"NOOP"
    assert await pending(stage) == 1


async def test_a_decision_never_meets_a_full_inbox(stage: Stage) -> None:
    _, approval_id = await waiting(stage)
    for number in range(1000):
        await stage.say(f"n{number}")
    assert await stage.say("one more") == "FULL"
    assert (await stage.control.decide("ada", approval_id, APPROVE, "bob")).outcome == "DECIDED"
    assert await stage.waiting() == 1001


async def test_a_decision_does_not_join_the_turn_that_is_open(stage: Stage) -> None:
    ada, turn, approval_id = await asked(stage)
    await stage.control.decide("ada", approval_id, APPROVE, "bob")
    await stage.say("m2")
    assert (await ada.append(turn.id, 3, [record("assistant", "")])).joined == ()


async def test_a_hundred_calls_may_wait(stage: Stage) -> None:
    ada = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    appended = await ada.append(turn.id, 0, step, [calling()] * 101)
    assert appended.stored[2:] == (*[tool_result("call-1", "OK")] * 100, tool_result("call-1", "LIMIT"))
    assert await pending(stage) == 100
    assert len(await deadlines(stage)) == 101


async def test_a_call_is_asked_about_once_however_often_its_step_is_sent(stage: Stage) -> None:
    ada, turn, _ = await asked(stage)
    again = await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [calling()])
    assert again.outcome == "DUP"
    assert await pending(stage) == 1
    assert len(await told(stage)) == 1


async def test_a_process_that_lost_the_agent_asks_nobody(stage: Stage) -> None:
    ada = await stage.resident(token="old")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await stage.control.reap("ada", "old")
    with pytest.raises(FencedError):
        await ada.append(turn.id, 0, [user(turn.inputs[0])], [calling()])
    assert await stage.control.approvals("ada") == []


async def test_what_waits_outlives_the_process(stage: Stage) -> None:
    await asked(stage)
    await stage.runtime().claim(None)
    assert await pending(stage) == 1


async def test_a_terminated_agent_asks_nobody_any_more(stage: Stage) -> None:
    _, approval_id = await waiting(stage)
    await stage.control.terminate("ada", "uid-ada")
    assert await stage.control.approvals("ada") == []
    assert await deadlines(stage) == []
    assert (await told(stage))[-1] == {"id": approval_id, "tool": "pay", "status": "withdrawn"}
    assert (await stage.control.decide("ada", approval_id, APPROVE, "bob")).outcome == "NOAGENT"


async def test_a_decision_for_a_terminated_agent_is_told_as_it_was(stage: Stage) -> None:
    _, approval_id = await waiting(stage)
    await stage.control.decide("ada", approval_id, APPROVE, "bob")
    await stage.control.terminate("ada", "uid-ada")
    assert [event["status"] for event in await told(stage)] == ["pending", "approved"]


async def test_a_deleted_agent_leaves_no_key_of_its_approvals(stage: Stage) -> None:
    ada, approval_id = await waiting(stage)
    await ada.report_servers(b"{}")
    await stage.control.delete("ada", "uid-ada")
    assert [name.rpartition("}:")[2] for name in await stage.key_names()] == ["r:m1"]
    assert (await stage.control.decide("ada", approval_id, APPROVE, "bob")).outcome == "NOAGENT"


async def test_a_new_life_does_not_hear_of_a_decision_of_the_one_before(stage: Stage) -> None:
    _, approval_id = await waiting(stage)
    await stage.control.delete("ada", "uid-ada")
    await stage.control.create("ada", "uid-later")
    assert (await stage.control.decide("ada", approval_id, APPROVE, "bob")).outcome == "NONE"
    assert await stage.waiting() == 0


async def test_when_all_is_done_the_keys_are_those_of_before(stage: Stage) -> None:
    ada = await stage.resident()
    await stage.say("m0")
    await answer(ada, turn_of(await ada.all_unread()))
    before = set(await stage.key_names())
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    await ada.append(turn.id, turn.base, step, [calling(), calling("mail")])
    await ada.commit(turn.id, turn.base + 4, [record("assistant", "wait")], Ending(text="wait"))
    for number, verdict in enumerate((APPROVE, DENY)):
        await stage.control.decide("ada", f"ada/{turn.id}/{turn.base}.{number}", verdict, "bob")
    await answer(ada, turn_of(await ada.all_unread()))
    assert {name.rpartition("}:")[2][:2] for name in set(await stage.key_names()) - before} == {"r:", "d:"}


async def test_a_decision_that_kills_again_and_again_is_given_up_and_the_agent_hears_of_it(
    stage: Stage,
) -> None:
    ada, approval_id = await waiting(stage)
    await stage.control.decide("ada", approval_id, APPROVE, "bob")
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, turn.base, [*map(user, turn.inputs), record("assistant", "")])
    for _ in range(2):
        ada = stage.runtime()
        await ada.claim(None, max_attempts=2)
    (letter,) = await stage.control.dead_letters("ada")
    assert (letter.message.kind, letter.message.re) == (MessageKind.DECISION, approval_id)
    assert await stage.control.approvals("ada") == []
    assert await reply(stage.bus, "m1") is None
    (notice,) = turn_of(await ada.all_unread()).inputs
    assert notice.kind == MessageKind.NOTICE
    assert f"approval {approval_id} (approve) could not be acted on" in notice.body


async def test_each_reply_and_decision_that_is_given_up_is_told(stage: Stage) -> None:
    bob, ada = await stage.resident("bob"), await stage.resident("ada")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    await ada.append(turn.id, 0, step, [calling(), asking("bob")])
    await ada.commit(turn.id, 4, [record("assistant", "wait")], Ending(text="wait"))
    await stage.control.decide("ada", f"ada/{turn.id}/0.0", DENY, "carol")
    await answer(bob, turn_of(await bob.all_unread()))
    both = turn_of(await ada.all_unread())
    assert [each.kind for each in both.inputs] == [MessageKind.DECISION, MessageKind.REPLY]
    await ada.append(both.id, both.base, [*map(user, both.inputs), record("assistant", "")])
    for _ in range(2):
        ada = stage.runtime()
        await ada.claim(None, max_attempts=2)
    notices = turn_of(await ada.all_unread()).inputs
    assert [each.mid.rpartition("!")[0] for each in notices] == [each.mid for each in both.inputs]
