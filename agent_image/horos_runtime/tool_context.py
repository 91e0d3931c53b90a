"""What a tool may know of the call that it carries out, and how it tells watchers how far it has come."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from horos_api.events import Event, custom

PROGRESS_SECONDS: Final = 0.1
"""Of the progress reported within so short a time only the last is told."""
PROGRESS_LENGTH: Final = 500
"""The longest text of one report, in characters."""

Publish: TypeAlias = Callable[[Event], None]


class Reported:
    """What `progress` returns: an async tool may await it, a plain function need not."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


class ProgressReports:
    """Publishes what a tool reports, from whatever thread, until the call is over."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._latest: Event | None = None
        self._over = False

    def report(self, event: Event) -> None:
        """Publish soon, unless a newer report comes before."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: a thread that was given up reports
            self._loop.call_soon_threadsafe(self._take, event)

    def end(self) -> None:
        """Publish nothing more; the result of the call says how it ended."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()

    def _take(self, event: Event) -> None:
        self._latest = event
        if self._timer is None:
            self._tell()

    def _tell(self) -> None:
        self._timer = None
        event, self._latest = self._latest, None
        if event is not None and not self._over:
            self._publish(event)
            self._timer = self._loop.call_later(PROGRESS_SECONDS, self._tell)


@dataclass(frozen=True)
class ToolContext:
    """The call that a tool carries out; a function gets it by a parameter with this type hint.

    `agent`, `thread` and `turn` say for whom; `call_id` and `tool` name the call to watchers, `reports` is
    where its progress goes. `idempotency_key` names the call for good: whatever restarts or is tried again,
    the same call has the same key, and no other has it. `attempt` is 1 when the call was certainly never
    begun before. `deadline` is when this attempt is given up, on the clock of `time.monotonic()`.
    """

    agent: str
    thread: str
    turn: str
    idempotency_key: str
    attempt: int = 1
    deadline: float = math.inf
    call_id: str = ""
    tool: str = ""
    reports: ProgressReports | None = field(default=None, repr=False, compare=False)

    @property
    def seconds_left(self) -> float:
        """How long this attempt may still take; 0 when its time is over."""
        return max(0.0, self.deadline - time.monotonic())

    def progress(self, text: str = "", *, fraction: float | None = None) -> Reported:
        """Tell watchers how far the tool has come: a CUSTOM event `progress` of the open turn.

        `fraction` is brought into 0 to 1. It can be called from plain functions too, which cannot await it.
        """
        value: dict[str, Any] = {"toolCallId": self.call_id, "toolCallName": self.tool}
        if text:
            value["text"] = str(text)[:PROGRESS_LENGTH].encode(errors="replace").decode()
        if fraction is not None and not math.isnan(fraction):
            value["fraction"] = round(min(1.0, max(0.0, fraction)), 4)
        if self.reports is not None:
            self.reports.report(custom("progress", value))
        return Reported()
