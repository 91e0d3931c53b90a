"""A browser before the real gateway, with real Redis, a real runtime and the scripted model behind it."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from horos_bus.connection import Bus
from horos_bus.control import Control
from tests.console.browser import Browser, chromium
from tests.gateway.conftest import TOKEN, running_gateway
from tests.model_fixtures import ScriptedModel
from tests.redis_fixtures import RedisProcess
from tests.runtime.stage import Stage


@dataclass
class Window:
    """The page in the browser, and the namespace that it looks at."""

    browser: Browser
    stage: Stage
    address: str

    @property
    def namespace(self) -> str:
        """The namespace that this test has for itself."""
        found = re.search(r"{(.+)}", self.stage.bus.prefix)
        assert found
        return found[1]

    async def log_in(self, where: str = "", token: str = TOKEN) -> None:
        """Open the page and enter the token; `where` is an agent, or an agent and its thread."""
        await self.browser.open(f"{self.address}/console/#/{self.namespace}/{where}".rstrip("/"))
        await self.browser.type("#token", token)
        await self.browser.click("#login button")

    async def say(self, text: str) -> None:
        """Write a message and press Enter."""
        await self.browser.type("textarea", text + "\ue007")

    async def delete(self, name: str = "ada") -> None:
        """End an agent's life, as the operator does."""
        assert await Control(self.stage.bus).delete(name, f"uid-{name}") == "OK"


@pytest.fixture(scope="session")
def gateway(redis_server: RedisProcess) -> Iterator[str]:
    """One gateway for all tests, on the Redis that they share."""
    with running_gateway(redis_server.url) as address:
        yield address


@pytest.fixture
def stage(bus: Bus, redis_server: RedisProcess, scripted_model: ScriptedModel) -> Stage:
    return Stage(bus, redis_server.url, scripted_model)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser of its own for each test."""
    async with chromium() as started:
        yield started


@pytest.fixture
async def window(browser: Browser, stage: Stage, gateway: str) -> AsyncIterator[Window]:
    """The page; at the end it must have had nothing to complain about but refusals by the gateway."""
    window = Window(browser, stage, gateway)
    yield window
    async with asyncio.timeout(10):
        complaints = await browser.complaints()
    assert [
        each for each in complaints if "Failed to load resource" not in each and "net::" not in each
    ] == []
