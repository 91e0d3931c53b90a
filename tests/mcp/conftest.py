"""What the tests of tool servers share: servers of others, servers that misbehave, a stage for turns."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from horos_bus.connection import Bus
from tests.mcp.foreign import ForeignServers
from tests.mcp.raw_stdio import Told
from tests.mcp.recording import RawStdio, children
from tests.model_fixtures import ScriptedModel
from tests.redis_fixtures import RedisProcess
from tests.runtime.stage import Stage

MakeRaw = Callable[..., RawStdio]


@pytest.fixture(scope="session")
def foreign() -> ForeignServers:
    return ForeignServers.installed()


@pytest.fixture
def raw(tmp_path: Path) -> MakeRaw:
    """Make a server that does what it is told, life by life."""
    numbers = itertools.count(1)

    def make(*lives: Told) -> RawStdio:
        return RawStdio.told(tmp_path / f"raw-{next(numbers)}", *lives)

    return make


@pytest.fixture(autouse=True)
def nobody_is_left_behind() -> Iterator[None]:
    """Each test ends without a child process, alive or a zombie, that it did not have before."""
    before = children()
    yield
    assert not children() - before, "processes are left behind"


@pytest.fixture
def stage(bus: Bus, redis_server: RedisProcess, scripted_model: ScriptedModel) -> Stage:
    return Stage(bus, redis_server.url, scripted_model)
