"""What the commands about processes do once they are connected: wake, hibernate, show the pool."""

import asyncio
import time
from typing import Any, Final

from horos.errors import HorosError, RefusedError, TimedOutError
from horos.options import Output
from horos.places import Places
from horos.pool_tables import pool_parts
from horos.readiness import known_agent, manifest_of, why_not_ready
from horos.residency_words import place_words
from horos.session import Session
from horos.terminal import Terminal

_LOOK_SECONDS: Final = 0.3


class _Patience:
    """How long something is waited for; `seconds` 0: not at all."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + seconds

    @property
    def is_over(self) -> bool:
        return self._clock() >= self._until


async def wake_agent(session: Session, agent: str, seconds: float) -> None:
    """Have an agent get a process, and wait for it, for `seconds` at most (0: do not wait)."""
    terminal, patience = Terminal(), _Patience(seconds)
    places = Places(agent, terminal.note)
    before = await known_agent(session, agent)
    live = await session.client.wake(agent)
    if before["residency"] == live["residency"] == "resident":
        back = f"{_leaves(live)} and comes back then" if live["leaving"] else "is resident already"
        terminal.note(f"{agent} {back}")
        return
    while live["residency"] != "resident" and live["epoch"] == before["epoch"]:
        if live["residency"] == "hibernated":
            raise RefusedError(f"{agent} does not wake: it is {live['state']} now")
        places.see(live)
        if not seconds:
            return
        if patience.is_over:
            raise TimedOutError(await _why_asleep(session, live, seconds))
        await asyncio.sleep(_LOOK_SECONDS)
        live = await session.client.agent(agent)
    left = live["residency"] != "resident"
    terminal.note(f"{agent} was resident and has left its pod again" if left else f"{agent} is resident")


async def hibernate_agent(session: Session, agent: str, seconds: float) -> None:
    """Have an agent's process leave, and wait until it has, for `seconds` at most (0: do not wait)."""
    terminal, patience = Terminal(), _Patience(seconds)
    before = await known_agent(session, agent)
    live = await session.client.hibernate(agent)
    if before["residency"] == live["residency"] == "hibernated":
        terminal.note(f"{agent} is hibernated already")
        return
    if live["residency"] == "resident" and (live["turn"] or not seconds):
        terminal.note(f"{agent} {_leaves(live)}")
    while live["residency"] == "resident" and live["epoch"] == before["epoch"]:
        if not seconds:
            return
        if patience.is_over:
            leaves = _leaves(live)
            raise TimedOutError(f"{agent} is still resident after {seconds:g} s; it {leaves}")
        await asyncio.sleep(_LOOK_SECONDS)
        live = await session.client.agent(agent)
    terminal.note(_hibernated(live, before["idleSeconds"]))


async def show_pool(session: Session, output: Output) -> None:
    """Print who has a process in the namespace, who waits for one, and what limits that."""
    terminal = Terminal()
    told = await session.client.pool()
    known, manifest = await _agent_pool(session)
    if terminal.document({"agentPool": manifest, "live": told}, output):
        return
    if not (manifest if known else told["maxRunning"] is not None):
        terminal.note(f"no AgentPool in namespace {session.namespace}: no limit")
    for part in pool_parts(told, manifest, time.time(), known=known):
        terminal.table(part)


def _leaves(live: dict[str, Any]) -> str:
    return f"leaves after its turn {live['turn']}" if live["turn"] else "was asked to leave its pod"


def _hibernated(live: dict[str, Any], idle_seconds: int | None) -> str:
    """Say how it ended, and what brings the agent back by itself."""
    agent = live["name"]
    back = ""
    if live["turn"]:
        back = "its turn is open"
    elif live["waiting"]:
        back = f"{live['waiting']} message{' waits' if live['waiting'] == 1 else 's wait'}"
    elif idle_seconds == 0:
        back = "its idleSeconds is 0"
    if not back:
        return f"{agent} is hibernated; the next message wakes it"
    place = f", {place_words(live['queue'])}" if live["queue"] else ""
    return f"{agent} gave up its process and comes back when there is room, since {back}{place}"


async def _why_asleep(session: Session, live: dict[str, Any], seconds: float) -> str:
    agent = live["name"]
    if live["queue"]:
        return (
            f"{agent} is still {place_words(live['queue'])} after {seconds:g} s; it wakes when a slot is free"
        )
    manifest = await manifest_of(session, agent)
    why = (why_not_ready(manifest) if manifest else "") or "is the operator running?"
    return f"{agent} has no process after {seconds:g} s; {why}"


async def _agent_pool(session: Session) -> tuple[bool, dict[str, Any] | None]:
    """Read the AgentPool; whether it can be known at all, and what it is (None: there is none)."""
    if session.kube is None:
        return False, None
    # Only needed on the way that has loaded the Kubernetes client already.
    from horos.proxy import read_agent_pool  # noqa: PLC0415

    try:
        return True, await read_agent_pool(session.kube, session.namespace)
    except HorosError:
        return False, None
