"""Messages into the bus from outside it, and the replies to them."""

from typing import Final

import orjson

from horos_api.messages import NewMessage, SendOutcome
from horos_api.names import INBOX_CAP
from horos_bus.connection import Argument, Bus
from horos_bus.decoding import text
from horos_bus.records import Ending

REMEMBER_MS: Final = 24 * 3600 * 1000
"""For how long a message that is sent again with the same id is the same message."""


async def send(bus: Bus, message: NewMessage, cap: int = INBOX_CAP) -> SendOutcome:
    """Put a message into an inbox, once for each `mid`; FULL and NO_AGENT remember nothing of it.

    With a delay it comes when it is due, to the life that the name has now; it waits while the inbox is full.

    Raises BusUnavailableError: then it is unknown whether it was accepted, and sending it again is safe.
    """
    sender = (message.mid, message.sender, message.thread, message.kind)
    delay_ms = message.delay_seconds * 1000
    words: list[Argument] = [message.to, message.to_uid, *sender, message.body, cap, REMEMBER_MS, delay_ms]
    answer = await bus.call("send", words)
    return SendOutcome(text(answer))


async def reply(bus: Bus, mid: str) -> Ending | None:
    """Read how a person's request ended; None until it has, and again an hour after."""
    found = await bus.command("GET", bus.keys.reply(mid))
    return None if found is None else Ending(**orjson.loads(found))
