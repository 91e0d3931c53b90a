"""Many Agents at once: made, waited for and spoken to from one process that does little else."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from tests.simulator.world import World, agent_manifest

from horos_api.messages import NewMessage, SendOutcome
from horos_api.names import API_VERSION, POOL, key_prefix
from horos_bus.connection import Bus
from horos_bus.sender import send
from horos_operator.kube.connection import MERGE_PATCH, KubeConnection, KubeError

AT_ONCE: Final = 32
T = TypeVar("T")
Agent = tuple[str, str]
"""Namespace and name."""


async def all_of(what: Callable[[T], Awaitable[object]], each: Iterable[T], at_once: int = AT_ONCE) -> None:
    """Do it for each, so many at once."""
    left = iter(each)

    async def work() -> None:
        for one in left:
            await what(one)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(work())


async def create(agents: Sequence[Agent], **spec: Any) -> float:
    """Create Agents for fake nodes; returns the seconds it took."""
    connection = await KubeConnection.open()
    begun = time.monotonic()

    async def one(agent: Agent) -> None:
        namespace, name = agent
        path = f"/apis/{API_VERSION}/namespaces/{namespace}/agents"
        try:
            await connection.request("POST", path, agent_manifest(namespace, name, **spec))
        except KubeError as error:
            if error.reason != "AlreadyExists":
                raise

    try:
        await all_of(one, agents)
    finally:
        await connection.aclose()
    return time.monotonic() - begun


async def create_pools(world: World, max_running: int, **spec: Any) -> None:
    """Give each namespace a pool."""
    connection = await KubeConnection.open()
    try:
        for namespace in world.names:
            pool = {
                "apiVersion": API_VERSION,
                "kind": "AgentPool",
                "metadata": {"name": POOL, "namespace": namespace},
                "spec": {"maxRunning": max_running, **spec},
            }
            await connection.request("POST", f"/apis/{API_VERSION}/namespaces/{namespace}/agentpools", pool)
    finally:
        await connection.aclose()


async def resize_pools(world: World, max_running: int, **spec: Any) -> None:
    """Change how many may run in each namespace, and what else is given."""
    connection = await KubeConnection.open()
    try:
        for namespace in world.names:
            path = f"/apis/{API_VERSION}/namespaces/{namespace}/agentpools/{POOL}"
            changed = {"spec": {"maxRunning": max_running, **spec}}
            await connection.request("PATCH", path, changed, MERGE_PATCH)
    finally:
        await connection.aclose()


class Buses:
    """The bus of each namespace of a world, over the same connections."""

    def __init__(self, world: World) -> None:
        self._first = world.bus(world.names[0])
        self._of = {name: self._first.at(key_prefix(world.name, name)) for name in world.names}

    def __getitem__(self, namespace: str) -> Bus:
        return self._of[namespace]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._first.aclose()

    async def ask(self, agent: Agent, mid: str) -> None:
        """Send a request; raises RuntimeError when it is not taken."""
        namespace, name = agent
        message = NewMessage(to=name, mid=mid, body="Are you there?", kind="request")
        outcome = await send(self._of[namespace], message)
        if outcome not in {SendOutcome.OK, SendOutcome.DUP}:
            raise RuntimeError(f"{namespace}/{name} does not take a message: {outcome}")

    async def answered(self, agents: Sequence[Agent], mid: Callable[[Agent], str]) -> int:
        """How many have answered the request with this id."""
        found = 0
        for namespace, bus in self._of.items():
            keys = [bus.keys.reply(mid(agent)) for agent in agents if agent[0] == namespace]
            if keys:
                found += int(await bus.command("EXISTS", *keys))
        return found


async def until(what: str, probe: Callable[[], Awaitable[bool]], seconds: float, every: float = 0.5) -> float:
    """Ask again and again; returns the seconds it took. Raises TimeoutError with `what`."""
    begun = time.monotonic()
    while not await probe():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(every)
    return time.monotonic() - begun
