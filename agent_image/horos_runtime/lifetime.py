"""The frame of a runtime process: background tasks, signals, and the exit code for each kind of end."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from enum import IntEnum
from typing import Final

from horos_bus.connection import BusError
from horos_bus.records import FencedError, GoneError, LostError, StaleError
from horos_runtime.desk import InterruptedTurnError

log: Final = logging.getLogger(__name__)
DRAIN_SECONDS: Final = 1.0


class ExitCode(IntEnum):
    """How a runtime ended."""

    LEFT = 0
    """It retired, or the agent is somebody else's by now."""
    CRASHED = 1
    """Something unforeseen; the log has the traceback."""
    MISCONFIGURED = 2
    """The environment is not enough to start."""
    LOST = 3
    """Redis does not know the turn that this process remembers; the next incarnation starts afresh."""
    BUS_REFUSED = 4
    """Redis answers but refuses: credentials, rights, memory. The next incarnation tries again."""


class Lifetime:
    """Runs background tasks beside the loop, all under one task group, until the loop ends or is stopped.

    `drain` is what a stopped loop leaves to be written before the tasks go.
    """

    def __init__(self, grace_seconds: float, drain: Callable[[], Awaitable[None]]) -> None:
        self._grace_seconds = grace_seconds
        self._drain = drain
        self._scope = asyncio.Timeout(None)
        self._running = False
        self.stopping = asyncio.Event()
        self.busy = False
        self.exit_code = ExitCode.LEFT

    def stop(self) -> None:
        """Ask the loop to end: at once when it waits, within the grace period when a turn is in work."""
        if not self.stopping.is_set():
            self.stopping.set()
            if self._running:
                self._cancel_later()

    @contextlib.asynccontextmanager
    async def around(self, *aside: Coroutine[None, None, None]) -> AsyncIterator[None]:
        """Run the block beside `aside`; afterwards `exit_code` tells how it ended."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(each) for each in aside]
                try:
                    with self._signals(), contextlib.suppress(InterruptedTurnError):
                        async with self._stoppable():
                            yield
                    if self.stopping.is_set():
                        await self._let_drain()
                finally:
                    for task in tasks:
                        task.cancel()
        except* (FencedError, GoneError, StaleError) as errors:
            log.warning("leaving: %s", _first(errors))
        except* LostError as errors:
            log.warning("leaving: %s", _first(errors))
            self.exit_code = ExitCode.LOST
        except* BusError as errors:
            # Full, read-only, without rights: the pod's condition shows this line, so no traceback hides it.
            log.error("the bus refuses: %s", _first(errors))  # noqa: TRY400
            self.exit_code = ExitCode.BUS_REFUSED
        except* Exception:
            log.exception("the runtime crashed")
            self.exit_code = ExitCode.CRASHED

    @contextlib.asynccontextmanager
    async def _stoppable(self) -> AsyncIterator[None]:
        self._running = True
        try:
            async with self._scope:
                if self.stopping.is_set():
                    self._cancel_later()
                yield
        except TimeoutError:
            if not self._scope.expired():
                raise
        finally:
            self._running = False

    async def _let_drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._drain()

    def _cancel_later(self) -> None:
        seconds = self._grace_seconds if self.busy else 0.0
        self._scope.reschedule(asyncio.get_running_loop().time() + seconds)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handled: list[signal.Signals] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            # Only the main thread may handle signals; elsewhere the program calls `stop`.
            with contextlib.suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, self.stop)
                handled.append(number)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)


def _first(errors: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
