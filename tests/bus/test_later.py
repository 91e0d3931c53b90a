"""Delayed messages: exactly once, to the life that they were sent to, at the latest when there is room."""

import pytest

from horos_api.messages import NewMessage, SendOutcome
from horos_bus.connection import BusError
from horos_bus.records import Ending, Idle
from horos_bus.sender import reply, send
from tests.bus.stage import Stage, answer, turn_of, until


async def due(stage: Stage) -> None:
    """Let the time of everything that is delayed come."""
    later = stage.bus.keys.later
    for entry in await stage.bus.command("ZRANGE", later, 0, -1):
        await stage.bus.command("ZADD", later, 1, entry)


async def test_a_delayed_message_comes_when_it_is_due_and_once(stage: Stage) -> None:
    ada = await stage.resident()
    assert await stage.say("m1", delay_seconds=1, body="später\x00 ☃") == SendOutcome.OK
    assert await stage.say("m1", delay_seconds=1) == SendOutcome.DUP
    assert await stage.control.work_off_later() == 0
    assert await ada.all_unread() == Idle(0)

    async def arrived() -> bool:
        return await stage.control.work_off_later() == 1

    await until(arrived)
    turn = turn_of(await ada.all_unread())
    assert [(m.mid, m.body) for m in turn.inputs] == [("m1", "später\x00 ☃")]
    await answer(ada, turn)
    assert await stage.control.work_off_later() == 0
    assert await stage.say("m1") == SendOutcome.DUP
    assert await reply(stage.bus, "m1") == Ending(text="answer")


async def test_its_id_is_remembered_for_longer_than_the_delay(stage: Stage) -> None:
    await stage.resident()
    month = 30 * 24 * 3600
    await stage.say("m1", delay_seconds=month)
    await stage.say("m2")
    assert await stage.bus.command("TTL", stage.bus.keys.seen("ada")) > month


async def test_it_waits_while_the_inbox_is_full_and_holds_nobody_up(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.say("m1")
    late = NewMessage(to="ada", mid="m2", body="x", delay_seconds=9)
    assert await send(stage.bus, late, cap=1) == SendOutcome.OK
    await stage.say("m3", to="bob", delay_seconds=9)
    await due(stage)
    assert await stage.control.work_off_later() == 1
    assert [m.mid for m in turn_of(await bob.all_unread()).inputs] == ["m3"]
    await answer(ada, turn_of(await ada.all_unread()))
    assert await stage.control.work_off_later() == 1
    assert [m.mid for m in turn_of(await ada.all_unread()).inputs] == ["m2"]


async def test_it_ends_with_the_life_it_was_sent_to(stage: Stage) -> None:
    await stage.resident()
    await stage.resident("bob")
    await stage.say("m1", delay_seconds=9)
    await stage.say("m2", delay_seconds=9, kind="notice")
    await stage.say("m3", to="bob", delay_seconds=9)
    await stage.control.delete("ada", "uid-ada")
    assert await reply(stage.bus, "m1") == Ending(error="agent ada was deleted")
    assert await reply(stage.bus, "m2") is None
    assert await stage.bus.command("ZCARD", stage.bus.keys.later) == 1
    await stage.control.terminate("bob", "uid-bob")
    assert await reply(stage.bus, "m3") == Ending(error="agent bob was terminated")
    assert await stage.bus.command("ZCARD", stage.bus.keys.later) == 0


async def test_one_that_a_crash_of_redis_brought_back_finds_no_other_life(stage: Stage) -> None:
    await stage.resident()
    await stage.say("m1", delay_seconds=9)
    (entry,) = await stage.bus.command("ZRANGE", stage.bus.keys.later, 0, -1)
    await stage.control.delete("ada", "uid-ada")
    await stage.bus.command("DEL", stage.bus.keys.reply("m1"))
    await stage.control.create("ada", "uid-new")
    await stage.bus.command("ZADD", stage.bus.keys.later, 1, entry)
    await stage.control.work_off_later()
    assert await stage.waiting() == 0
    ending = await reply(stage.bus, "m1")
    assert ending is not None
    assert "was deleted or terminated before this delayed message was due" in ending.error


async def test_when_its_agent_is_gone_no_key_is_left(stage: Stage) -> None:
    await stage.resident()
    await stage.say("m1", delay_seconds=9)
    await stage.control.delete("ada", "uid-ada")
    assert [name.rpartition("}:")[2] for name in await stage.key_names()] == ["r:m1"]


async def test_nobody_takes_a_delayed_message_for_a_terminated_or_unknown_agent(stage: Stage) -> None:
    await stage.agent()
    await stage.control.terminate("ada", "uid-ada")
    assert await stage.say("m1", delay_seconds=9) == SendOutcome.NO_AGENT
    assert await stage.say("m1", to="bob", delay_seconds=9) == SendOutcome.NO_AGENT
    assert await stage.say("m2", to="ada", delay_seconds=9, to_uid="uid-other") == SendOutcome.NO_AGENT


@pytest.mark.parametrize("entry", ["nonsense", "due ada nonsense", "expire ada", "post team \xc1"])
async def test_what_cannot_be_read_holds_up_nothing_behind_it(stage: Stage, entry: str) -> None:
    ada = await stage.resident()
    await stage.bus.command("ZADD", stage.bus.keys.later, 0, entry)
    await stage.say("m1", delay_seconds=60)
    await due(stage)
    with pytest.raises((BusError, ValueError)):
        await stage.control.work_off_later()
    assert [m.mid for m in turn_of(await ada.all_unread()).inputs] == ["m1"]
