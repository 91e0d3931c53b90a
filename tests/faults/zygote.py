"""A process that has the operator imported and forks it: see `tests/crash/forking.py`."""

import os
import sys
from pathlib import Path

from horos_operator.__main__ import main
from tests.crash.forking import fork_until_stdin_ends

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(str(os.getpid()))
    fork_until_stdin_ends({"operator": main})
