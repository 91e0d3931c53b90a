"""A real gateway over a real Redis, an agent that the test plays, and the command pointed at them."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from horos_api.names import key_prefix
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_gateway.app import gateway_app
from horos_gateway.settings import Settings
from tests.model_fixtures import served
from tests.person.front_door import FrontDoor
from tests.person.stage import Agent, Done, Running, environment, horos
from tests.redis_fixtures import RedisProcess

INSTALL = "person"
CLUSTER_INSTALL = "cluster"
TOKEN = "token-of-the-tests"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def gateway_url(redis_server: RedisProcess) -> Iterator[str]:
    settings = Settings(redis_url=redis_server.url, install=INSTALL, token=SecretStr(TOKEN))
    app = gateway_app(settings)
    with served(app) as url:
        yield url
        app.state.hub.end()


@dataclass(frozen=True)
class Here:
    """One namespace of the gateway and the command that talks to it."""

    namespace: str
    bus: Bus
    url: str

    @property
    def variables(self) -> dict[str, str]:
        return {"HOROS_GATEWAY": self.url, "HOROS_TOKEN": TOKEN}

    async def horos(self, command: str, *arguments: str, given: str | None = None) -> Done:
        run = partial(horos, command, *arguments, "-n", self.namespace, given=given)
        return await run(**self.variables)

    async def start(self, command: str, *arguments: str) -> Running:
        variables = environment(**self.variables)
        return await Running.start(command, *arguments, "-n", self.namespace, environment=variables)


@pytest.fixture
async def here(redis_server: RedisProcess, gateway_url: str) -> AsyncIterator[Here]:
    namespace = f"ns-{next(_numbers)}"
    bus = Bus.open(redis_server.url, key_prefix(INSTALL, namespace))
    yield Here(namespace, bus, gateway_url)
    await bus.aclose()


@pytest.fixture
async def ada(here: Here) -> AsyncIterator[Agent]:
    agent = await Agent(here.bus, "ada").start()
    yield agent
    await agent.end()


@dataclass
class Cluster:
    """A front door with the bus behind it."""

    door: FrontDoor
    kubeconfig: str
    control: Control
    bus: Bus

    async def horos(self, *arguments: str) -> Done:
        return await horos(*arguments, "-n", "here", KUBECONFIG=self.kubeconfig)

    async def start(self, *arguments: str) -> Running:
        variables = environment(KUBECONFIG=self.kubeconfig)
        return await Running.start(*arguments, "-n", "here", environment=variables)


@pytest.fixture
def door(redis_server: RedisProcess) -> FrontDoor:
    settings = Settings(redis_url=redis_server.url, install=CLUSTER_INSTALL, token=SecretStr(TOKEN))
    return FrontDoor(gateway_app(settings), TOKEN)


@pytest.fixture
def kubeconfig(door: FrontDoor, tmp_path: Path) -> Iterator[str]:
    with door.kubeconfig(tmp_path) as path:
        yield path


@pytest.fixture
async def cluster(door: FrontDoor, kubeconfig: str, redis_server: RedisProcess) -> AsyncIterator[Cluster]:
    bus = Bus.open(redis_server.url, key_prefix(CLUSTER_INSTALL, "here"))
    control = Control(bus)
    yield Cluster(door, kubeconfig, control, bus)
    for name, uid in (await control.agents()).items():
        await control.delete(name, uid)
    await bus.aclose()
