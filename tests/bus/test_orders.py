"""What people and the spec ask of an agent: wake, terminate, and orders for the operator."""

import pytest

from horos_api.agent_state import AgentState
from horos_api.messages import SendOutcome
from horos_api.resources import OperatingMode
from horos_bus.operating import ModeOrder
from horos_bus.records import Ending, GoneError, Leave, LostError, Usage
from horos_bus.sender import reply
from tests.bus.stage import Stage, answer, asking, record, turn_of, user


async def test_termination_ends_everything_but_what_was_thought(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.say("m0")
    await answer(ada, turn_of(await ada.all_unread()))
    await stage.say("m1", to="bob")
    theirs = turn_of(await bob.all_unread())
    await bob.append(theirs.id, 0, [user(theirs.inputs[0]), record("assistant", "")], [asking("ada")])
    await bob.commit(theirs.id, 3, [record("assistant", "")], Ending(), Usage())
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 2, [user(turn.inputs[0]), record("assistant", "")], [asking("bob")])
    await stage.say("m2", thread="other")
    assert await stage.control.terminate("ada", "uid-other") == "GONE"
    assert await stage.control.terminate("ada", "uid-ada") == "OK"
    assert await stage.control.terminate("ada", "uid-ada") == "SAME"

    assert await reply(stage.bus, "m2") == Ending(error="agent ada was terminated")
    told = turn_of(await bob.all_unread())
    assert [(m.error, m.body) for m in told.inputs if m.kind == "reply"] == [
        (True, "agent ada was terminated")
    ]
    with pytest.raises(LostError):
        await ada.append(turn.id, 5, [record("assistant", "")])
    with pytest.raises(LostError):
        await ada.commit(turn.id, 5, [record("assistant", "")], Ending(), Usage())
    assert (await ada.standing()).state == AgentState.TERMINATED
    assert await ada.all_unread() == Leave("terminated")
    assert await ada.retire() is True
    assert await stage.say("m3") == SendOutcome.NO_AGENT
    for op in ("pause", "resume", "evict", "wake"):
        assert await stage.control.ctl("ada", op) == "OK"
    view = await stage.control.view("ada")
    assert view is not None
    assert (view.state, view.waiting, view.owed, view.waits) == (AgentState.TERMINATED, 0, 0, 0)
    assert await stage.in_work() == ["bob"]
    assert len(list((await stage.control.stretch("ada", "main")).records)) == 5
    await stage.control.delete("ada", "uid-ada")
    await stage.control.delete("bob", "uid-bob")
    left = [name for name in await stage.key_names() if ":r:" not in name]
    assert left == []


async def test_a_wake_wants_a_process_until_one_has_come(stage: Stage) -> None:
    await stage.agent()
    await stage.control.ctl("ada", "wake")
    assert await stage.in_work() == ["ada"] == await stage.rings()
    ada = stage.runtime()
    await ada.claim(0)
    await ada.all_unread()
    assert await stage.in_work() == []
    await stage.control.ctl("ada", "wake")
    assert await ada.retire() is True
    assert await stage.in_work() == []


async def test_a_wake_brings_back_whoever_was_asked_to_leave_once(stage: Stage) -> None:
    ada = await stage.resident()
    await stage.control.ctl("ada", "evict")
    await stage.control.ctl("ada", "wake")
    assert await ada.all_unread() == Leave("evict")
    assert await ada.retire() is True
    assert await stage.in_work() == ["ada"]
    assert "ada" in await stage.rings()
    heir = stage.runtime()
    await heir.claim(None)
    await heir.all_unread()
    assert await heir.retire() is True
    assert await stage.in_work() == []


async def test_a_runtime_sees_how_it_stands(stage: Stage) -> None:
    ada = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await stage.control.configure("ada", "uid-ada", 1, b"{}")
    await stage.control.ctl("ada", "evict")
    now = await ada.standing()
    assert (now.state, now.turn, now.cancelled, now.version, now.evict, now.held) == (
        AgentState.RUNNING,
        turn.id,
        False,
        1,
        True,
        True,
    )
    await stage.runtime().claim(None)
    assert not (await ada.standing()).held
    await stage.control.delete("ada", "uid-ada")
    with pytest.raises(GoneError):
        await ada.standing()


async def test_orders_wait_for_the_operator(stage: Stage) -> None:
    await stage.control.order("ada", "uid-ada", OperatingMode.SUSPENDED)
    (order,) = await stage.control.orders()
    assert order == ModeOrder(order.id, "ada", "uid-ada", OperatingMode.SUSPENDED)
    await stage.control.done(order)
    await stage.control.done(order)
    assert await stage.control.orders() == []
