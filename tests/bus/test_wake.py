"""A sleeping runtime hears of a message, whatever happens to its connection or to Redis."""

import asyncio
import signal
import time
import traceback

import pytest

from horos_bus.connection import Bus, BusError, BusUnavailableError
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, Idle, Turn
from horos_bus.sender import reply
from tests.bus.conftest import OpenBus
from tests.bus.stage import Stage, answer, turn_of, until
from tests.redis_fixtures import RedisProcess, fresh_prefix


async def _asleep(stage: Stage) -> MessageService:
    await stage.agent()
    runtime = stage.runtime()
    await runtime.subscribe()
    await runtime.claim(0)
    assert await runtime.all_unread() == Idle(0)
    return runtime


async def _next_turn(runtime: MessageService) -> Turn:
    """Sleep and look, as the runtime's loop does, until there is a turn."""
    while isinstance(found := await runtime.all_unread(), Idle):
        await runtime.wait_for_wake(30)
    return turn_of(found)


async def test_a_message_wakes_at_once(stage: Stage) -> None:
    runtime = await _asleep(stage)
    async with asyncio.TaskGroup() as group, asyncio.timeout(5):
        woken = group.create_task(_next_turn(runtime))
        await stage.say("m1")
    assert [m.mid for m in woken.result().inputs] == ["m1"]


async def test_a_message_between_the_subscription_and_the_sleep_is_heard(stage: Stage) -> None:
    await stage.agent()
    runtime = stage.runtime()
    await runtime.subscribe()
    await runtime.claim(0)
    await stage.say("m1")
    async with asyncio.timeout(5):
        await runtime.wait_for_wake(30)


@pytest.mark.parametrize("op", ["pause", "evict"])
async def test_orders_wake(stage: Stage, op: str) -> None:
    runtime = await _asleep(stage)
    async with asyncio.timeout(5):
        await stage.control.ctl("ada", op)  # type: ignore[arg-type]
        await runtime.wait_for_wake(30)


async def test_a_new_config_and_the_end_of_the_life_wake(stage: Stage) -> None:
    runtime = await _asleep(stage)
    async with asyncio.timeout(5):
        await stage.control.configure("ada", "uid-ada", 1, b"{}")
        await runtime.wait_for_wake(30)
        await stage.control.delete("ada", "uid-ada")
        await runtime.wait_for_wake(30)


async def test_many_wakes_are_answered_by_few_looks(stage: Stage) -> None:
    runtime = await _asleep(stage)
    for number in range(100):
        await stage.say(f"m{number}")
    looks, slept = 0, 0.0
    while slept < 0.2:
        started = time.monotonic()
        await runtime.wait_for_wake(0.25)
        looks, slept = looks + 1, time.monotonic() - started
    assert looks < 20


async def test_nothing_wakes_after_the_time_is_over(stage: Stage) -> None:
    runtime = await _asleep(stage)
    started = time.monotonic()
    await runtime.wait_for_wake(0.1)
    assert 0.05 < time.monotonic() - started < 5


async def test_a_message_after_the_wake_connection_was_cut_is_noticed_within_a_second(
    redis_process: RedisProcess, open_bus: OpenBus
) -> None:
    bus = open_bus(redis_process.url, fresh_prefix())
    stage = Stage(bus)
    runtime = await _asleep(stage)
    async with asyncio.TaskGroup() as group, asyncio.timeout(1):
        woken = group.create_task(_next_turn(runtime))
        await bus.command("CLIENT", "KILL", "TYPE", "pubsub")
        await stage.say("m1")
    assert [m.mid for m in woken.result().inputs] == ["m1"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_turn_goes_on_over_a_restart_of_redis(
    redis_process: RedisProcess, open_bus: OpenBus, how: signal.Signals
) -> None:
    bus = open_bus(redis_process.url, fresh_prefix())
    stage = Stage(bus)
    runtime = await _asleep(stage)
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await until(lambda: _is_on_disk(bus))
    await asyncio.to_thread(redis_process.stop, how)
    async with asyncio.TaskGroup() as group:
        committed = group.create_task(answer(runtime, turn))
        await asyncio.to_thread(redis_process.start)
    assert committed.result() == Idle(0)
    await stage.say("m2")
    async with asyncio.timeout(5):
        assert [m.mid for m in (await _next_turn(runtime)).inputs] == ["m2"]


async def test_a_sleeper_survives_a_redis_that_stays_away_for_a_while(
    redis_process: RedisProcess, open_bus: OpenBus
) -> None:
    bus = open_bus(redis_process.url, fresh_prefix())
    stage = Stage(bus)
    runtime = await _asleep(stage)
    await until(lambda: _is_on_disk(bus))
    await asyncio.to_thread(redis_process.stop)
    await runtime.wait_for_wake(30)
    with pytest.raises(BusUnavailableError, match=f"127.0.0.1:{redis_process.port} as user default"):
        await runtime.all_unread()
    await asyncio.to_thread(redis_process.start)
    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        woken = group.create_task(_next_turn(runtime))
        await stage.say("m1")
    assert len(woken.result().inputs) == 1


async def test_wrong_credentials_are_told_without_the_password(
    redis_server: RedisProcess, open_bus: OpenBus
) -> None:
    url = f"redis://ada:s3cret-word@127.0.0.1:{redis_server.port}/0"
    bus = open_bus(url, fresh_prefix())
    with pytest.raises(BusUnavailableError, match="does not accept the credentials") as caught:
        await bus.ping()
    assert "as user ada" in str(caught.value)
    assert "s3cret-word" not in str(caught.value) + str(caught.value.__cause__)


def test_a_url_that_cannot_be_read_is_told_without_its_password() -> None:
    with pytest.raises(ValueError, match="percent-encoded") as caught:
        Bus.open("redis://ada:s3cret/word@127.0.0.1:6379/0", "horos:x:{y}:")
    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cret'" not in shown.replace("s3cret/word", "")


async def test_a_redis_that_is_full_refuses_a_message_whole(
    redis_process: RedisProcess, open_bus: OpenBus
) -> None:
    bus = open_bus(redis_process.url, fresh_prefix())
    stage = Stage(bus)
    runtime = await stage.resident()
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    before = await stage.contents()
    await bus.command("CONFIG", "SET", "maxmemory", "1")
    for attempt in (stage.say("m2"), stage.control.create("bob", "u"), answer(runtime, turn)):
        with pytest.raises(BusError, match="maxmemory"):
            await attempt
    await bus.command("CONFIG", "SET", "maxmemory", "0")
    assert await stage.contents() == before
    assert await stage.say("m2") == "OK"


async def test_an_agent_can_be_deleted_when_redis_is_full(
    redis_process: RedisProcess, open_bus: OpenBus
) -> None:
    bus = open_bus(redis_process.url, fresh_prefix())
    stage = Stage(bus)
    await stage.agent()
    await stage.say("m1")
    await bus.command("CONFIG", "SET", "maxmemory", "1")
    assert await stage.control.delete("ada", "uid-ada") == "OK"
    assert await stage.key_names() == [bus.keys.reply("m1")]
    assert await reply(bus, "m1") == Ending(error="agent ada was deleted")


async def test_scripts_are_loaded_again_after_they_were_flushed(stage: Stage) -> None:
    await stage.agent()
    await stage.bus.command("SCRIPT FLUSH")
    assert await Control(stage.bus).create("ada", "uid-ada") == "SAME"


async def _is_on_disk(bus: Bus) -> bool:
    """Whether the append-only file has everything: `everysec` writes it at most a second later."""
    info = await bus.command("INFO", "persistence")
    return int(info["aof_pending_bio_fsync"]) == 0 and int(info["aof_buffer_length"]) == 0
