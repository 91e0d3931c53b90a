"""Messages from outside the bus: accepted once, refused without a trace, and heard by whoever has to act."""

from horos_api.messages import MessageKind, SendOutcome
from horos_api.names import INBOX_CAP
from tests.bus.stage import Stage, answer, turn_of, until


async def test_a_message_for_nobody_is_refused_and_leaves_nothing(stage: Stage) -> None:
    assert await stage.say("m1", to="nobody") is SendOutcome.NO_AGENT
    assert await stage.key_names() == []


async def test_a_message_carries_every_field_to_the_receiver(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1", thread="trip", kind=MessageKind.NOTICE, sender="eve", body="hällo\n\0 {}")
    (message,) = turn_of(await runtime.all_unread()).inputs
    assert (message.mid, message.sender, message.sender_uid) == ("m1", "eve", "")
    assert (message.thread, message.kind, message.body) == ("trip", MessageKind.NOTICE, "hällo\n\0 {}")
    assert message.from_person


async def test_the_same_mid_is_the_same_message_before_and_after_it_is_answered(stage: Stage) -> None:
    runtime = await stage.resident()
    assert await stage.say("m1") is SendOutcome.OK
    assert await stage.say("m1") is SendOutcome.DUP
    turn = turn_of(await runtime.all_unread())
    assert len(turn.inputs) == 1
    await answer(runtime, turn)
    assert await stage.say("m1") is SendOutcome.DUP
    assert await stage.waiting() == 0


async def test_a_full_inbox_refuses_and_the_same_mid_is_accepted_later(stage: Stage) -> None:
    runtime = await stage.resident()
    for number in range(INBOX_CAP):
        assert await stage.say(f"m{number}") is SendOutcome.OK
    assert await stage.say("late") is SendOutcome.FULL
    await answer(runtime, turn_of(await runtime.all_unread()))
    assert await stage.say("late") is SendOutcome.OK


async def test_a_retry_does_not_reach_another_life_of_the_name(stage: Stage) -> None:
    await stage.agent()
    await stage.control.delete("ada", "uid-ada")
    await stage.control.create("ada", "second-life")
    assert await stage.say("m1", to_uid="uid-ada") is SendOutcome.NO_AGENT
    assert await stage.say("m1", to_uid="second-life") is SendOutcome.OK


async def test_a_thousand_messages_to_a_hibernated_agent_ring_once(stage: Stage) -> None:
    await stage.agent()
    for number in range(INBOX_CAP):
        await stage.say(f"m{number}")
    assert await stage.rings() == ["ada"]
    assert await stage.in_work() == ["ada"]


async def test_a_resident_agent_rings_no_doorbell(stage: Stage) -> None:
    await stage.resident()
    await stage.say("m1")
    assert await stage.rings() == []
    assert await stage.in_work() == ["ada"]


async def test_work_lists_the_agent_that_waits_longest_first(stage: Stage) -> None:
    for name in ("zoe", "bob"):
        await stage.agent(name)
    await stage.say("m1", to="zoe")
    since = await stage.bus.command("ZSCORE", stage.bus.keys.work, "zoe")

    async def a_millisecond_later() -> bool:
        seconds, microseconds = await stage.bus.command("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000 > float(since)

    await until(a_millisecond_later)
    await stage.say("m2", to="bob")
    await stage.say("m3", to="zoe")
    assert await stage.in_work() == ["zoe", "bob"]
