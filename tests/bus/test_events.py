"""What watchers see: the scripts tell every change, and a stream is read on without gap or repeat."""

import asyncio

import pytest

from horos_api.events import Event, text_delta
from horos_bus.event_stream import EventStream
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, StoredEvent, Turn, Usage
from tests.bus.stage import Stage, answer, record, tool_result, turn_of, user


async def _open_turn(stage: Stage, mid: str = "m1", thread: str = "main") -> tuple[MessageService, Turn]:
    runtime = await stage.resident()
    await stage.say(mid, thread=thread)
    return runtime, turn_of(await runtime.all_unread())


async def test_a_turn_with_a_tool_is_told_from_start_to_end(stage: Stage) -> None:
    runtime, turn = await _open_turn(stage, thread="trip")
    await runtime.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "", tool_calls=[])])
    await runtime.emit(turn.id, [text_delta(f"{turn.id}/1", "Hel"), text_delta(f"{turn.id}/1", "lo")])
    await runtime.append(turn.id, 2, [tool_result("call-7", 'it said "no"\n')])
    closing = [record("assistant", "answer")]
    await runtime.commit(turn.id, 3, closing, Ending(text="answer"), Usage(5, 1, 70), day=20_000)
    events = await stage.events()
    run = {"threadId": "trip", "runId": turn.id}
    today = {"day": 20_000, "tokens": 6, "costNano": 70}
    used = {"turns": 1, "promptTokens": 5, "completionTokens": 1, "costNano": 70, "today": today}
    assert events == [
        {"type": "CUSTOM", "name": "resident", "value": {"epoch": 1}},
        {"type": "RUN_STARTED", **run, "metadata": {"mids": ["m1"], "attempt": 1}},
        {"type": "STATE_SNAPSHOT", "snapshot": {"state": "running", "runId": turn.id}},
        text_delta(f"{turn.id}/1", "Hel"),
        text_delta(f"{turn.id}/1", "lo"),
        {
            "type": "TOOL_CALL_RESULT",
            "messageId": f"{turn.id}/2",
            "toolCallId": "call-7",
            "content": 'it said "no"\n',
            "role": "tool",
        },
        {"type": "CUSTOM", "name": "reply", "value": {"re": "m1", "text": "answer"}},
        {"type": "CUSTOM", "name": "usage", "value": used},
        {"type": "STATE_SNAPSHOT", "snapshot": {"state": "idle"}},
        {"type": "RUN_FINISHED", **run},
    ]


async def test_a_failure_a_new_incarnation_and_a_pause_are_told(stage: Stage) -> None:
    runtime, turn = await _open_turn(stage)
    after = await EventStream(stage.bus).last_id("ada")
    await runtime.fail(turn.id, "ModelKeyRefused", "no such key")
    await runtime.fail(turn.id, "ModelKeyRefused", "no such key")
    await runtime.retire(force=True)
    await stage.runtime(token="heir").claim(None)
    await stage.control.ctl("ada", "pause")
    await stage.control.reap("ada", "heir")
    seen = [event.event for event in await EventStream(stage.bus).read("ada", None, after, 0)]
    failed = {"state": "error", "reason": "ModelKeyRefused", "message": "no such key", "runId": turn.id}
    assert seen == [
        {"type": "STATE_SNAPSHOT", "snapshot": failed},
        {"type": "RUN_ERROR", "message": "no such key", "code": "ModelKeyRefused"},
        {"type": "CUSTOM", "name": "hibernated", "value": {"epoch": 1}},
        {"type": "CUSTOM", "name": "wake", "value": {"reason": "turn"}},
        {"type": "CUSTOM", "name": "resident", "value": {"epoch": 2}},
        {"type": "CUSTOM", "name": "resumed", "value": {"runId": turn.id, "attempt": 1}},
        {"type": "STATE_SNAPSHOT", "snapshot": {"state": "paused", "runId": turn.id}},
        {"type": "CUSTOM", "name": "hibernated", "value": {"epoch": 2}},
    ]


async def test_messages_that_join_are_told(stage: Stage) -> None:
    runtime, turn = await _open_turn(stage)
    await stage.say("m2")
    await stage.say("m3")
    await runtime.append(turn.id, 0, [user(turn.inputs[0])])
    assert (await stage.events())[-1]["value"] == {"runId": turn.id, "mids": ["m2", "m3"]}


async def test_a_watcher_waits_for_what_comes(stage: Stage) -> None:
    runtime, turn = await _open_turn(stage)
    stream = EventStream(stage.bus)
    assert await stream.read("ada", None, None, 0) == []
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(stream.read("ada", None, None, 30))
        await runtime.emit(turn.id, [text_delta("m", "x")])
    assert [event.event for event in waiting.result()] == [text_delta("m", "x")]


async def test_what_comes_between_two_reads_from_now_on_is_not_missed(stage: Stage) -> None:
    runtime, turn = await _open_turn(stage)
    stream = EventStream(stage.bus)
    assert await stream.read("ada", None, None, 0) == []
    await runtime.emit(turn.id, [text_delta("m", "x")])
    assert len(await stream.read("ada", None, None, 0)) == 1


async def test_a_stream_is_read_on_from_any_id(stage: Stage) -> None:
    runtime, turn = await _open_turn(stage)
    await runtime.emit(turn.id, [text_delta("m", str(number)) for number in range(7)])
    await answer(runtime, turn)
    everything = await EventStream(stage.bus).read("ada", None, "0", 0)
    assert [event.event for event in everything] == await stage.events()
    for place, event in enumerate(everything):
        assert await EventStream(stage.bus).read("ada", None, event.id, 0) == everything[place + 1 :]


async def test_a_watcher_of_one_thread_sees_it_and_the_agent_as_a_whole(stage: Stage) -> None:
    runtime, turn = await _open_turn(stage, thread="a")
    await stage.say("m2", thread="b")
    await answer(runtime, turn_of(await answer(runtime, turn)))
    await stage.control.ctl("ada", "pause")
    seen = await EventStream(stage.bus).read("ada", "b", "0", 0)
    started = [event.event["threadId"] for event in seen if event.event["type"] == "RUN_STARTED"]
    assert started == ["b"]
    assert "resident" in {event.event.get("name") for event in seen}
    assert seen[-1].event == {"type": "STATE_SNAPSHOT", "snapshot": {"state": "paused"}}


async def test_a_watcher_of_one_thread_does_not_look_twice_at_the_others(stage: Stage) -> None:
    runtime, turn = await _open_turn(stage, thread="a")
    stream = EventStream(stage.bus)
    after = (await stream.read("ada", "b", "0", 0))[-1].id
    await runtime.emit(turn.id, [text_delta("m", "not for b")])
    assert await stream.read("ada", "b", after, 0) == []
    await stage.bus.command("XTRIM", stage.bus.keys.events("ada"), "MAXLEN", "=", 1)
    assert await stream.read("ada", "b", after, 0) == [], "trimmed, but this watcher had looked past it"


def _kinds(seen: list[StoredEvent]) -> list[str]:
    return [event.event.get("name") or event.event["type"] for event in seen]


async def test_an_id_that_was_trimmed_gives_a_gap_a_snapshot_and_the_rest(stage: Stage) -> None:
    runtime, turn = await _open_turn(stage)
    stream = EventStream(stage.bus)
    first = (await stream.read("ada", None, "0", 0))[0]
    await runtime.emit(turn.id, [text_delta("m", "x"), text_delta("m", "y")])
    await stage.bus.command("XTRIM", stage.bus.keys.events("ada"), "MAXLEN", "=", 2)
    seen = await EventStream(stage.bus).read("ada", None, first.id, 0)
    assert _kinds(seen) == ["gap", "STATE_SNAPSHOT", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CONTENT"]
    assert seen[0].event["value"] == {"after": first.id}
    assert seen[1].event["snapshot"] == {"state": "running", "runId": turn.id}
    assert await EventStream(stage.bus).read("ada", None, seen[-2].id, 0) == seen[-1:]
    assert _kinds(await EventStream(stage.bus).read("ada", None, "0", 0)) == ["TEXT_MESSAGE_CONTENT"] * 2


async def test_an_id_of_a_future_that_redis_lost_gives_a_gap(stage: Stage) -> None:
    await stage.agent()
    seen = await EventStream(stage.bus).read("ada", None, "99999999999999-0", 0)
    assert _kinds(seen) == ["gap", "STATE_SNAPSHOT"]


async def test_an_id_of_an_earlier_life_gives_a_gap(stage: Stage) -> None:
    await stage.resident()
    after = await EventStream(stage.bus).last_id("ada")
    await stage.control.delete("ada", "uid-ada")
    await stage.agent()
    assert _kinds(await EventStream(stage.bus).read("ada", None, after, 0))[0] == "gap"


async def test_the_stream_of_a_deleted_agent_ends(stage: Stage) -> None:
    await stage.agent()
    stream = EventStream(stage.bus)
    assert await stream.exists("ada")
    after = await stream.last_id("ada")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(stream.read("ada", None, after, 60))
        await stage.control.delete("ada", "uid-ada")
    assert waiting.result() == []
    assert not await stream.exists("ada")
    assert await stream.last_id("ada") == "0-0"


@pytest.mark.parametrize("wrong", ["", "-", "$", "1-x", "x-1", "+", "١-0"])
async def test_something_that_is_not_an_id_is_refused(stage: Stage, wrong: str) -> None:
    await stage.agent()
    with pytest.raises(ValueError, match="expected"):
        await EventStream(stage.bus).read("ada", None, wrong, 0)


async def test_the_stream_keeps_the_newest_events_only(stage: Stage) -> None:
    runtime, turn = await _open_turn(stage)
    batch: list[Event] = [text_delta("m", "x")] * 1000
    for _ in range(7):
        await runtime.emit(turn.id, batch)
    assert 5000 <= await stage.bus.command("XLEN", stage.bus.keys.events("ada")) <= 5200
