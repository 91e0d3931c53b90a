"""A stage for each test of the bus: a namespace of its own on the real server."""

from collections.abc import AsyncIterator, Callable

import pytest

from horos_bus.connection import Bus
from tests.bus.stage import Stage

OpenBus = Callable[[str, str], Bus]


@pytest.fixture
def stage(bus: Bus) -> Stage:
    return Stage(bus)


@pytest.fixture
async def open_bus() -> AsyncIterator[OpenBus]:
    """Open further buses, by URL and prefix; they are closed when the test is over."""
    opened: list[Bus] = []

    def open_one(url: str, prefix: str) -> Bus:
        opened.append(Bus.open(url, prefix))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.aclose()
