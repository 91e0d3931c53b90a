"""A stage for each test of the runtime: a namespace of its own and the scripted model."""

from collections.abc import AsyncIterator

import pytest

from horos_bus.connection import Bus
from tests.model_fixtures import ScriptedModel
from tests.redis_fixtures import RedisProcess, fresh_prefix
from tests.runtime.stage import Stage


@pytest.fixture
def stage(bus: Bus, redis_server: RedisProcess, scripted_model: ScriptedModel) -> Stage:
    return Stage(bus, redis_server.url, scripted_model)


@pytest.fixture
async def fragile_stage(redis_process: RedisProcess, scripted_model: ScriptedModel) -> AsyncIterator[Stage]:
    """A stage on a server that the test may stop."""
    bus = Bus.open(redis_process.url, fresh_prefix())
    yield Stage(bus, redis_process.url, scripted_model)
    await bus.aclose()
