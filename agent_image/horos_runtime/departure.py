"""How the process of a pod ends: at once, since a pod holds its slot until its container is gone."""

import atexit
import contextlib
import os
import sys
import threading


def leave(exit_code: int) -> None:
    """End the process without taking it apart: freeing every object would last longer than all of retiring.

    Whatever a tool's package has registered for the end is run, and output is written. A thread that Python
    would wait for is waited for: then the process ends the usual way.
    """
    if any(not each.daemon for each in threading.enumerate() if each is not threading.main_thread()):
        sys.exit(exit_code)
    # Not public, but what the interpreter itself runs at its end.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(exit_code)
