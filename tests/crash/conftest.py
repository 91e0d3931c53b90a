"""A zygote and a Redis for a module of tests."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.crash.runs import Workshop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workshop() -> AsyncIterator[Workshop]:
    """Where the module's runs happen."""
    async with Workshop.open() as opened:
        yield opened
