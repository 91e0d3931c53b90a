"""Whether an agent has a process, and where it stands if it waits for one, in words: pure functions."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from horos.decision_words import span

WAITS_FOR: Final = {
    "turn": "goes on with its turn",
    "message": "a message waits",
    "order": "somebody wants it awake",
    "birth": "it is new",
    "stays": "it stays resident",
}


def ordinal(number: int) -> str:
    """Say a place: 1st, 2nd, 3rd, 4th, 11th, 21st."""
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def place_words(queue: Mapping[str, Any]) -> str:
    """Say where an agent stands."""
    return f"{ordinal(queue['position'])} of {queue['length']} in the pool's queue"


def queue_words(queue: Mapping[str, Any], now: float) -> str:
    """Say where an agent stands and for how long it has needed a process; `now` in seconds."""
    waited = age(queue["since"], now)
    return place_words(queue) + (f" for {waited}" if waited else "")


def slot_words(queue: Mapping[str, Any], now: float) -> str:
    """Say, beside the place, what an agent waits for and for how long it has; `now` in seconds."""
    waited = age(queue["since"], now)
    return "waits for a slot" + (f" for {waited}" if waited else "")


def residency_cell(live: Mapping[str, Any]) -> str:
    """Say it in one word and, in the queue, two numbers."""
    if live["residency"] != "queued":
        return str(live["residency"])
    queue = live["queue"]
    return f"queued {queue['position']}/{queue['length']}" if queue else "starting"


def residency_line(live: Mapping[str, Any], now: float) -> str:
    """Say all that is known; `now` in seconds."""
    idle = age(live["idleSince"], now)
    if live["residency"] == "queued":
        return (
            f"queued: {queue_words(live['queue'], now)}"
            if live["queue"]
            else "starting: its pod is on its way"
        )
    words = [str(live["residency"]), *([f"idle for {idle}"] if idle else [])]
    if live["residency"] == "resident" and (ends := _ends(live.get("idleSeconds"))):
        words.append(ends)
    return ", ".join(words)


def waking_words(agent: str, live: Mapping[str, Any]) -> str:
    """Say what an agent without a process waits for."""
    return f"{agent} is {place_words(live['queue'])}" if live["queue"] else f"{agent} is waking up"


def age(moment: str | None, now: float) -> str:
    """Say how long ago a moment (RFC 3339) was, '' without one; clocks that differ make no future."""
    if not moment:
        return ""
    return span(max(0.0, now - datetime.fromisoformat(moment).astimezone(UTC).timestamp()))


def _ends(idle_seconds: int | None) -> str:
    if idle_seconds is None:
        return ""
    if idle_seconds == 0:
        return "stays until somebody else needs its slot"
    return f"hibernates after {span(idle_seconds)} without a turn"
