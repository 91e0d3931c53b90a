"""The changing part of a scripted model: which replies are used, what was asked, who is held back."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from horos_model.scripted_answers import fits
from horos_model.scripted_script import Reply, Script

Outcome = Literal["open", "complete", "cut", "left", "fault"]


class AbandonedError(Exception):
    """The script was replaced or reset while this answer was held back."""


@dataclass
class Received:
    """One request and what became of it; what `GET /control/requests` shows."""

    number: int
    key: str | None
    body: dict[str, Any]
    client: str = ""
    """Address and port that it came from: the same for requests over one connection."""
    reply: int | None = None
    """The index of the reply in the script; None when no reply was used."""
    status: int = 200
    sent: int = 0
    """Chunks sent."""
    outcome: Outcome = "open"
    """`left`: the client closed the connection first."""


class Stage:
    """One server's state; everything runs on one event loop, so that no change needs a lock."""

    def __init__(self, script: Script) -> None:
        self.life = 0
        """How often the script was replaced or reset: an answer begun in another life is cut."""
        self._changed = asyncio.Event()
        self._held = 0
        self._set(script)

    def _set(self, script: Script) -> None:
        self.script = script
        self._used: set[int] = set()
        self._steps = 0
        self._received: list[Received] = []

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until(self, met: Callable[[], bool]) -> None:
        while not met():
            await self._changed.wait()

    def load(self, script: Script | None = None) -> None:
        """Start over, with another script if given; answers on their way are cut."""
        self.life += 1
        self._set(script or self.script)
        self._tell()

    def receive(self, body: dict[str, Any], key: str | None, client: str = "") -> Received:
        """Record a request."""
        received = Received(number=len(self._received) + 1, key=key, body=body, client=client)
        self._received.append(received)
        self._tell()
        return received

    def choose(self, received: Received) -> Reply | None:
        """Use up the next reply that matches the request; None when the script has none left for it."""
        fitting = [i for i, r in enumerate(self.script.replies) if fits(r.match, received.body, received.key)]
        unused = [i for i in fitting if i not in self._used]
        if not fitting or (not unused and self.script.repeat == "error"):
            return None
        if not unused and self.script.repeat == "loop":
            self._used.difference_update(fitting)
            unused = fitting
        received.reply = unused[0] if unused else fitting[-1]
        self._used.add(received.reply)
        return self.script.replies[received.reply]

    async def hold(self, life: int) -> None:
        """Wait for a step; raises AbandonedError when the script is replaced or reset meanwhile."""
        self._held += 1
        self._tell()
        try:
            await self._until(lambda: self._steps > 0 or self.life != life)
        finally:
            self._held -= 1
            self._tell()
        if self.life != life:
            raise AbandonedError
        self._steps -= 1

    def step(self, chunks: int) -> None:
        """Let so many chunks pass; steps that nobody waits for are kept for those who come."""
        self._steps += chunks
        self._tell()

    def note_sent(self, received: Received) -> None:
        """One more chunk went out."""
        received.sent += 1
        self._tell()

    def note_end(self, received: Received, outcome: Outcome, status: int = 200) -> None:
        """The request is over."""
        received.outcome, received.status = outcome, status
        self._tell()

    def requests(self) -> dict[str, Any]:
        """What was asked so far and how many answers are held back now."""
        return {"requests": [asdict(r) for r in self._received], "held": self._held}

    async def wait(self, seconds: float, at_least: int, ended: int, held: int) -> bool:
        """Wait until so many requests came, ended and are held back; False when the time is over first."""

        def met() -> bool:
            ends = sum(r.outcome != "open" for r in self._received)
            return len(self._received) >= at_least and ends >= ended and self._held >= held

        try:
            await asyncio.wait_for(self._until(met), seconds)
        except TimeoutError:
            return False
        return True
