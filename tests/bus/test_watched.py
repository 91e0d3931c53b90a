"""Errors of the bus are told to whoever counts them, once each, and those that are none are not."""

import pytest

from horos_bus.connection import Bus, BusError, BusUnavailableError, CredentialsRefusedError
from horos_bus.control import Control
from tests.redis_fixtures import RedisProcess


async def test_each_command_that_fails_is_told_before_it_raises(bus: Bus) -> None:
    told: list[BusError] = []
    watched = bus.watched(told.append)
    with pytest.raises(BusError) as raised:
        await watched.command("SET", "only-a-key")
    assert told == [raised.value]
    await watched.ping()
    assert len(told) == 1
    alone = watched.at("elsewhere:").guarded(lambda: None).alone()
    with pytest.raises(BusError):
        await alone.command("SET", "only-a-key")
    await alone.aclose()
    assert len(told) == 2


async def test_a_script_that_redis_has_forgotten_is_no_error(bus: Bus) -> None:
    told: list[BusError] = []
    await bus.command("SCRIPT FLUSH")
    assert await Control(bus.watched(told.append)).view("nobody") is None
    assert told == []


async def test_a_redis_that_is_not_there_and_one_that_knows_nobody_are_told_apart(
    redis_server: RedisProcess,
) -> None:
    told: list[BusError] = []
    wrong = redis_server.url.replace("only-for-tests", "wrong")
    for url in (wrong, "redis://127.0.0.1:1/0"):
        lost = Bus.open(url, "x:").watched(told.append)
        with pytest.raises(BusUnavailableError):
            await lost.ping()
        await lost.aclose()
    assert [type(each) for each in told] == [CredentialsRefusedError, BusUnavailableError]
