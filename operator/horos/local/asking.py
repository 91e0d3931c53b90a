"""`horos run --ask`: a message to one agent of the society, and its answer."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from horos.conversation import Exchange, follow, new_key
from horos.errors import NotFoundError, RefusedError
from horos.places import Places
from horos.session import Session

BIRTH_SECONDS: Final = 30.0
"""How long an Agent may take to be known to the gateway."""
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Asked:
    """A question for one agent; `say` tells where it stands, `problems` what keeps agents from working."""

    agent: str
    text: str
    say: Callable[[str], None]
    problems: Callable[[], Mapping[str, str]]


async def ask(session: Session, asked: Asked) -> str:
    """Send a message and return its answer; what happens meanwhile is shown by whoever follows the agents.

    Raises RefusedError when nobody will answer.
    """
    await _born(session, asked)
    sent = await session.client.send(asked.agent, asked.text, None, new_key())
    places = Places(asked.agent, asked.say)
    return await follow(session, Exchange.of(asked.agent, sent), lambda _: None, places)


async def _born(session: Session, asked: Asked) -> None:
    """Wait until the agent takes messages; RefusedError says what keeps it from that."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + BIRTH_SECONDS
    while True:
        try:
            await session.client.agent(asked.agent)
        except NotFoundError:
            if clock() >= deadline:
                unseen = "the operator has not looked at it"
                why = asked.problems().get(f"{session.namespace}/{asked.agent}", unseen)
                raise RefusedError(f"agent {asked.agent} takes no messages: {why}") from None
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            return
