"""What only one guard of a script keeps from happening: each test kills a mutant that no other sees."""

import pytest

from horos_api.agent_state import AgentState
from horos_api.messages import MessageKind, SendOutcome
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, LostError, Turn, Usage
from horos_bus.sender import reply
from tests.bus.stage import Stage, answer, asking, length, record, turn_of, user


async def killed(stage: Stage, times: int) -> MessageService:
    """Claim so many times, each time dying with the turn open; of two attempts each."""
    runtime = stage.runtime()
    for _ in range(times):
        runtime = stage.runtime()
        await runtime.claim(None, max_attempts=2)
    return runtime


async def asked(stage: Stage) -> tuple[MessageService, MessageService, str]:
    """Let ada ask bob and end her turn; both runtimes and the request's id."""
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [asking("bob")])
    await ada.commit(turn.id, 3, [record("assistant", "wait")], Ending(text="wait"), Usage())
    return ada, bob, f"ada/{turn.id}/0.0"


def closing(turn: Turn) -> list[bytes]:
    return [*map(user, turn.inputs), record("assistant", "answer")]


@pytest.mark.parametrize(("turn_id", "ahead"), [("1-1", 0), ("", 1)])
async def test_a_commit_that_is_not_of_this_turn_or_place_answers_nobody(
    stage: Stage, turn_id: str, ahead: int
) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    with pytest.raises(LostError):
        await runtime.commit(turn_id or turn.id, ahead, closing(turn), Ending(text="no"), Usage())
    assert await reply(stage.bus, "m1") is None
    assert await length(runtime) == 0


async def test_a_message_that_was_answered_is_not_taken_again_by_a_later_life(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    await answer(runtime, turn_of(await runtime.all_unread()))
    await stage.control.delete("ada", "uid-ada")
    await stage.control.create("ada", "uid-later")
    assert await stage.say("m1") == SendOutcome.DUP
    assert await stage.waiting() == 0


async def test_what_ended_in_time_does_not_end_again_with_the_agent(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.control.configure("ada", "uid-ada", 1, b"{}", request_seconds=0)
    await stage.say("m1")
    await runtime.all_unread()
    await stage.control.work_off_later()
    await stage.control.delete("ada", "uid-ada")
    assert await reply(stage.bus, "m1") == Ending(error="agent ada did not answer in time")


async def test_a_request_is_owed_no_longer_than_it_is_waited_for(stage: Stage) -> None:
    _ada, bob, mid = await asked(stage)
    await bob.all_unread()
    later = stage.bus.keys.later
    waited, owed = [
        await stage.bus.command("ZSCORE", later, f"expire {name} uid-{name} {mid}") for name in ("ada", "bob")
    ]
    assert waited == owed


async def test_the_turn_after_a_suspect_takes_people_in_again(stage: Stage) -> None:
    runtime = await stage.resident()
    for mid in ("m1", "m2"):
        await stage.say(mid)
    await runtime.all_unread()
    last = await killed(stage, 2)
    following = turn_of(await answer(last, turn_of(await last.all_unread())))
    await stage.say("m3")
    appended = await last.append(
        following.id, following.base, [user(following.inputs[0]), record("assistant", "")]
    )
    assert [message.mid for message in appended.joined] == ["m3"]


async def test_redis_shows_what_is_in_work_also_after_some_went_back(stage: Stage) -> None:
    runtime = await stage.resident()
    for mid in ("m1", "m2", "m3"):
        await stage.say(mid)
    await runtime.all_unread()
    last = await killed(stage, 2)
    alone = turn_of(await last.all_unread())
    assert await in_work(stage) == (1, alone.id, alone.id)
    following = turn_of(await answer(last, alone))
    assert await in_work(stage) == (2, following.inputs[0].id, following.inputs[1].id)


async def in_work(stage: Stage) -> tuple[int, str, str]:
    """How many entries of ada's inbox Redis shows as pending, the first and the last of them."""
    found = await stage.bus.command("XPENDING", stage.bus.keys.inbox("ada"), "rt")
    return found["pending"], found["min"].decode(), found["max"].decode()


async def test_whoever_asked_beside_a_reply_that_is_buried_is_told(stage: Stage) -> None:
    ada, bob, _ = await asked(stage)
    await answer(bob, turn_of(await bob.all_unread()))
    await stage.say("m2")
    turn = turn_of(await ada.all_unread())
    assert [message.kind for message in turn.inputs] == [MessageKind.REPLY, MessageKind.REQUEST]
    await ada.append(turn.id, turn.base, [*map(user, turn.inputs), record("assistant", "")])
    await killed(stage, 2)
    await killed(stage, 2)
    ending = await reply(stage.bus, "m2")
    assert ending is not None
    assert "given up" in ending.error
    assert await reply(stage.bus, "m1") is None


async def test_a_late_cancel_does_not_hit_the_turn_that_is_open_now(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    first = turn_of(await runtime.all_unread())
    await answer(runtime, first)
    await stage.say("m2")
    await runtime.all_unread()
    assert await stage.control.cancel("ada", first.id) == "NOTURN"
    assert not (await runtime.standing()).cancelled


async def test_a_terminated_agent_needs_no_process(stage: Stage) -> None:
    await stage.agent()
    await stage.say("m1")
    assert await stage.in_work() == ["ada"]
    await stage.control.terminate("ada", "uid-ada")
    assert await stage.in_work() == []


async def test_dead_letters_go_with_their_agent(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    await runtime.all_unread()
    await killed(stage, 2)
    assert await stage.control.dead_letters("ada")
    await stage.control.delete("ada", "uid-ada")
    assert [name.rpartition("}:")[2] for name in await stage.key_names()] == ["r:m1"]


async def test_two_operators_deliver_a_delayed_message_once(stage: Stage) -> None:
    await stage.agent()
    await stage.say("m1", delay_seconds=9)
    (entry,) = await stage.bus.command("ZRANGE", stage.bus.keys.later, 0, -1)
    assert await stage.bus.call("due", ["ada", entry]) == b"OK"
    assert await stage.bus.call("due", ["ada", entry]) == b"NOOP"
    assert await stage.waiting() == 1


async def test_a_deadline_after_the_answer_arrived_changes_nothing(stage: Stage) -> None:
    ada, bob, mid = await asked(stage)
    await answer(bob, turn_of(await bob.all_unread()))
    assert await stage.bus.call("expire", ["ada", "uid-ada", mid]) == b"NOOP"
    assert [message.error for message in turn_of(await ada.all_unread()).inputs] == [False]


async def test_an_answer_after_the_deadline_is_not_heard(stage: Stage) -> None:
    ada, bob, mid = await asked(stage)
    late = turn_of(await bob.all_unread())
    assert await stage.bus.call("expire", ["ada", "uid-ada", mid]) == b"OK"
    await answer(bob, late, "too late")
    assert [message.error for message in turn_of(await ada.all_unread()).inputs] == [True]


async def test_a_deadline_of_an_earlier_life_is_not_this_ones(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    await runtime.all_unread()
    assert await stage.bus.call("expire", ["ada", "uid-earlier", "m1"]) == b"NOOP"
    assert await reply(stage.bus, "m1") is None


async def test_a_suspended_agent_whose_turn_fails_stays_suspended(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await stage.control.ctl("ada", "pause")
    await runtime.fail(turn.id, "ModelRefusesKey", "401")
    view = await stage.control.view("ada")
    assert view is not None
    assert (view.state, view.reason) == (AgentState.PAUSED, "ModelRefusesKey")
