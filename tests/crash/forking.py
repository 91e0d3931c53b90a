"""Forks processes on demand, for a zygote that has everything imported.

Reads JSON lines from stdin, `{"program", "environment", "log"}`, and answers `{"started": pid}` to each;
`{"ended": pid, "code"}` when one is gone. When it ends, so do all its children.
"""

import ctypes
import gc
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Programs: TypeAlias = Mapping[str, Callable[[], int]]
_PR_SET_PDEATHSIG: Final = 1


def _live(order: dict[str, Any], programs: Programs) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(order["environment"])
    code = 1
    try:
        code = programs[order["program"]]()
    except BaseException:  # noqa: BLE001 - the last thing this process can say
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell(**words: object) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


def _gone() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _tell(ended=pid, code=os.waitstatus_to_exitcode(status))


def fork_until_stdin_ends(programs: Programs) -> None:
    """Fork one of the programs for each order. To be called when all is imported that they need."""
    gc.collect()
    gc.freeze()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    buffered = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, 512)
            _gone()
        if 0 in ready:
            data = os.read(0, 1 << 16)
            if not data:
                return
            *lines, buffered = (buffered + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if not pid:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _live(order, programs)
                _tell(started=pid)
