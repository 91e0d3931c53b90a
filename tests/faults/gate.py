"""Decides what happens to each request and each event that passes the proxy, and counts them."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.faults.calls import Call, event_of
from tests.faults.points import WATCHED, Point

STALE_LISTS = 2
"""How many lists of a kind are old ones after a restart: that of the watch, that of the first sweep."""

Passage = Literal["pass", "gone", "429", "500", "409"]
"""What becomes of a request: it goes on, its sender is dead, or this is the answer to it."""


@dataclass
class Gate:
    """What the proxy asks. `kill` kills the operator and returns when it is gone; `hit`: the point was there.

    `writes` and `told` count what passed, `log` has every write in order, with the loop's time.
    """

    point: Point | None
    kill: Callable[[], Awaitable[None]]
    ended: Callable[[str], bool]
    hit: bool = False
    step: int = 0
    writes: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    log: list[tuple[float, str]] = field(default_factory=list)
    _lists: dict[str, list[tuple[int, bytes]]] = field(default_factory=lambda: defaultdict(list))
    _stale: Counter[str] = field(default_factory=Counter)

    async def arrives(self, call: Call) -> tuple[Passage, int]:
        """Number a write; says whether it is passed on."""
        event = event_of(call, self.ended)
        self.writes[event] += 1
        number = self.writes[event]
        self.log.append((asyncio.get_running_loop().time(), f"{event}:{number} {call.name}"))
        if self._is_point(event, number, "before"):
            await self.kill()
            return "gone", number
        troubles: tuple[Passage, ...] = ("429", "500", "409")
        for status in troubles:
            if self._is_point(event, number, status):
                return status, number
        return "pass", number

    async def carried_out(self, call: Call, number: int) -> bool:
        """Say whether the sender gets the answer."""
        event = event_of(call, self.ended)
        if self._is_point(event, number, "lost"):
            await self.kill()
            return False
        if self._is_point(event, number, "stale"):
            await self.kill()
            for url in self._lists:
                self._stale[url] = STALE_LISTS
            return False
        return not self._is_point(event, number, "cut")

    def listed(self, call: Call, answer: bytes) -> bytes:
        """Take note of a list; returns what the sender is told: an old one, when it is to be stale."""
        if call.kind not in WATCHED:
            return answer
        if self._stale[call.url] > 0:
            self._stale[call.url] -= 1
            return self._old(self._lists[call.url])
        self._lists[call.url].append((self.step, answer))
        return answer

    def _old(self, lists: list[tuple[int, bytes]]) -> bytes:
        """The last list of an earlier step of the story, else the oldest."""
        earlier = [answer for step, answer in lists if step < self.step]
        return earlier[-1] if earlier else lists[0][1]

    def passes(self, kind: str, event: Mapping[str, Any]) -> bool:
        """Say whether a watch event is told."""
        if event["type"] in {"BOOKMARK", "ERROR"} or kind not in WATCHED:
            return True
        self.told[kind] += 1
        return not self._is_point(f"{kind}.told", self.told[kind], "dropped")

    def _is_point(self, event: str, number: int, when: str) -> bool:
        point = self.point
        if self.hit or point is None or (point.event, point.number, point.when) != (event, number, when):
            return False
        self.hit = True
        return True
