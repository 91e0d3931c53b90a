"""Requests that an agent owes: taken, held back by its own requests, paid once, at the latest in time."""

import pytest

from horos_api.messages import Message, MessageKind, NewMessage, SendOutcome
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, Idle, LostError, Next, Turn, Usage
from horos_bus.sender import reply, send
from tests.bus.stage import Stage, answer, asking, length, record, replying, sending, turn_of, until, user


async def asks(runtime: MessageService, turn: Turn, *others: str, text: str = "wait") -> Next:
    """Ask other agents in one step, and end the turn."""
    entries = [*map(user, turn.inputs), record("assistant", "")]
    ix = turn.base + len(turn.journal)
    await runtime.append(turn.id, ix, entries, [asking(name) for name in others])
    ix += len(entries) + len(others)
    return await runtime.commit(turn.id, ix, [record("assistant", text)], Ending(text=text), Usage())


async def resident(stage: Stage, *names: str) -> list[MessageService]:
    return [await stage.resident(name) for name in names]


async def only_input(runtime: MessageService) -> Message:
    (found,) = turn_of(await runtime.all_unread()).inputs
    return found


async def test_a_person_is_answered_when_everybody_who_was_asked_has_answered(stage: Stage) -> None:
    ada, bob, eve = await resident(stage, "ada", "bob", "eve")
    await stage.say("m1")
    assert await asks(ada, turn_of(await ada.all_unread()), "bob", "eve") == Idle(0)
    assert "owes" in await stage.told()
    await answer(bob, turn_of(await bob.all_unread()), "bob says")
    await answer(ada, turn_of(await ada.all_unread()), "bob spoke")
    assert await reply(stage.bus, "m1") is None
    await answer(eve, turn_of(await eve.all_unread()), "eve says")
    await answer(ada, turn_of(await ada.all_unread()), "both spoke")
    assert await reply(stage.bus, "m1") == Ending(text="both spoke")
    view = await stage.control.view("ada")
    assert view is not None
    assert (view.owed, view.waits) == (0, 0)
    assert await stage.bus.command("ZCARD", stage.bus.keys.later) == 0


async def test_a_reply_that_arrives_during_the_turn_does_not_let_it_answer_with_a_part(stage: Stage) -> None:
    ada, bob = await resident(stage, "ada", "bob")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [asking("bob")])
    await answer(bob, turn_of(await bob.all_unread()), "bob says")
    heard = turn_of(await ada.commit(turn.id, 3, [record("assistant", "part")], Ending(text="part"), Usage()))
    assert await reply(stage.bus, "m1") is None
    await answer(ada, heard, "all")
    assert await reply(stage.bus, "m1") == Ending(text="all")


async def test_other_threads_owe_nothing_of_it(stage: Stage) -> None:
    ada, _bob = await resident(stage, "ada", "bob")
    await stage.say("m1", thread="one")
    await asks(ada, turn_of(await ada.all_unread()), "bob")
    await stage.say("m2", thread="two")
    await answer(ada, turn_of(await ada.all_unread()), "at once")
    assert await reply(stage.bus, "m2") == Ending(text="at once")
    assert await reply(stage.bus, "m1") is None


async def test_who_asks_back_is_answered_at_once(stage: Stage) -> None:
    ada, bob = await resident(stage, "ada", "bob")
    await stage.say("m1")
    await asks(ada, turn_of(await ada.all_unread()), "bob")
    await asks(bob, turn_of(await bob.all_unread()), "ada", text="which one?")
    await answer(ada, turn_of(await ada.all_unread()), "the red one")
    heard = turn_of(await bob.all_unread())
    assert [(m.kind, m.body) for m in heard.inputs] == [(MessageKind.REPLY, "the red one")]
    assert await reply(stage.bus, "m1") is None
    await answer(bob, heard, "red it is")
    await answer(ada, turn_of(await ada.all_unread()), "done: red")
    assert await reply(stage.bus, "m1") == Ending(text="done: red")


async def test_the_tool_reply_answers_early_and_once(stage: Stage) -> None:
    ada, bob = await resident(stage, "ada", "bob")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    effects = [asking("bob"), replying("m1", "soon"), replying("m1", "again"), replying("m0")]
    done = await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], effects)
    outcomes = [b"NOREQUEST" in stored for stored in done.stored[2:]]
    assert outcomes == [False, False, True, True]
    assert await reply(stage.bus, "m1") == Ending(text="soon")
    await ada.commit(turn.id, 6, [record("assistant", "x")], Ending(text="x"), Usage())
    await answer(bob, turn_of(await bob.all_unread()))
    await answer(ada, turn_of(await ada.all_unread()), "late")
    assert await reply(stage.bus, "m1") == Ending(text="soon")


async def test_an_agent_cannot_ask_itself_and_not_without_end(stage: Stage) -> None:
    ada, bob = await resident(stage, "ada", "bob")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    many = [asking("ada"), asking("nobody"), *[asking("bob")] * 101, sending("bob")]
    done = await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], many)
    told = [stored.split(b'"content":"')[1].split(b'"')[0].decode() for stored in done.stored[2:]]
    assert told[:2] == ["NOAGENT", "NOAGENT"]
    assert told[2:] == ["OK"] * 100 + ["LIMIT", "OK"]
    assert turn_of(await bob.all_unread()).inputs[0].mid == f"ada/{turn.id}/0.2"


async def test_a_request_that_nobody_answers_in_time_ends_with_an_error(stage: Stage) -> None:
    ada, bob = await resident(stage, "ada", "bob")
    await stage.control.configure("bob", "uid-bob", 1, b"{}", request_seconds=0)
    await stage.say("m1")
    await asks(ada, turn_of(await ada.all_unread()), "bob")
    taken = turn_of(await bob.all_unread())
    assert await stage.control.work_off_later() == 1
    assert await stage.control.work_off_later() == 0
    told = await only_input(ada)
    assert (told.kind, told.error, told.body) == (
        MessageKind.REPLY,
        True,
        "agent bob did not answer in time",
    )
    await answer(ada, turn_of(await ada.all_unread()), "bob is silent")
    assert await reply(stage.bus, "m1") == Ending(text="bob is silent")
    await answer(bob, taken, "too late")
    assert await ada.all_unread() == Idle(0)


async def test_a_request_that_is_never_read_ends_where_it_was_asked(stage: Stage) -> None:
    (ada,) = await resident(stage, "ada")
    await stage.agent("bob")
    await stage.control.configure("ada", "uid-ada", 1, b"{}", request_seconds=1)
    await stage.say("m1")
    await asks(ada, turn_of(await ada.all_unread()), "bob")

    async def told() -> bool:
        await stage.control.work_off_later()
        return not isinstance(await ada.all_unread(), Idle)

    await until(told)
    late = await only_input(ada)
    assert (late.sender, late.error) == ("bob", True)
    # Before the person's own deadline: the agent can still say what it knows.
    assert await reply(stage.bus, "m1") is None
    await answer(ada, turn_of(await ada.all_unread()), "bob did not answer")
    assert await reply(stage.bus, "m1") == Ending(text="bob did not answer")


async def test_a_person_is_told_when_the_time_is_up(stage: Stage) -> None:
    (ada,) = await resident(stage, "ada")
    await stage.control.configure("ada", "uid-ada", 1, b"{}", request_seconds=0)
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await stage.control.work_off_later()
    assert await reply(stage.bus, "m1") == Ending(error="agent ada did not answer in time")
    await answer(ada, turn, "too late")
    assert await reply(stage.bus, "m1") == Ending(error="agent ada did not answer in time")


async def test_replies_pass_a_full_inbox(stage: Stage) -> None:
    ada, bob = await resident(stage, "ada", "bob")
    await stage.say("m1")
    await asks(ada, turn_of(await ada.all_unread()), "bob")
    for number in range(2):
        await stage.say(f"fill-{number}", thread="other")

    more = NewMessage(to="ada", mid="m9", body="x")
    assert await send(stage.bus, more, cap=2) == SendOutcome.FULL
    await answer(bob, turn_of(await bob.all_unread()), "through")
    assert await stage.waiting("ada") == 3


async def test_nothing_is_answered_that_the_model_did_not_hear(stage: Stage) -> None:
    (ada,) = await resident(stage, "ada")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    with pytest.raises(LostError):
        await ada.commit(turn.id, 0, [record("assistant", "what?")], Ending(text="what?"), Usage())
    assert await length(ada) == 0


async def test_an_error_ends_the_turns_own_requests_and_no_others(stage: Stage) -> None:
    ada, _bob = await resident(stage, "ada", "bob")
    await stage.say("m1")
    await asks(ada, turn_of(await ada.all_unread()), "bob")
    await stage.say("m2")
    turn = turn_of(await ada.all_unread())
    assert await stage.control.cancel("ada", turn.id) == "OK"
    again = turn_of(await ada.all_unread())
    assert again.cancelled
    assert (await ada.standing()).cancelled
    entries = [user(turn.inputs[0]), record("assistant", "")]
    await ada.commit(turn.id, turn.base, entries, Ending(error="cancelled"), Usage())
    assert await reply(stage.bus, "m2") == Ending(error="cancelled")
    assert await reply(stage.bus, "m1") is None
    assert await stage.control.cancel("ada", turn.id) == "NOTURN"
    assert await stage.control.cancel("nobody", turn.id) == "NOAGENT"


async def test_an_error_with_nothing_open_ends_all_that_the_thread_owes(stage: Stage) -> None:
    ada, bob = await resident(stage, "ada", "bob")
    await stage.say("m1")
    await asks(ada, turn_of(await ada.all_unread()), "bob")
    await answer(bob, turn_of(await bob.all_unread()))
    turn = turn_of(await ada.all_unread())
    entries = [user(turn.inputs[0]), record("assistant", "")]
    await ada.commit(turn.id, turn.base, entries, Ending(error="cancelled"), Usage())
    assert await reply(stage.bus, "m1") == Ending(error="cancelled")
