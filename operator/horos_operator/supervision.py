"""Keeps going what must not end. What nobody foresaw is logged with its traceback, and the work begins again.

To end the process instead would be no better: one namespace, one object or one duty that cannot be served
would take all others with it, again and again, for the five minutes that Kubernetes then waits. Each work
here looks at how things are and remembers nothing that it could not do without, so beginning anew is enough.
Where it is not, sweeps do not come through, and the liveness probe ends the process.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

REST_SECONDS: Final = 5.0
"""What failed for no known reason may fail at once again: enough that it neither fills the log nor hurts
whoever failed it, little enough that nobody has to come and help."""

Work: TypeAlias = Callable[[], Awaitable[None]]

log = logging.getLogger("horos.operator")


def told_to_end() -> bool:
    """Whether the task that runs was cancelled; else a CancelledError is that of something it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def guarded(what: str, work: Work) -> bool:
    """Run some work once, and return whether it went well. Raises only if this task itself is cancelled."""
    try:
        await work()
    except asyncio.CancelledError:
        if told_to_end():
            raise
        log.exception("%s has ended, since what it waited for was cancelled; it begins again", what)
        return False
    except Exception:
        log.exception("%s has ended with an error that nobody foresaw; it begins again", what)
        return False
    return True


async def without_end(what: str, work: Work) -> None:
    """Run some work again and again, until cancelled."""
    while True:
        await guarded(what, work)
        await asyncio.sleep(REST_SECONDS)
