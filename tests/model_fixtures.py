"""A real scripted model server on loopback, and the client with which a test writes its script."""

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.types import ASGIApp

from horos_model.scripted import scripted_app
from horos_model.scripted_script import parse_script

UNWRITTEN = {"replies": [{"fault": {"status": 500, "message": "the test wrote no script"}}], "repeat": "last"}


@contextlib.contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an application from a thread with a loop of its own; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)
            assert not thread.is_alive(), "the server did not end"


@dataclass
class ScriptedModel:
    """The test's side of the scripted model."""

    http: httpx2.AsyncClient
    address: str

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as `base_url`."""
        return f"{self.address}/v1"

    async def load(self, *replies: dict[str, Any], **settings: Any) -> None:
        """Replace the script; settings are the script's own fields (`repeat`, `apiKey`, `models`, `pace`)."""
        answer = await self.http.post("/control/script", json={"replies": replies, **settings})
        assert answer.status_code == 200, answer.text

    async def step(self, chunks: int = 1) -> None:
        """Release so many held chunks, now or when they come."""
        answer = await self.http.post("/control/step", params={"chunks": chunks})
        assert answer.status_code == 200, answer.text

    async def requests(
        self, at_least: int = 0, *, ended: int = 0, held: int = 0, seconds: float = 60
    ) -> list[dict[str, Any]]:
        """Wait until so many requests came, ended, and are held back; return all requests."""
        wanted = {"at_least": at_least, "ended": ended, "held": held, "seconds": seconds}
        answer = (await self.http.get("/control/requests", params=wanted, timeout=seconds + 5)).json()
        assert answer["met"], f"after {seconds} s not {wanted}: {answer}"
        received: list[dict[str, Any]] = answer["requests"]
        return received


@pytest.fixture(scope="session")
def scripted_model_address() -> Iterator[str]:
    """One server for the whole session; each test replaces its script."""
    with served(scripted_app(parse_script(UNWRITTEN))) as address:
        yield address


@pytest.fixture
async def scripted_model(scripted_model_address: str) -> AsyncIterator[ScriptedModel]:
    """The scripted model with an empty memory; answers of an earlier test are cut."""
    async with httpx2.AsyncClient(base_url=scripted_model_address, verify=False) as http:
        model = ScriptedModel(http, scripted_model_address)
        await model.load(*UNWRITTEN["replies"], repeat="last")
        yield model
