"""Server-sent events as plain data: bytes in, events out, with the id to resume after."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerEvent:
    """One dispatched event; `id` is the last id seen on the stream, `''` before the first."""

    id: str
    data: str


@dataclass(frozen=True)
class Comment:
    """What the server says beside its events, for instance to show that it is alive."""

    text: str


class SseParser:
    """Cuts a byte stream into events and comments, however the bytes are cut; unknown fields are skipped."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self._id = ""

    def feed(self, chunk: bytes) -> list[ServerEvent | Comment]:
        """Take the next bytes and return the events and comments that they complete."""
        self._rest += chunk
        # A carriage return at the end may be half of a CRLF; keep it until its other half can be here.
        held = b"\r" if self._rest.endswith(b"\r") else b""
        text = self._rest.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._rest = rest + held
        events: list[ServerEvent | Comment] = []
        for line in lines:
            event = self._line(line.decode(errors="replace"))
            if event is not None:
                events.append(event)
        return events

    def _line(self, line: str) -> ServerEvent | Comment | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            return Comment(line[1:].strip())
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> ServerEvent | None:
        if not self._data:
            return None
        event = ServerEvent(self._id, "\n".join(self._data))
        self._data = []
        return event
