"""A real gateway over the real Redis, and one namespace of it for each test."""

import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from horos_api.events import Event
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Identity, Turn
from horos_gateway.app import gateway_app
from horos_gateway.server import GatewayServer
from horos_gateway.settings import Settings
from tests.redis_fixtures import RedisProcess

TOKEN = "0123456789abcdef-test"


@contextmanager
def running_gateway(redis_url: str, metrics: socket.socket | None = None, **more: Any) -> Iterator[str]:
    """Serve from a thread with a loop of its own; yields the address of the API."""
    settings = Settings.model_validate({"redis_url": redis_url, "install": "test", "token": TOKEN, **more})
    metrics_port = metrics.getsockname()[1] if metrics else None
    server = GatewayServer(gateway_app(settings), "127.0.0.1", 0, metrics_port)
    listener = socket.create_server(("127.0.0.1", 0))
    sockets = [listener, *([metrics] if metrics else [])]
    thread = threading.Thread(target=server.run, kwargs={"sockets": sockets})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        for each in sockets:
            each.close()
        assert not thread.is_alive(), "the gateway did not end"


def heard(turn: Turn) -> list[bytes]:
    """The user records of a turn."""
    return [
        json.dumps({"role": "user", "content": each.body, "mid": each.mid}).encode() for each in turn.inputs
    ]


class Events:
    """An open stream of server-sent events."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def block(self) -> dict[str, str]:
        """The next block of lines as fields; a comment is the field ''. Empty at the end of the stream."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                return fields
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        return fields

    async def next(self) -> tuple[str, Event]:
        """The next event with its id."""
        while fields := await self.block():
            if "data" in fields:
                return fields.get("id", ""), json.loads(fields["data"])
        pytest.fail("the stream ended")

    async def caught_up(self) -> list[tuple[str, Event]]:
        """Everything until the gateway says that this was all so far."""
        found = []
        while fields := await self.block():
            if fields.get("") == "caught up":
                return found
            if "data" in fields:
                found.append((fields.get("id", ""), json.loads(fields["data"])))
        pytest.fail("the stream ended")

    async def rest(self) -> list[tuple[str, Event]]:
        """Everything until the end of the stream."""
        found = []
        while fields := await self.block():
            if "data" in fields:
                found.append((fields.get("id", ""), json.loads(fields["data"])))
        return found


@dataclass
class Namespace:
    """One namespace, seen from the bus (as operator and runtime) and through the gateway."""

    bus: Bus
    http: httpx2.AsyncClient
    agents_url: str

    @property
    def control(self) -> Control:
        return Control(self.bus)

    async def agent(self, name: str = "ada") -> MessageService:
        """Create an agent with a runtime that holds it."""
        await self.control.create(name, f"uid-{name}")
        runtime = MessageService(self.bus, Identity(name, f"uid-{name}", f"token-{name}"))
        await runtime.claim(None)
        return runtime

    async def say(self, text: str, thread: str = "main", agent: str = "ada") -> dict[str, Any]:
        """Send a message through the gateway."""
        answer = await self.http.post(f"/{agent}/messages", json={"text": text, "thread": thread})
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json()
        return accepted

    async def turn(self, runtime: MessageService, text: str = "hello", thread: str = "main") -> Turn:
        """Send a message and open its turn."""
        await self.say(text, thread)
        turn = await runtime.all_unread()
        assert isinstance(turn, Turn)
        return turn

    @asynccontextmanager
    async def events(self, agent: str = "ada", last: str = "", **query: str) -> AsyncIterator[Events]:
        """Watch an agent."""
        headers = {"Last-Event-ID": last} if last else {}
        async with self.http.stream("GET", f"/{agent}/events", params=query, headers=headers) as response:
            assert response.status_code == 200, await response.aread()
            yield Events(response)


@asynccontextmanager
async def namespace_of(address: str, bus: Bus) -> AsyncIterator[Namespace]:
    name = bus.prefix.partition("{")[2].partition("}")[0]
    url = f"{address}/api/v1/namespaces/{name}/agents"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=20, verify=False) as http:
        yield Namespace(bus, http, url)


@pytest.fixture(scope="session")
def gateway(redis_server: RedisProcess) -> Iterator[str]:
    """One gateway for all tests, on the Redis that they share."""
    with running_gateway(redis_server.url) as address:
        yield address


@pytest.fixture
async def space(gateway: str, bus: Bus) -> AsyncIterator[Namespace]:
    """A fresh namespace behind the gateway."""
    async with namespace_of(gateway, bus) as namespace:
        yield namespace
