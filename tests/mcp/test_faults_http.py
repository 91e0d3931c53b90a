"""Servers that misbehave, over HTTP: what the model reads of it, what is reported, and that work goes on."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from starlette.responses import Response

from horos_api.server_report import ServerState
from tests.mcp.foreign import ForeignServers
from tests.mcp.hands import hands
from tests.mcp.raw_http import RawHttp
from tests.mcp.raw_stdio import LEGACY, MODERN
from tests.mcp.recording import eventually
from tests.model_fixtures import served

ERAS = pytest.mark.parametrize("era", [LEGACY, MODERN])


@ERAS
@pytest.mark.parametrize(
    ("tool", "says"),
    [
        ("cut_off", r"connection .* was lost while cut_off ran.*is unknown"),
        ("half", r"was lost while half ran: the connection broke off.*is unknown"),
        ("endless", r"its answer is larger than 32 MiB.*is unknown"),
        ("garbage", r"JSON"),
        ("garbage_event", r"SSE message"),
        ("page", r"text/html"),
        ("hang", r"did not finish within 2 s.*may have taken effect"),
    ],
)
async def test_what_goes_wrong_in_a_call_is_a_result_and_the_next_call_works(
    era: str, tool: str, says: str
) -> None:
    server = RawHttp({"era": era, "tools": [tool, "say"]})
    with served(server.app()) as address:
        async with hands(settings={"timeout": 2}, raw=f"{address}/mcp") as agent:
            result = await agent.call(f"raw__{tool}")
            assert result.startswith("error:")
            assert re.search(says, result, re.DOTALL), result
            assert await agent.call("raw__say", a=1) == 'say {"a": 1}'
            await agent.becomes(ServerState.CONNECTED)
    called = [each.message["params"]["name"] for each in server.said("tools/call") if each.message]
    assert called.count(tool) == 1, "it was tried once"


@ERAS
@pytest.mark.parametrize(
    ("refusal", "says", "tries"),
    [
        (Response("out of order", status_code=500), r"HTTP 500.*out of order.*is unknown", 1),
        (Response("overloaded", status_code=503), r"HTTP 503.*overloaded.*is unknown", 1),
        (Response("no", status_code=403), r"was not carried out.*HTTP 403.*no", 2),
        (Response("slow down", status_code=429), r"was not carried out.*HTTP 429.*slow down", 1),
        (Response(status_code=302, headers={"location": "http://127.0.0.1:9/mcp"}), r"[Rr]edirect", 1),
        (Response(status_code=202), r"202", 1),
    ],
    ids=["500", "503", "403", "429", "redirect", "202"],
)
async def test_a_status_instead_of_an_answer_is_told_and_the_next_call_works(
    era: str, refusal: Response, says: str, tries: int
) -> None:
    server = RawHttp({"era": era, "tools": ["say"]})
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            server.refuse["tools/call"] = [refusal] * tries
            result = await agent.call("raw__say", a=1)
            assert result.startswith("error:")
            assert re.search(says, result, re.DOTALL), result
            assert await agent.call("raw__say", a=2) == 'say {"a": 2}'
            await agent.becomes(ServerState.CONNECTED)
    assert len(server.said("tools/call")) == tries + 1


@ERAS
@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_a_server_that_refuses_at_the_door_is_reported_and_tried_again(era: str, status: int) -> None:
    server = RawHttp({"era": era, "tools": ["say"]})
    closed = [Response("closed", status_code=status)] * 2
    server.refuse = {"server/discover": list(closed), "initialize": list(closed)}
    with served(server.app()) as address:
        async with hands(wait=False, raw=f"{address}/mcp") as agent:
            await agent.becomes(ServerState.FAILED)
            said = agent.report().error
            assert str(status) in said or (status == 404 and "Not Found" in said), said
            await agent.becomes(ServerState.CONNECTED)
            assert await agent.call("raw__say", a=1) == 'say {"a": 1}'


async def test_a_call_that_breaks_off_costs_no_other_call() -> None:
    server = RawHttp({"era": LEGACY, "tools": ["half", "hang", "say"]})
    with served(server.app()) as address:
        async with hands(settings={"timeout": 3}, raw=f"{address}/mcp") as agent:
            other = asyncio.create_task(agent.call("raw__hang"))
            await eventually(lambda: server.said("tools/call"), "the other call runs")
            assert "broke off" in await agent.call("raw__half")
            assert await agent.call("raw__say", a=1) == 'say {"a": 1}'
            assert "did not finish within 3 s" in await other
    assert len(server.said("initialize")) == 1


async def test_a_server_that_is_nowhere_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with hands(wait=False, raw=f"http://127.0.0.1:{port}/mcp") as agent:
        await agent.becomes(ServerState.FAILED)
        assert "cannot be reached" in agent.report().error


async def test_a_server_that_takes_the_connection_and_says_nothing_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/mcp"
        async with hands(connect=0, wait=False, settings={"timeout": 1}, raw=url) as agent:
            await agent.becomes(ServerState.FAILED)
            assert "did not answer within 1 s" in agent.report().error


@ERAS
@pytest.mark.parametrize("tool", ["big", "big_event"])
async def test_ten_megabytes_arrive_whole(era: str, tool: str) -> None:
    server = RawHttp({"era": era, "tools": [tool]})
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            assert await agent.call(f"raw__{tool}", size=10_000_000) == "x" * 10_000_000


async def test_a_thousand_tools_arrive() -> None:
    names = [f"tool-{number:04}" for number in range(1000)]
    server = RawHttp({"tools": names})
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            assert agent.names() == [f"raw__{name}" for name in names]
            assert await agent.call("raw__tool-0999", a=1) == 'tool-0999 {"a": 1}'


async def test_a_session_that_is_forgotten_again_and_again_ends_in_a_result() -> None:
    server = RawHttp({"tools": ["say"]})
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            server.refuse["tools/call"] = [Response(status_code=404)] * 2
            result = await agent.call("raw__say", a=1)
            assert "was not carried out" in result
            assert await agent.call("raw__say", a=2) == 'say {"a": 2}'


class Everything:
    """The server `everything` over HTTP, a process of its own on a port that stays the same over restarts."""

    def __init__(self, foreign: ForeignServers) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._command = foreign.everything("streamableHttp")
        self.start()

    def start(self) -> None:
        environment = os.environ | {"PORT": str(self.port)}
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, env=environment, stdout=quiet, stderr=quiet)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            assert time.monotonic() < deadline, "everything does not listen"
            time.sleep(0.02)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def everything(foreign: ForeignServers) -> Iterator[Everything]:
    server = Everything(foreign)
    yield server
    server.kill()


async def test_a_real_server_killed_in_the_middle_of_a_call_that_may_be_repeated_does_it_when_it_is_back(
    everything: Everything,
) -> None:
    async with hands(raw=everything.url) as agent:
        call = asyncio.create_task(agent.call("raw__trigger-long-running-operation", duration=3, steps=30))
        await eventually(lambda: agent.progress, "the call runs")
        everything.kill()
        everything.start()
        result = await call
        assert "Long running operation completed" in result
        # The second try may meet a server that is still starting.
        assert re.search(r"\[try [23] succeeded; the one before failed: .*(lost while|connection)", result)
        assert "hello" in await agent.call("raw__echo", message="hello")
        assert (await agent.becomes(ServerState.CONNECTED)).error_at > 0
