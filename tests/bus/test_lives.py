"""The life of an agent on the bus: created, configured, claimed, retired, reaped, suspended, deleted."""

import pytest

from horos_api.agent_state import AgentState
from horos_api.messages import MessageKind
from horos_bus.records import Ending, GoneError, Leave, StaleError, Usage
from horos_bus.sender import reply
from tests.bus.stage import Stage, answer, leave_of, record, sending, turn_of, user


async def test_create_is_once_for_each_life(stage: Stage) -> None:
    assert await stage.control.create("ada", "u1") == "OK"
    assert await stage.control.create("ada", "u1") == "SAME"
    assert await stage.control.create("ada", "u2") == "EXISTS"
    assert await stage.control.agents() == {"ada": "u1"}


async def test_a_new_agent_has_never_been_claimed_and_needs_nothing(stage: Stage) -> None:
    await stage.agent()
    view = await stage.control.view("ada")
    assert view is not None
    assert (view.uid, view.state, view.holder, view.epoch) == ("uid-ada", AgentState.IDLE, "", 0)
    assert (view.was_claimed, view.in_work, view.waiting, view.evict) == (False, False, 0, False)


async def test_a_view_says_since_when(stage: Stage) -> None:
    await stage.agent()
    seen = await stage.view()
    assert (seen.claimed, seen.rested, seen.since) == (0.0, 0.0, 0.0)
    asleep = await stage.now()
    await stage.say("m1")
    seen = await stage.view()
    assert asleep <= seen.since <= await stage.now()
    assert (seen.claimed, seen.rested) == (0.0, 0.0)
    runtime = stage.runtime()
    before = await stage.now()
    await runtime.claim(None)
    seen = await stage.view()
    assert before <= seen.claimed == seen.rested <= await stage.now()
    turn = turn_of(await runtime.all_unread())
    assert (await stage.view()).rested == seen.rested
    before = await stage.now()
    await answer(runtime, turn)
    after = await stage.view()
    assert before <= after.rested <= await stage.now()
    assert (after.claimed, after.since) == (seen.claimed, 0.0)
    await runtime.retire()
    assert (await stage.view()).rested == after.rested


async def test_an_end_is_the_begin_of_a_rest_however_it_comes(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    await runtime.all_unread()
    before = await stage.now()
    # One attempt: the message is buried as its next process claims.
    await stage.runtime().claim(None, max_attempts=1)
    seen = await stage.view()
    assert (seen.turn, seen.in_work) == ("", False)
    assert before <= seen.rested
    await stage.say("m2")
    before = await stage.now()
    await stage.control.terminate("ada", "uid-ada")
    assert before <= (await stage.view()).rested


async def test_nobody_is_seen_as_nothing(stage: Stage) -> None:
    await stage.agent()
    assert await stage.control.view("nobody") is None
    assert list(await stage.control.views(["nobody", "ada"])) == ["ada"]


async def test_config_counts_its_changes_and_never_goes_back(stage: Stage) -> None:
    runtime = await stage.resident()
    orders = [(1, b"{1}"), (1, b"{1}"), (2, b"{2}"), (1, b"{1}"), (2, b"{2, other model}")]
    answers = [await stage.control.configure("ada", "uid-ada", *order) for order in orders]
    assert answers == ["OK", "SAME", "OK", "OLD", "OK"]
    assert await stage.control.configure("ada", "another", 9, b"{}") == "GONE"
    assert await runtime.config() == b"{2, other model}"
    await stage.say("m1")
    assert turn_of(await runtime.all_unread()).version == 3


async def test_a_claim_needs_the_life_and_the_ticket(stage: Stage) -> None:
    await stage.agent()
    first, second = stage.runtime(token="a"), stage.runtime(token="b")
    assert (await first.claim(0)).epoch == 1
    with pytest.raises(StaleError):
        await second.claim(0)
    assert (await first.claim(0)).epoch == 1
    assert (await second.claim(1)).epoch == 2
    await stage.control.delete("ada", "uid-ada")
    await stage.control.create("ada", "another")
    with pytest.raises(GoneError):
        await stage.runtime().claim(None)
    assert (await stage.control.agents()) == {"ada": "another"}


async def test_each_claim_of_an_open_turn_counts(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    await runtime.all_unread()
    for attempt in range(2, 6):
        runtime = stage.runtime()
        await runtime.claim(None, max_attempts=5)
        turn = turn_of(await runtime.all_unread())
        assert (turn.attempt, [m.mid for m in turn.inputs]) == (attempt, ["m1"])


async def test_retiring_is_refused_while_there_is_something_to_do(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    assert await runtime.retire() is False
    turn = turn_of(await runtime.all_unread())
    assert await runtime.retire() is False
    await answer(runtime, turn)
    assert await runtime.retire() is True
    assert await stage.rings() == []
    view = await stage.control.view("ada")
    assert view is not None
    assert (view.holder, view.in_work) == ("", False)


async def test_a_planned_stop_hands_the_turn_on_uncounted(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    assert await runtime.retire(force=True) is True
    assert await stage.rings() == ["ada"]
    heir = stage.runtime()
    await heir.claim(1)
    again = turn_of(await heir.all_unread())
    assert (again.id, again.attempt) == (turn.id, 1)


async def test_reaping_needs_the_token_and_rings_for_what_is_left(stage: Stage) -> None:
    runtime = await stage.resident(token="dead")
    await stage.say("m1")
    await runtime.all_unread()
    assert await stage.control.reap("ada", "another") == "NOOP"
    assert await stage.control.reap("ada", "") == "NOOP"
    assert await stage.rings() == []
    assert await stage.control.reap("ada", "dead") == "OK"
    assert await stage.control.reap("ada", "dead") == "NOOP"
    assert await stage.rings() == ["ada"]


async def test_a_paused_agent_finishes_its_turn_and_leaves(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    assert await stage.control.ctl("ada", "pause") == "OK"
    assert (await stage.say("m2")) == "OK"
    await runtime.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")])
    left = leave_of(await runtime.commit(turn.id, 2, [], Ending(), Usage()))
    assert left == Leave("paused") == await runtime.all_unread()
    assert await runtime.retire() is True
    view = await stage.control.view("ada")
    assert view is not None
    assert (view.state, view.in_work) == (AgentState.PAUSED, False)


async def test_a_paused_agent_keeps_messages_and_its_open_turn_until_it_resumes(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await stage.control.ctl("ada", "pause")
    assert await runtime.retire() is True
    assert await stage.in_work() == await stage.rings() == []
    await stage.say("m2")
    assert await stage.rings() == []
    await stage.control.ctl("ada", "resume")
    assert await stage.rings() == ["ada"]
    view = await stage.control.view("ada")
    assert view is not None
    assert view.state is AgentState.RUNNING
    heir = stage.runtime()
    await heir.claim(None)
    assert turn_of(await heir.all_unread()).id == turn.id


async def test_orders_are_levels_and_need_an_agent(stage: Stage) -> None:
    await stage.agent()
    for op, state in (("pause", "paused"), ("pause", "paused"), ("resume", "idle"), ("resume", "idle")):
        assert await stage.control.ctl("ada", op) == "OK"  # type: ignore[arg-type]
        view = await stage.control.view("ada")
        assert view is not None
        assert view.state == state
    assert (await stage.told()).count("state paused") == 1
    assert await stage.control.ctl("nobody", "pause") == "NOAGENT"
    assert await stage.control.view("nobody") is None


async def test_an_evicted_agent_finishes_its_turn_and_leaves_its_backlog(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await stage.say("m2", thread="other")
    await stage.control.ctl("ada", "evict")
    assert turn_of(await runtime.all_unread()).id == turn.id
    assert await runtime.retire() is False
    assert await answer(runtime, turn) == Leave("evict")
    assert await runtime.retire() is True
    assert await stage.rings() == ["ada"]
    heir = stage.runtime()
    await heir.claim(None)
    assert turn_of(await heir.all_unread()).thread == "other"


async def test_a_hibernated_agent_cannot_be_evicted(stage: Stage) -> None:
    await stage.agent()
    await stage.control.ctl("ada", "evict")
    view = await stage.control.view("ada")
    assert view is not None
    assert view.evict is False


async def test_delete_tells_whoever_waits_and_leaves_no_key(stage: Stage) -> None:
    ada = await stage.resident("ada")
    bob = await stage.resident("bob")
    await stage.say("m1", to="ada")
    mine = turn_of(await ada.all_unread())
    await ada.append(mine.id, 0, [user(mine.inputs[0])], [sending("bob", "?", MessageKind.REQUEST)])
    await stage.say("m2", to="bob", thread="t2")
    await stage.control.configure("bob", "uid-bob", 1, b"{}")
    theirs = turn_of(await bob.all_unread())
    await bob.append(theirs.id, 0, [record("assistant", "")])
    assert await stage.control.delete("bob", "another") == "GONE"
    assert await stage.control.delete("bob", "uid-bob") == "OK"
    assert await stage.control.delete("bob", "uid-bob") == "GONE"

    assert [name for name in await stage.key_names() if ":bob" in name] == []
    assert await stage.control.agents() == {"ada": "uid-ada"}
    assert "bob" not in await stage.control.dirty() + await stage.in_work()
    assert await reply(stage.bus, "m2") == Ending(error="agent bob was deleted")
    arrived = turn_of(await ada.commit(mine.id, 2, [], Ending(), Usage()))
    assert [(m.kind, m.sender) for m in arrived.inputs] == [(MessageKind.REPLY, "bob")]
    with pytest.raises(GoneError):
        await bob.claim(None)


async def test_delete_bounces_a_backlog_of_any_length(stage: Stage) -> None:
    await stage.agent()
    for number in range(200):
        await stage.say(f"m{number}")
    await stage.control.delete("ada", "uid-ada")
    assert None not in [await reply(stage.bus, f"m{number}") for number in range(200)]


async def test_whatever_changes_the_status_marks_the_agent(stage: Stage) -> None:
    async def marks() -> bool:
        return await stage.control.dirty() == ["ada"]

    await stage.agent()
    assert await marks()
    assert not await marks()
    await stage.control.configure("ada", "uid-ada", 1, b"{}")
    assert await marks()
    runtime = stage.runtime()
    await runtime.claim(None)
    assert await marks()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    assert await marks()
    await runtime.fail(turn.id, "Reason", "message")
    assert await marks()
    await runtime.all_unread()
    await answer(runtime, turn)
    assert await marks()
    await stage.control.ctl("ada", "pause")
    assert await marks()
    await runtime.retire()
    assert await marks()


async def test_an_agent_in_error_leaves_its_open_turn_when_it_is_evicted(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await stage.control.ctl("ada", "evict")
    assert turn_of(await runtime.all_unread()).id == turn.id
    await runtime.fail(turn.id, "ModelMisconfigured", "no such model")
    assert await runtime.all_unread() == Leave("evict")
    assert await runtime.retire() is True
    view = await stage.control.view("ada")
    assert view is not None
    assert (view.state, view.turn, view.evict, view.in_work) == ("error", turn.id, False, True)
    assert await stage.rings() == ["ada"]
    heir = stage.runtime()
    assert (await heir.claim(None)).reason == "ModelMisconfigured"
    again = turn_of(await heir.all_unread())
    # Nobody was at work on the turn meanwhile, so no life of it counts against its messages.
    assert (again.id, again.attempt) == (turn.id, 1)


async def test_lives_in_error_do_not_count_against_the_messages(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await runtime.fail(turn.id, "ModelMisconfigured", "no such model")
    for number in range(3):
        heir = stage.runtime(token=f"heir-{number}")
        await heir.claim(None)
    assert turn_of(await heir.all_unread()).attempt == 1
