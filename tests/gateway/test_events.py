import asyncio

import pytest

from horos_api.events import placed, text_delta, text_end, text_start
from horos_bus.records import Ending, StoredEvent, Usage
from horos_gateway.event_hub import FEED_LIMIT, Feed
from tests.gateway.conftest import heard, namespace_of, running_gateway
from tests.gateway.test_messages import refused


def names(events) -> list[str]:
    return [event.get("name") or event["type"] for _, event in events]


def deltas(events) -> list[str]:
    return [event["delta"] for _, event in events if event["type"] == "TEXT_MESSAGE_CONTENT"]


async def test_the_stream_is_not_to_be_buffered_and_says_how_to_resume(space):
    await space.agent()
    async with space.events() as events:
        headers = events.response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert headers["cache-control"] == "no-cache, no-transform"
        assert headers["x-accel-buffering"] == "no"
        assert await events.block() == {"retry": "1000"}


async def test_an_event_arrives_as_soon_as_it_is_written(space):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    async with space.events() as events:
        assert await events.caught_up() == []
        for word in ("one", "two", "three"):
            await runtime.emit(turn.id, [text_delta(f"{turn.id}/1", word)])
            # The next word is not written before this one has arrived.
            async with asyncio.timeout(5):
                event_id, event = await events.next()
            assert event == placed(event_id, text_delta(f"{turn.id}/1", word))


async def test_every_event_says_its_place_and_its_time(space):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    await runtime.commit(turn.id, turn.base, heard(turn), Ending(text="yes"), Usage())
    async with space.events(after="0") as events:
        seen = await events.caught_up()
    assert len(seen) > 5
    for event_id, event in seen:
        assert event["metadata"]["sequence"] == event_id
        assert event["timestamp"] == int(event_id.partition("-")[0])
    started = next(event for _, event in seen if event["type"] == "RUN_STARTED")
    assert started["metadata"]["mids"] == [turn.inputs[0].mid], "what the event itself says stays"


async def test_everything_since_the_message_was_sent_is_seen(space):
    runtime = await space.agent()
    accepted = await space.say("hi")
    turn = await runtime.all_unread()
    await runtime.commit(turn.id, turn.base, heard(turn), Ending(), Usage())
    async with space.events(after=accepted["after"]) as events:
        seen = await events.caught_up()
    assert names(seen) == [
        "RUN_STARTED",
        "STATE_SNAPSHOT",
        "reply",
        "usage",
        "STATE_SNAPSHOT",
        "RUN_FINISHED",
    ]
    assert seen[0][1]["metadata"]["mids"] == [accepted["id"]]


async def test_a_stream_resumes_behind_the_last_id_without_gap_or_repeat(space):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    message = f"{turn.id}/1"
    words = [f"w{i} " for i in range(1200)]  # more than Redis is asked for at once
    await runtime.emit(turn.id, [text_start(message), *(text_delta(message, w) for w in words[:700])])
    async with space.events(after="0") as events:
        first = [await events.next() for _ in range(300)]
    await runtime.emit(turn.id, [*(text_delta(message, w) for w in words[700:]), text_end(message)])
    async with space.events(last=first[-1][0], after="0") as events:
        second = await events.caught_up()
    assert deltas(first + second) == words
    ids = [tuple(map(int, event_id.split("-"))) for event_id, _ in first + second]
    assert ids == sorted(set(ids))


async def test_no_event_falls_between_history_and_live(space):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    message = f"{turn.id}/1"
    words = [f"w{i}" for i in range(300)]

    async def write() -> None:
        for word in words:
            await runtime.emit(turn.id, [text_delta(message, word)])
        await runtime.emit(turn.id, [text_end(message)])

    async def watch() -> list[str]:
        seen: list[str] = []
        async with space.events(after="0") as events:
            while (event := (await events.next())[1])["type"] != "TEXT_MESSAGE_END":
                seen += [event["delta"]] if event["type"] == "TEXT_MESSAGE_CONTENT" else []
        return seen

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(write())
        watchers = [group.create_task(watch()) for _ in range(4)]
    assert [watcher.result() for watcher in watchers] == [words] * 4


async def test_one_thread_can_be_watched_among_many(space):
    runtime = await space.agent()
    async with space.events(thread="side") as side, space.events() as whole:
        await side.caught_up()
        await whole.caught_up()
        for thread in ("main", "side"):
            turn = await space.turn(runtime, thread=thread)
            await runtime.commit(turn.id, turn.base, heard(turn), Ending(), Usage())
        assert [(await side.next())[1].get("threadId") for _ in range(1)] == ["side"]
        started = [e for _, e in [await whole.next() for _ in range(12)] if e["type"] == "RUN_STARTED"]
        assert [e["threadId"] for e in started] == ["main", "side"]


async def test_an_id_that_is_no_longer_kept_gives_a_gap_and_the_state(space):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    async with space.events(after="0") as events:
        old, _ = await events.next()
    await runtime.emit(turn.id, [text_delta("m", "kept")])
    await space.bus.command("XTRIM", space.bus.keys.events("ada"), "MAXLEN", "=", 1)
    async with space.events(last=old) as events:
        seen = await events.caught_up()
    assert names(seen) == ["gap", "STATE_SNAPSHOT", "TEXT_MESSAGE_CONTENT"]
    assert seen[0][1]["value"] == {"after": old}
    assert seen[1][1]["snapshot"]["state"] == "running"


@pytest.mark.parametrize("wrong", ["yesterday", "1-", "-1", "1-2-3", "٣", "99999999999999999999"])
@pytest.mark.parametrize("field", ["Last-Event-ID", "after"])
async def test_an_id_that_is_none_is_refused(space, field, wrong):
    await space.agent()
    if field == "after":
        answer = await space.http.get("/ada/events", params={"after": wrong})
    else:
        answer = await space.http.get("/ada/events", headers=[(b"Last-Event-ID", wrong.encode())])
    refused(answer, 400, "bad-request", field)


async def test_the_stream_of_a_deleted_agent_ends(space):
    await space.agent()
    async with space.events() as events:
        await events.caught_up()
        await space.control.delete("ada", "uid-ada")
        async with asyncio.timeout(15):
            rest = await events.rest()
    assert names(rest) == ["deleted"]
    refused(await space.http.get("/ada/events"), 404, "not-found", "name")


async def test_what_an_agent_writes_over_its_own_events_ends_its_streams_and_no_others(space):
    await space.agent("ada")
    bob = await space.agent("bob")
    async with space.events("ada") as broken, space.events("bob") as fine:
        await broken.caught_up()
        await fine.caught_up()
        await space.bus.command("XADD", space.bus.keys.events("ada"), "*", "e", "{not JSON", "t", "")
        async with asyncio.timeout(10):
            assert await broken.rest() == []
        await space.say("hi", agent="bob")
        await bob.all_unread()
        assert (await fine.next())[1]["type"] == "RUN_STARTED"


async def test_a_silent_stream_shows_that_it_lives(space, redis_server):
    await space.agent()
    with running_gateway(redis_server.url, heartbeat_seconds=0.05) as address:
        async with namespace_of(address, space.bus) as near, near.events() as events:
            await events.caught_up()
            async with asyncio.timeout(5):
                assert [await events.block() for _ in range(3)] == [{"": "alive"}] * 3


async def test_a_feed_that_nobody_takes_from_stays_small_and_says_that_it_lost_events():
    feed = Feed(patience_seconds=0.01)
    feed.behind = False
    feed.put([StoredEvent(f"1-{i}", {}) for i in range(FEED_LIMIT)])
    assert not feed.behind
    feed.put([StoredEvent("2-0", {})])
    assert feed.behind
    assert await feed.take() == []


async def test_what_lies_in_a_feed_is_taken_before_its_end_is_seen():
    feed = Feed(patience_seconds=60)
    feed.put([StoredEvent("1-0", {})])
    feed.end()
    assert [event.id for event in await feed.take()] == ["1-0"]
    assert (await feed.take(), feed.ended) == ([], True)
