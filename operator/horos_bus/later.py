"""What lies in `later` until its time comes: delayed messages and posts, and deadlines."""

from typing import Final

from horos_bus.connection import Bus, BusError, BusUnavailableError
from horos_bus.decoding import text

DUE_AT_ONCE: Final = 100


async def work_off(bus: Bus) -> int:
    """Work off what is due in one namespace; see `Control.work_off_later`."""
    seconds, microseconds = await bus.command("TIME")
    now = int(seconds) * 1000 + int(microseconds) // 1000
    done = stay = 0
    trouble: Exception | None = None
    while entries := await _due(bus, now, stay):
        for entry in entries:
            try:
                outcome = await _work_off(bus, entry)
            except BusUnavailableError:
                raise
            except (BusError, ValueError) as error:
                # Agents may write there: what one cannot read holds up nothing that stands behind it.
                outcome, trouble = b"FULL", error
            done += outcome == b"OK"
            stay += outcome == b"FULL"
    if trouble is not None:
        raise trouble
    return done


async def _due(bus: Bus, now: int, skip: int) -> list[bytes]:
    page = ("LIMIT", skip, DUE_AT_ONCE)
    return list(await bus.command("ZRANGEBYSCORE", bus.keys.later, "-inf", now, *page))


async def _work_off(bus: Bus, entry: bytes) -> bytes:
    kind, name, rest = entry.split(b" ", 2)
    if kind == b"expire":
        uid, mid = rest.split(b" ", 1)
        return bytes(await bus.call("expire", [text(name), uid, mid]))
    return bytes(await bus.call("due_post" if kind == b"post" else "due", [text(name), entry]))
