"""Messages that kill their process: found out, buried alone, and whoever waits is told."""

from horos_api.messages import MessageKind
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, Idle, Turn, Usage
from horos_bus.sender import reply
from tests.bus.stage import Stage, answer, asking, record, turn_of, user


async def killed(stage: Stage, times: int, name: str = "ada") -> MessageService:
    """Claim so many times, each time dying with the turn open; of two attempts each."""
    runtime = stage.runtime(name)
    for _ in range(times):
        runtime = stage.runtime(name)
        await runtime.claim(None, max_attempts=2)
    return runtime


async def open_turn(stage: Stage, *mids: str) -> Turn:
    runtime = await stage.resident()
    for mid in mids:
        await stage.say(mid)
    return turn_of(await runtime.all_unread())


async def test_a_batch_is_taken_apart_before_anything_is_buried(stage: Stage) -> None:
    await open_turn(stage, "m1", "m2", "m3")
    last = await killed(stage, 2)
    alone = turn_of(await last.all_unread())
    assert ([m.mid for m in alone.inputs], alone.attempt) == (["m1"], 1)
    assert "returned" in await stage.told()
    after = turn_of(await answer(last, alone))
    assert [m.mid for m in after.inputs] == ["m2", "m3"]
    await answer(last, after)
    assert await reply(stage.bus, "m3") == Ending(text="answer")
    assert await stage.control.dead_letters("ada") == []


async def test_a_message_that_kills_alone_is_buried_and_the_person_is_told(stage: Stage) -> None:
    turn = await open_turn(stage, "m1", "m2")
    last = await killed(stage, 4)
    why = "agent ada died in 2 attempts at this message; it was given up"
    assert await reply(stage.bus, "m1") == Ending(error=why)
    assert [m.mid for m in turn_of(await last.all_unread()).inputs] == ["m2"]
    (letter,) = await stage.control.dead_letters("ada")
    assert (letter.message.mid, letter.message.body, letter.turn) == ("m1", "body of m1", turn.id)
    assert (letter.reason, letter.attempts) == (why, 2)
    view = await stage.control.view("ada")
    assert view is not None
    assert view.dead == 1


async def test_nobody_joins_a_turn_that_was_taken_apart(stage: Stage) -> None:
    await open_turn(stage, "m1", "m2")
    last = await killed(stage, 2)
    turn = turn_of(await last.all_unread())
    appended = await last.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")])
    assert appended.joined == ()
    await killed(stage, 2)
    assert [letter.message.mid for letter in await stage.control.dead_letters("ada")] == ["m1"]


async def test_what_the_model_was_told_of_is_suspect_and_what_joined_unheard_is_not(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await stage.say("m2")
    await runtime.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")])
    last = await killed(stage, 2)
    assert [m.mid for m in turn_of(await last.all_unread()).inputs] == ["m1"]
    last = await killed(stage, 2)
    assert [letter.message.mid for letter in await stage.control.dead_letters("ada")] == ["m1"]
    assert [m.mid for m in turn_of(await last.all_unread()).inputs] == ["m2"]


async def test_a_request_that_went_back_is_owed_once(stage: Stage) -> None:
    await open_turn(stage, "m1", "m2")
    assert await stage.bus.command("HLEN", stage.bus.keys.owed("ada")) == 2
    last = await killed(stage, 2)
    assert await stage.bus.command("HKEYS", stage.bus.keys.owed("ada")) == [b"m1"]
    assert await stage.bus.command("ZCARD", stage.bus.keys.later) == 1
    await answer(last, turn_of(await last.all_unread()))
    await answer(last, turn_of(await last.all_unread()))
    assert await stage.bus.command("ZCARD", stage.bus.keys.later) == 0


async def test_an_agent_hears_that_a_reply_was_buried_and_still_answers(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [asking("bob")])
    await ada.commit(turn.id, 3, [record("assistant", "wait")], Ending(text="wait"), Usage())
    await answer(bob, turn_of(await bob.all_unread()))
    await ada.all_unread()
    last = await killed(stage, 2)
    told = turn_of(await last.all_unread())
    assert [m.kind for m in told.inputs] == [MessageKind.NOTICE]
    assert "could not be read" in told.inputs[0].body
    assert await reply(stage.bus, "m1") is None
    await answer(last, told, "bob's answer kills me")
    assert await reply(stage.bus, "m1") == Ending(text="bob's answer kills me")


async def test_when_that_notice_kills_too_the_person_is_told(stage: Stage) -> None:
    await up_to_the_notice(stage)
    last = await killed(stage, 2)
    ending = await reply(stage.bus, "m1")
    assert ending is not None
    assert "given up" in ending.error
    assert await last.all_unread() == Idle(0)


async def up_to_the_notice(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [asking("bob")])
    await ada.commit(turn.id, 3, [record("assistant", "wait")], Ending(text="wait"), Usage())
    await answer(bob, turn_of(await bob.all_unread()))
    await ada.all_unread()
    last = await killed(stage, 2)
    assert turn_of(await last.all_unread()).inputs[0].kind == MessageKind.NOTICE


async def test_waiting_in_error_counts_no_attempts(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await runtime.fail(turn.id, "ModelRefusesKey", "401")
    last = await killed(stage, 5)
    assert [m.mid for m in turn_of(await last.all_unread()).inputs] == ["m1"]
    assert await stage.control.dead_letters("ada") == []
