"""A turn from the inbox to the commit: which messages it takes, what is written ahead, who may write."""

import pytest

from horos_api.agent_state import AgentState
from horos_api.messages import MessageKind
from horos_bus.records import Charge, Ending, FencedError, Idle, LostError, Usage
from horos_bus.sender import reply
from tests.bus.stage import Stage, answer, kept, length, record, sending, tool_result, turn_of, user


async def test_without_messages_the_runtime_is_idle(stage: Stage) -> None:
    runtime = await stage.resident()
    assert await runtime.all_unread() == Idle(0)
    assert await stage.in_work() == []


async def test_a_turn_takes_the_head_run_of_one_thread(stage: Stage) -> None:
    runtime = await stage.resident()
    for mid, thread in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")):
        await stage.say(mid, thread=thread)
    taken = []
    found = await runtime.all_unread()
    while not isinstance(found, Idle):
        turn = turn_of(found)
        taken.append((turn.thread, [m.mid for m in turn.inputs], turn.base))
        found = await answer(runtime, turn)
    assert taken == [("a", ["a1", "a2"], 0), ("b", ["b1"], 0), ("a", ["a3"], 3)]


async def test_asking_again_gives_the_same_turn(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = await runtime.all_unread()
    await stage.say("m2")
    assert await runtime.all_unread() == turn


async def test_threads_do_not_share_a_context(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1", thread="a", body="one")
    await stage.say("m2", thread="b", body="two")
    turn = turn_of(await answer(runtime, turn_of(await runtime.all_unread())))
    await answer(runtime, turn)
    assert [b"one" in line for line in await kept(runtime, "a")] == [True, False]
    assert [b"two" in line for line in await kept(runtime, "b")] == [True, False]
    assert await kept(runtime, "a", 1) == [record("assistant", "answer")]
    assert list((await stage.control.stretch("ada", "a")).records) == await kept(runtime, "a")
    assert await length(runtime, "a") == 2
    assert await length(runtime, "never") == 0
    assert await stage.control.threads("ada") == ["a", "b"]


async def test_what_was_written_ahead_comes_back_to_the_next_incarnation(stage: Stage) -> None:
    first = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await first.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "", tool_calls=[])]
    appended = await first.append(turn.id, turn.base, step)
    assert (appended.outcome, appended.state) == ("OK", AgentState.RUNNING)
    assert (appended.joined, appended.stored) == ((), tuple(step))
    second = stage.runtime()
    await second.claim(None)
    again = turn_of(await second.all_unread())
    assert (again.id, again.attempt, again.journal) == (turn.id, 2, tuple(step))


async def test_an_append_that_is_repeated_says_what_lies_there_and_sends_nothing_twice(stage: Stage) -> None:
    await stage.agent("bob")
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    once = await runtime.append(turn.id, 0, step, [sending("bob"), sending("nobody")])
    twice = await runtime.append(turn.id, 0, step, [sending("bob"), sending("nobody")])
    expected = (*step, tool_result("call-1", "OK"), tool_result("call-1", "NOAGENT"))
    assert (once.outcome, once.stored) == ("OK", expected)
    assert (twice.outcome, twice.stored) == ("DUP", expected)
    assert await stage.waiting("bob") == 1


async def test_a_message_between_agents_names_its_sender_and_place(stage: Stage) -> None:
    other = await stage.resident("bob")
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await runtime.append(turn.id, 0, [user(turn.inputs[0])], [sending("bob", "one"), sending("bob", "two")])
    first, second = turn_of(await other.all_unread()).inputs
    assert (first.sender, first.sender_uid, first.mid) == ("ada", "uid-ada", f"ada/{turn.id}/0.0")
    assert (second.mid, second.body, second.kind) == (f"ada/{turn.id}/0.1", "two", MessageKind.NOTICE)
    assert not first.from_person


async def test_an_index_ahead_of_or_before_the_journal_is_lost(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    await answer(runtime, turn_of(await runtime.all_unread()))
    await stage.say("m2")
    turn = turn_of(await runtime.all_unread())
    for wrong in (turn.base + 1, turn.base - 1):
        with pytest.raises(LostError):
            await runtime.append(turn.id, wrong, [record("assistant", "")])
        with pytest.raises(LostError):
            await runtime.commit(turn.id, wrong, [], Ending(), Usage())
    assert await length(runtime) == turn.base == 2


async def test_another_turn_is_lost(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    await runtime.all_unread()
    with pytest.raises(LostError):
        await runtime.append("1-1", 0, [record("assistant", "")])
    with pytest.raises(LostError):
        await runtime.emit("1-1", [{"type": "X"}])
    with pytest.raises(LostError):
        await runtime.commit("1-1", 0, [], Ending(), Usage())
    with pytest.raises(LostError):
        await runtime.fail("1-1", "Reason", "message")


async def test_a_process_without_the_agent_can_do_nothing(stage: Stage) -> None:
    old = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await old.all_unread())
    await stage.runtime().claim(None)
    before = await stage.contents()
    for attempt in (
        old.all_unread(),
        old.append(turn.id, 0, [record("assistant", "")], [sending("ada")]),
        old.emit(turn.id, [{"type": "X"}]),
        old.charge(turn.id, Charge(20_000, 1, 1)),
        old.commit(turn.id, 0, [], Ending(text="no"), Usage()),
        old.fail(turn.id, "Reason", "message"),
        old.retire(force=True),
    ):
        with pytest.raises(FencedError):
            await attempt
    assert await stage.contents() == before


async def test_people_join_the_turn_of_their_thread_and_nobody_else_does(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await stage.say("m2")
    await stage.say("m3")
    await stage.say("x1", thread="other")
    await stage.say("m4")
    appended = await runtime.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")])
    assert [m.mid for m in appended.joined] == ["m2", "m3"]
    await runtime.append(turn.id, 2, [user(m) for m in appended.joined])
    other = turn_of(await runtime.commit(turn.id, 4, [record("assistant", "all")], Ending(), Usage()))
    assert (other.thread, [m.mid for m in other.inputs]) == ("other", ["x1"])


async def test_a_message_from_an_agent_waits_for_a_turn_of_its_own(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.say("m1", to="bob")
    await stage.say("m2", to="ada")
    mine, theirs = turn_of(await ada.all_unread()), turn_of(await bob.all_unread())
    await bob.append(theirs.id, 0, [user(theirs.inputs[0])], [sending("ada")])
    appended = await ada.append(mine.id, 0, [user(mine.inputs[0]), record("assistant", "")])
    assert appended.joined == ()
    follow = turn_of(await ada.commit(mine.id, 2, [record("assistant", "")], Ending(), Usage()))
    assert [m.sender for m in follow.inputs] == ["bob"]


async def test_an_input_is_told_again_until_its_user_record_is_written(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    first = await runtime.append(turn.id, 0, [record("assistant", "")])
    assert [m.mid for m in first.joined] == ["m1"]
    await stage.say("m2")
    second = await runtime.append(turn.id, 1, [user(turn.inputs[0])])
    repeated = await runtime.append(turn.id, 1, [user(turn.inputs[0])])
    assert [m.mid for m in second.joined] == [m.mid for m in repeated.joined] == ["m2"]


async def test_text_that_looks_like_a_record_marks_no_input(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    fakes = [record("assistant", '{"mid":"m1"}'), b'"mid": no json', b'[{"mid":"m1"}]']
    appended = await runtime.append(turn.id, 0, fakes)
    assert [m.mid for m in appended.joined] == ["m1"]


async def test_a_commit_that_is_repeated_changes_nothing(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    assert await answer(runtime, turn, usage=Usage(7, 2)) == Idle(0)
    before = await stage.contents()
    assert await answer(runtime, turn, usage=Usage(7, 2)) == Idle(0)
    assert await stage.contents() == before
    assert await reply(stage.bus, "m1") == Ending(text="answer")


async def test_usage_is_summed_over_turns(stage: Stage) -> None:
    runtime = await stage.resident()
    for mid in ("m1", "m2"):
        await stage.say(mid)
        await answer(runtime, turn_of(await runtime.all_unread()), usage=Usage(7, 2))
    view = await stage.control.view("ada")
    assert view is not None
    assert (view.usage.turns, view.usage.prompt_tokens, view.usage.completion_tokens) == (2, 14, 4)


async def test_a_request_between_agents_is_answered_once_in_the_thread_that_asked(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.say("m1", to="ada", thread="trip")
    mine = turn_of(await ada.all_unread())
    await ada.append(mine.id, 0, [user(mine.inputs[0])], [sending("bob", "when?", MessageKind.REQUEST)])
    await ada.commit(mine.id, 2, [record("assistant", "wait")], Ending(), Usage())
    theirs = turn_of(await bob.all_unread())
    asked = theirs.inputs[0]
    for body in ("noon", "midnight"):
        await bob.commit(theirs.id, 0, [user(asked)], Ending(text=body), Usage())
    arrived = turn_of(await ada.all_unread())
    assert [(m.body, m.kind, m.re, m.thread) for m in arrived.inputs] == [
        ("noon", MessageKind.REPLY, asked.mid, "trip")
    ]
    await answer(ada, arrived)
    assert await stage.bus.command("HLEN", stage.bus.keys.waits("ada")) == 0


async def test_a_failed_turn_stays_open_and_the_next_look_starts_it_again(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await runtime.fail(turn.id, "ModelKeyRefused", "the model server answered 401")
    view = await stage.control.view("ada")
    assert view is not None
    assert (view.state, view.reason, view.turn) == (AgentState.ERROR, "ModelKeyRefused", turn.id)
    assert (view.message, view.in_work) == ("the model server answered 401", True)
    assert await runtime.retire() is False
    assert await runtime.retire(force=True) is True
    assert await stage.rings() == ["ada"]
    heir = stage.runtime()
    assert (await heir.claim(view.epoch)).reason == "ModelKeyRefused"
    again = turn_of(await heir.all_unread())
    assert (again.id, again.attempt) == (turn.id, 1)
    view = await stage.control.view("ada")
    assert view is not None
    assert (view.state, view.reason) == (AgentState.RUNNING, "")


async def test_a_long_backlog_is_taken_in_parts_and_in_order(stage: Stage) -> None:
    runtime = await stage.resident()
    sent = [f"m{number}" for number in range(150)]
    for mid in sent:
        await stage.say(mid)
    got: list[str] = []
    found = await runtime.all_unread()
    while not isinstance(found, Idle):
        got += [m.mid for m in turn_of(found).inputs]
        found = await answer(runtime, turn_of(found))
    assert got == sent


async def test_a_reply_reaches_a_full_inbox(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.say("m1", to="ada")
    mine = turn_of(await ada.all_unread())
    await ada.append(mine.id, 0, [user(mine.inputs[0])], [sending("bob", "?", MessageKind.REQUEST)])
    while await stage.say(f"fill-{await stage.waiting()}") != "FULL":
        pass
    full = await stage.waiting()
    await answer(bob, turn_of(await bob.all_unread()))
    assert await stage.waiting() == full + 1
