"""`python -m horos_operator.local.child FD`: an agent's process, which ends when the operator's does.

The operator holds the other end of a pipe, and nobody else does: when it is closed, by the kernel if need be,
this process ends at once. On Linux the kernel also ends a process that hangs in foreign code.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading
from typing import Final

_SET_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG


def end_with(pipe: int) -> None:
    """End this process when the other end of the pipe is closed."""

    def watch() -> None:
        os.read(pipe, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    # A parent that died before that is noticed here.
    threading.Thread(target=watch, name="lifeline", daemon=True).start()


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    runpy.run_module("horos_runtime", run_name="__main__", alter_sys=True)
