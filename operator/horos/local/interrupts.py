"""Ctrl-C and SIGTERM for `horos run`: once to finish what runs, twice to end at once."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

from horos.errors import INTERRUPTED

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Listens until the process ends; `say` tells the person what happens now, `leave` tidies their terminal.

    While things are started, the first signal cancels the task that made this; then it only sets `told`.
    """

    def __init__(self, say: Callable[[str], None], leave: Callable[[], None]) -> None:
        self.told = asyncio.Event()
        self.started = False
        self._say, self._leave = say, leave
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for each in _SIGNALS:
            loop.add_signal_handler(each, self._heard)

    def _heard(self) -> None:
        if self.told.is_set():
            self._leave()
            # Every child ends with this process; what was acknowledged is in Redis' log already.
            os._exit(INTERRUPTED)
        self.told.set()
        self._say("finishing what runs; Ctrl-C again ends it at once")
        if not self.started and self._task is not None:
            self._task.cancel()
