"""The bytes of a stream of server-sent events, as they come, into the data of each event."""

import codecs
import re
from collections.abc import Iterator
from typing import Final

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


class EventReader:
    """Follows the HTML standard, wherever the bytes are cut; an event whose end never comes is none."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._first = True
        self._after_return = False
        self._data: list[str] = []

    def feed(self, part: bytes) -> Iterator[str]:
        """Yield the data of each event that this part completes; raises ValueError for what is no UTF-8."""
        for line in self._lines(part):
            if line:
                self._field(line.decode())
            elif self._data:
                data, self._data = "\n".join(self._data), []
                yield data

    def _lines(self, part: bytes) -> Iterator[bytes]:
        if self._after_return and part.startswith(b"\n"):
            part = part[1:]
            self._after_return = False
        if not part:
            return
        self._after_return = part.endswith(b"\r")
        first, *others = _LINE_END.split(part)
        self._begun += first
        for line in others:
            whole = bytes(self._begun)
            yield whole.removeprefix(codecs.BOM_UTF8) if self._first else whole
            self._first = False
            self._begun = bytearray(line)

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
