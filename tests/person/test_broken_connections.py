"""A gateway that goes away in the middle of an answer: the stream goes on without a gap or a repeat."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator

import pytest

from horos_api import events
from tests.person.conftest import INSTALL, TOKEN, Here
from tests.person.stage import SECONDS, Agent, environment
from tests.redis_fixtures import RedisProcess


class GatewayProcess:
    """A gateway in a process of its own, on a port that stays the same over restarts."""

    def __init__(self, redis_url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._environment = environment(
            HOROS_GATEWAY_REDIS_URL=redis_url,
            HOROS_GATEWAY_INSTALL=INSTALL,
            HOROS_GATEWAY_TOKEN=TOKEN,
            HOROS_GATEWAY_PORT=str(self.port),
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "horos_gateway", env=self._environment, stderr=asyncio.subprocess.PIPE
        )
        assert self._process.stderr
        async with asyncio.timeout(SECONDS):
            while b"running on " not in (line := await self._process.stderr.readline()):
                assert line, "the gateway ended"

    async def stop(self, how: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(how)
        await self._process.communicate()


@pytest.fixture
async def gateway(redis_server: RedisProcess) -> AsyncIterator[GatewayProcess]:
    process = GatewayProcess(redis_server.url)
    await process.start()
    yield process
    await process.stop(signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_an_answer_survives_the_gateway(
    here: Here, ada: Agent, gateway: GatewayProcess, how: signal.Signals
) -> None:
    there = Here(here.namespace, here.bus, f"http://127.0.0.1:{gateway.port}")
    running = await there.start("send", "ada", "Hello", "--wait")
    turn = await ada.turn()
    message = await ada.say(turn, "one ", done=False)
    await running.until("one ")
    await gateway.stop(how)
    await ada.emit(turn, events.text_delta(message, "two "))
    await gateway.start()
    await running.until("two ")
    await ada.emit(turn, events.text_delta(message, "three"), events.text_end(message))
    await ada.answer(turn, "one two three")
    done = await running.end()
    assert (done.code, done.out) == (0, "one two three\n")


async def test_an_answer_given_while_nobody_could_watch_is_found(
    here: Here, ada: Agent, gateway: GatewayProcess
) -> None:
    there = Here(here.namespace, here.bus, f"http://127.0.0.1:{gateway.port}")
    running = await there.start("send", "ada", "Hello", "--wait")
    turn = await ada.turn()
    await ada.say(turn, "Hel", done=False)
    await running.until("Hel")
    await gateway.stop(signal.SIGKILL)
    await ada.answer(turn, "Hello again")
    await gateway.start()
    done = await running.end()
    assert done.code == 0
    assert "Hello again\n" in done.out
