"""What happens around the requests: watchers that leave, a Redis that is gone, a process that ends."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from horos_bus.connection import Bus
from tests.gateway.conftest import TOKEN, Namespace, namespace_of, running_gateway
from tests.gateway.test_messages import refused
from tests.redis_fixtures import RedisProcess, fresh_prefix


@pytest.fixture
async def own(redis_process: RedisProcess) -> AsyncIterator[Namespace]:
    """A namespace on a Redis and a gateway that nobody else uses."""
    bus = Bus.open(redis_process.url, fresh_prefix())
    with running_gateway(redis_process.url) as address:
        async with namespace_of(address, bus) as namespace:
            yield namespace
    await bus.aclose()


async def until(met: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not await met():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def readers(bus: Bus) -> int:
    """How many connections wait for events in Redis right now."""
    listed = bytes(await bus.command("CLIENT", "LIST"))
    return sum(b"cmd=xread" in line and b"flags=b" in line for line in listed.splitlines())


async def test_all_watchers_of_an_agent_share_a_reader_that_goes_with_the_last(own):
    await own.agent("ada")
    await own.agent("bob")

    async def reading(count: int) -> None:
        async def met() -> bool:
            return await readers(own.bus) == count

        await until(met)

    async with own.events("ada") as first:
        await first.caught_up()
        await reading(1)
        async with own.events("ada") as second, own.events("bob") as third:
            await second.caught_up()
            await third.caught_up()
            await reading(2)
        await reading(1)
    await reading(0)


async def test_without_redis_requests_are_told_so_and_work_again_after(own, redis_process):
    await own.agent()
    redis_process.stop()
    ready = str(own.http.base_url.copy_with(path="/readyz"))
    alive = str(own.http.base_url.copy_with(path="/healthz"))
    answers = await asyncio.gather(
        own.http.post("/ada/messages", json={"text": "a"}),
        own.http.get(own.agents_url),
        own.http.get("/ada/events"),
        own.http.get(ready),
    )
    for answer in answers:
        refused(answer, 503, "bus-unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert "Redis" not in answer.text
    assert (await own.http.get(alive)).status_code == 200
    redis_process.start()
    await own.say("after all")
    assert (await own.http.get(ready)).status_code == 200


async def test_a_redis_that_is_full_is_told_apart_from_one_that_is_gone(own):
    await own.agent()
    await own.bus.command("CONFIG", "SET", "maxmemory", "1")
    answer = await own.http.post("/ada/messages", json={"text": "a"})
    refused(answer, 503, "bus-refuses")
    assert "the message bus is full" in answer.json()["detail"]
    assert "Redis" not in answer.text
    await own.bus.command("CONFIG", "SET", "maxmemory", "0")
    await own.say("after all")


async def test_a_stream_ends_when_redis_goes_and_resumes_when_it_is_back(own, redis_process):
    runtime = await own.agent()
    turn = await own.turn(runtime)
    async with own.events(after="0") as events:
        seen = await events.caught_up()
        redis_process.stop(signal.SIGKILL)
        async with asyncio.timeout(20):
            assert await events.rest() == []
    redis_process.start()
    async with own.events(last=seen[-1][0]) as events:
        assert await events.caught_up() == []
        await runtime.fail(turn.id, "X", "x")
        assert (await events.next())[1]["snapshot"]["state"] == "error"


@pytest.fixture
def process(redis_process: RedisProcess, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The gateway as it runs in its pod; it logs to `log`."""
    environment = {
        **os.environ,
        "HOROS_GATEWAY_REDIS_URL": redis_process.url,
        "HOROS_GATEWAY_INSTALL": "test",
        "HOROS_GATEWAY_TOKEN": TOKEN,
        "HOROS_GATEWAY_PORT": "0",
    }
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, "-m", "horos_gateway"]
        started = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    yield started
    started.kill()
    started.wait()


async def test_the_process_serves_until_sigterm_and_ends_its_streams(process, redis_process, tmp_path):
    bus = Bus.open(redis_process.url, fresh_prefix())
    address = await _announced(tmp_path / "log", process)
    async with namespace_of(address, bus) as space:
        await space.agent()
        async with space.events() as events:
            await events.caught_up()
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await events.rest() == []
    await bus.aclose()
    await asyncio.to_thread(process.wait, 10)
    said = await asyncio.to_thread((tmp_path / "log").read_text)
    assert "Traceback" not in said
    assert "timeout graceful shutdown exceeded" not in said
    assert TOKEN not in said


async def _announced(log: Path, process: subprocess.Popen[bytes]) -> str:
    said = ""

    async def met() -> bool:
        nonlocal said
        said = await asyncio.to_thread(log.read_text)
        assert process.poll() is None, said
        return "running on " in said

    await until(met, 20)
    return said.partition("running on ")[2].split()[0]


def test_a_wrong_setting_ends_the_process_with_its_name():
    environment = {"PATH": os.environ["PATH"], "HOROS_GATEWAY_TOKEN": "short"}
    command = [sys.executable, "-m", "horos_gateway"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "HOROS_GATEWAY_REDIS_URL: " in done.stderr
    assert "short" not in done.stderr.replace("too_short", "")


async def test_credentials_that_redis_refuses_are_an_unavailable_bus(redis_server):
    wrong = redis_server.url.replace("only-for-tests", "wrong")
    with running_gateway(wrong) as address:
        async with httpx2.AsyncClient(
            verify=False, base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}
        ) as http:
            answer = await http.get("/api/v1/namespaces/x/agents")
    refused(answer, 503, "bus-unavailable")
