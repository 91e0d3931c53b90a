"""Every script may run twice in a row: redis-py repeats it when the reply was lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from redis.asyncio import Redis

from horos_api.events import Event, text_delta
from horos_api.messages import MessageKind, Verdict
from horos_bus.approvals import Elicitation
from horos_bus.connection import Argument, Bus, BusUnavailableError
from horos_bus.records import Charge, Charged, DayUsage, Ending, Idle, TotalUsage, Usage
from horos_bus.sender import reply
from tests.bus.stage import Stage, calling, posting, record, sending, tool_result, turn_of, user
from tests.redis_fixtures import RedisProcess, fresh_prefix


class LosesReplies(Bus):
    """A connection that loses the first reply to each script, and checks that the repeat changed nothing."""

    def __init__(self, client: Redis, prefix: str, address: str) -> None:
        super().__init__(client, prefix, address)
        self.repeated: set[str] = set()

    async def call(self, script: str, args: Sequence[Argument]) -> Any:
        await super().call(script, args)
        once = await Stage(self).contents()
        answer = await super().call(script, args)
        assert await Stage(self).contents() == once, f"{script} changed something when it was repeated"
        self.repeated.add(script)
        return answer


@pytest.fixture
async def twice(redis_server: RedisProcess) -> AsyncIterator[LosesReplies]:
    async with aclosing(LosesReplies.open(redis_server.url, fresh_prefix())) as opened:
        yield opened


async def test_two_lives_with_every_script_sent_twice(twice: LosesReplies) -> None:
    stage = Stage(twice)
    for name in ("ada", "bob"):
        await stage.control.create(name, f"uid-{name}")
        assert await stage.control.configure(name, f"uid-{name}", 1, b"{}") == "SAME"
    ada, bob = stage.runtime("ada", "ada-1"), stage.runtime("bob", "bob-1")
    await ada.subscribe()
    assert (await ada.claim(0)).epoch == 1
    await bob.claim(0)
    assert await stage.say("m1", to="ada") == "DUP"

    turn = turn_of(await ada.all_unread())
    assert await stage.say("m2", to="ada") == "DUP"
    appended = await ada.append(
        turn.id,
        0,
        [user(turn.inputs[0]), record("assistant", "")],
        [sending("bob", "?", MessageKind.REQUEST)],
    )
    assert appended.outcome == "DUP"
    assert [m.mid for m in appended.joined] == ["m2"]
    assert appended.stored[2:] == (tool_result("call-1", "OK"),)
    assert await ada.charge(turn.id, Charge(20_000, 9, 9, 1)) == Charged("", 20_000, 9, 9)
    used = Usage(1, 1, 1)
    step = [user(appended.joined[0])]
    await ada.append(turn.id, 3, step, usage=used, day=20_000, offloaded={"3": b"long"})
    assert await ada.charge(turn.id, Charge(20_000, 9, 9, 1)) == Charged("tokens", 20_000, 2, 1)
    await ada.emit(turn.id, [text_delta("m", "a")])
    await ada.emit(turn.id, [text_delta("m", "b")])
    await ada.fail(turn.id, "Reason", "message")
    await ada.all_unread()
    last = [record("assistant", "I asked bob")]
    assert await ada.commit(turn.id, 4, last, Ending(text="I asked bob"), Usage(1, 1), day=1) == Idle(1)
    assert await reply(twice, "m1") is await reply(twice, "m2") is None

    theirs = turn_of(await bob.all_unread())
    asked = theirs.inputs[0]
    await bob.commit(theirs.id, 0, [user(asked)], Ending(text="!"), Usage())
    assert await bob.retire() is True
    arrived = turn_of(await ada.all_unread())
    assert [m.body for m in arrived.inputs] == ["!"]
    await stage.control.ctl("ada", "pause")
    await stage.control.ctl("ada", "resume")
    await stage.control.ctl("ada", "evict")
    await stage.control.cancel("ada", arrived.id)
    last = [user(arrived.inputs[0]), record("assistant", "")]
    await ada.commit(arrived.id, 5, last, Ending(text="now"), used, day=20_000, keep_from=4)
    assert await reply(twice, "m1") == await reply(twice, "m2") == Ending(text="now")
    assert (await stage.control.stretch("ada", "main")).start == 4
    view = await stage.control.view("ada")
    assert view is not None
    assert view.usage == TotalUsage(2, 3, 3, 2, DayUsage(20_000, 6, 2))
    assert await stage.control.reap("ada", "ada-1") == "NOOP"
    assert await stage.control.delete("ada", "uid-ada") == "GONE"

    events = [event for event in await stage.events("bob") if event["type"] == "RUN_FINISHED"]
    assert len(events) == 1
    every = "create configure claim send next append emit charge fail commit retire ctl reap delete"
    assert set(every.split()) <= twice.repeated


async def test_people_are_asked_with_every_script_sent_twice(twice: LosesReplies) -> None:
    stage = Stage(twice)
    await stage.control.create("ada", "uid-ada")
    ada = stage.runtime()
    await ada.claim(0)
    await ada.report_servers(b"{}")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [calling(), calling()])
    for number in range(2):
        assert await ada.elicit(turn.id, Elicitation(f"ada/{number}", "pay", "bank", "PIN?", "{}", 9))
    values = await stage.control.decide("ada", "ada/0", Verdict.APPROVE, "bob", content='{"pin":1}')
    assert values.outcome == "ALREADY"
    found = await ada.answer("ada/0")
    assert found is not None
    assert (found.who, found.content) == ("bob", '{"pin":1}')
    assert await ada.withdraw("ada/0") == found
    assert await ada.withdraw("ada/1") is None
    await ada.commit(turn.id, 4, [record("assistant", "")], Ending(text="wait"))
    decided = await stage.control.decide("ada", f"ada/{turn.id}/0.0", Verdict.DENY, "bob")
    assert decided.outcome == "ALREADY"
    assert decided.approval is not None
    assert (decided.approval.who, decided.approval.verdict) == ("bob", Verdict.DENY)
    denied = turn_of(await ada.all_unread())
    await ada.commit(denied.id, 5, [user(denied.inputs[0])], Ending(text="still waiting"))
    assert await twice.call("expire", ["ada", "uid-ada", f"ada/{turn.id}/0.1"]) == b"NOOP"
    expired = turn_of(await ada.all_unread())
    assert [each.reason for each in expired.inputs] == ["nobody decided in time"]
    await ada.commit(expired.id, 6, [user(expired.inputs[0])], Ending(text="nobody wants it"))
    assert await reply(twice, "m1") == Ending(text="nobody wants it")
    shown = [(event["name"], event["value"]["status"]) for event in await stage.events() if told(event)]
    assert shown == [
        *[("approval", "pending")] * 2,
        *[("elicitation", "pending")] * 2,
        ("elicitation", "approved"),
        ("elicitation", "withdrawn"),
        ("approval", "denied"),
        ("approval", "expired"),
    ]
    assert await stage.control.terminate("ada", "uid-ada") == "SAME"
    assert {"elicit", "decide", "answer", "withdraw", "report", "expire"} <= twice.repeated


async def test_a_group_talks_with_every_script_sent_twice(twice: LosesReplies) -> None:
    stage = Stage(twice)
    for name in ("ada", "bob"):
        await stage.control.create(name, f"uid-{name}")
    assert await stage.group() == "SAME"
    ada = stage.runtime("ada", "ada-1")
    await ada.claim(0)
    assert (await stage.post("m1", "@ada")).outcome == "DUP"
    turn = turn_of(await ada.all_unread())
    assert len((await stage.reading("ada", "ada-1").unread(turn.inputs[0])).posts) == 1
    step = [user(turn.inputs[0]), record("assistant", "")]
    appended = await ada.append(turn.id, 0, step, [posting(mentions=["bob"]), posting(delay_seconds=60)])
    assert appended.stored[2] == tool_result("call-1", "OK: bob / nobody / nobody")
    ((entry, _),) = [each for each in await stage.later() if each[0].startswith(b"post ")]
    assert await twice.call("due_post", ["team", entry]) == b"NOOP"
    await ada.commit(turn.id, 4, [record("assistant", "hear")], Ending(text="so it is"))
    assert [post.body for post in await stage.log()] == ["@ada", "hear", "hear", "so it is"]
    assert await stage.waiting("bob") == 1
    assert len(await stage.reading("ada").groups()) == 1
    view = await stage.groups.view("team")
    assert view is not None
    assert await stage.groups.delete("team", "uid-team") == "GONE"
    every = {"group_put", "post", "unread", "due_post", "group_list", "group_view", "group_delete"}
    assert every <= twice.repeated


def told(event: Event) -> bool:
    return event.get("name") in ("approval", "elicitation")


class LosesOneEmit(Bus):
    """A connection that breaks for long, right after the first `emit` was carried out."""

    broken = False

    async def call(self, script: str, args: Sequence[Argument]) -> Any:
        answer = await super().call(script, args)
        if script == "emit" and not self.broken:
            self.broken = True
            raise BusUnavailableError("the connection broke")
        return answer


async def test_events_whose_fate_is_unknown_are_not_repeated(redis_server: RedisProcess) -> None:
    async with aclosing(LosesOneEmit.open(redis_server.url, fresh_prefix())) as bus:
        stage = Stage(bus)
        runtime = await stage.resident()
        await stage.say("m1")
        turn = turn_of(await runtime.all_unread())
        events = [text_delta("m", "a")]
        with pytest.raises(BusUnavailableError):
            await runtime.emit(turn.id, events)
        await runtime.emit(turn.id, events)
        await runtime.emit(turn.id, [text_delta("m", "b")])
        assert [event["delta"] for event in await stage.events() if "delta" in event] == ["a", "b"]


async def test_two_calls_at_once_are_two_steps(stage: Stage) -> None:
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await asyncio.gather(*(runtime.emit(turn.id, [text_delta("m", str(n))]) for n in range(20)))
    deltas = [event["delta"] for event in await stage.events() if "delta" in event]
    assert deltas == [str(n) for n in range(20)]
