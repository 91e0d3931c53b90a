"""What agents' processes print: one file for each agent, whichever of its processes it comes from."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from horos_api.names import LABEL_AGENT
from horos_operator.local.store import Body

LONGEST: Final = 10 * 2**20
"""Bytes of a file at which the next process begins another; one older file is kept."""
LAST_WORDS: Final = 2048
"""Bytes that a pod's message shows, as in Kubernetes."""


class PodLog:
    """The log that a pod's process writes to."""

    def __init__(self, folder: Path, pod: Body) -> None:
        metadata = pod["metadata"]
        agent = metadata["labels"].get(LABEL_AGENT) or metadata["name"]
        self.path = folder / "logs" / metadata["namespace"] / f"{agent}.log"

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Open it for a new process to write to."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.path.exists() and self.path.stat().st_size > LONGEST:
            self.path.replace(self.path.with_suffix(".log.1"))
        with self.path.open("ab") as file:
            yield file

    def last_words(self) -> str:
        """What was written last; '' when that cannot be read."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - LAST_WORDS))
                last: bytes = file.read()
                return last.decode(errors="replace").strip()
        except OSError:
            return ""
