"""A task that talks to Redis ends with its first cancellation, whatever it was doing."""

import asyncio

from horos_bus.connection import Bus


async def test_no_cancellation_is_swallowed(bus: Bus) -> None:
    for number in range(100):
        began = asyncio.Event()

        async def talk(began: asyncio.Event = began) -> None:
            while True:
                await bus.ping()
                began.set()

        task = asyncio.create_task(talk())
        await began.wait()
        for _ in range(number % 7):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
        assert done == {task}
        assert task.cancelled()
