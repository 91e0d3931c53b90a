"""Where code that is not ours is run: tools and the packages that bring them may raise anything at all."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from contextvars import copy_context
from types import TracebackType
from typing import Final, Generic, TypeVar

T = TypeVar("T")

THREADS: Final = 32
"""How many threads may run plain functions, those included whose time was over: nobody can stop a thread."""


class Guard:
    """A block of foreign code: whatever it raises ends the block and is kept in `failure`.

    SystemExit and KeyboardInterrupt too: a tool that raises them must not end the agent.
    """

    def __init__(self) -> None:
        self.failure: BaseException | None = None

    def __enter__(self) -> "Guard":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.failure = error
        return True


def told(error: BaseException) -> str:
    """Say what was raised, also when its own text cannot be read."""
    text = "(its text cannot be read)"
    with Guard():
        text = str.__str__(str(error)).strip()
    name = type(error).__name__
    return f"{name}: {text}" if text else name


class ThreadsUsedUpError(RuntimeError):
    """Too many functions that were given up still run."""


class _Outcome(Generic[T]):
    value: T
    failure: BaseException | None = None


class ForeignThreads:
    """Runs plain functions beside the loop, in threads that do not keep the process from ending."""

    def __init__(self, limit: int = THREADS) -> None:
        self._limit = limit
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.running = 0

    async def run(self, function: Callable[[], T]) -> T:
        """Return or raise what `function` does; when cancelled, its thread is left to itself.

        Raises ThreadsUsedUpError when the limit is reached.
        """
        with self._lock:
            if self.running >= self._limit:
                raise ThreadsUsedUpError(
                    f"{self.running} threads still run functions whose time was over, and a thread cannot be "
                    "stopped; plain functions run again when some have ended, or in a new process"
                )
            self.running += 1
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_Outcome[T]] = loop.create_future()
        context = copy_context()

        def work() -> None:
            outcome: _Outcome[T] = _Outcome()
            with Guard() as guard:
                outcome.value = context.run(function)
            outcome.failure = guard.failure
            with self._lock:
                self.running -= 1
            with Guard():  # the loop may be closed by now
                loop.call_soon_threadsafe(_settle, done, outcome)

        try:
            threading.Thread(target=work, name=f"tool-{next(self._numbers)}", daemon=True).start()
        except RuntimeError:  # the pod may start no more threads
            with self._lock:
                self.running -= 1
            raise
        outcome = await done
        if outcome.failure is not None:
            raise outcome.failure
        return outcome.value


def _settle(done: "asyncio.Future[_Outcome[T]]", outcome: _Outcome[T]) -> None:
    if not done.done():
        done.set_result(outcome)


FOREIGN_THREADS: Final = ForeignThreads()
"""Those of this process."""
