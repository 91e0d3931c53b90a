"""A LocalOperator with real agents' processes, a Redis of this machine and a scripted model."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from horos_api.messages import MessageKind, NewMessage
from horos_api.names import key_prefix
from horos_bus.agent_view import AgentView
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_operator.local.operator import LocalOperator, local_settings
from horos_runtime.local import ask
from tests.model_fixtures import ScriptedModel
from tests.redis_fixtures import RedisProcess

PATIENCE = 120.0
"""Seconds until a test gives up; nothing waits for them when all goes well."""


async def eventually(what: str, holds: Callable[[], Any]) -> Any:
    """Wait until a condition holds, and return what it said."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                found = holds()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"after {PATIENCE:.0f} s still not: {what}")


def agent(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "horos.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name}, "spec": spec}


def pool(limit: int, **spec: Any) -> dict[str, Any]:
    metadata, spec = {"name": "default"}, {"maxRunning": limit, **spec}
    return {"apiVersion": "horos.dev/v1alpha1", "kind": "AgentPool", "metadata": metadata, "spec": spec}


def children(process: int) -> set[int]:
    """The numbers of the processes that this one has begun and that have not ended."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    found = {int(number) for task in tasks for number in task.read_text().split()}
    return {number for number in found if _state(number) not in "ZX"}


def agents_processes(process: int) -> set[int]:
    """Those of its children that are agents."""
    return {number for number in children(process) if b"horos_operator.local.child" in _command(number)}


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


class Ground:
    """Where a test's operators run, one after the other: a folder, and keys that no other test uses."""

    def __init__(self, folder: Path, redis_url: str, model: ScriptedModel) -> None:
        self.folder = folder
        self.redis_url = redis_url
        self.model = model
        self.install = f"local-{uuid.uuid4().hex[:8]}"

    @property
    def settings(self) -> Any:
        model = {"model_name": "scripted", "model_base_url": self.model.base_url}
        return local_settings(self.redis_url, install=self.install, **model)

    def bus(self) -> Bus:
        """The agents' messages without an operator; whoever opens it closes it."""
        return Bus.open(self.redis_url, key_prefix(self.install, "default"))

    @asynccontextmanager
    async def operator(self, **environment: str) -> AsyncIterator["Stage"]:
        """An operator on the ground, until the block ends."""
        machine = {**os.environ, **environment}
        async with LocalOperator(self.settings, self.folder, environment=machine) as operator:
            yield Stage(operator)


class Stage:
    """One operator, and what a test does with its agents."""

    def __init__(self, operator: LocalOperator, namespace: str = "default") -> None:
        self.operator = operator
        self.bus = operator.bus(namespace)
        self.control = Control(self.bus)

    async def ask(self, name: str, text: str) -> str:
        """Send a request, as soon as the bus knows the agent, and wait for its reply."""
        await self.view(name)
        message = NewMessage(to=name, mid=uuid.uuid4().hex, kind=MessageKind.REQUEST, body=text)
        async with asyncio.timeout(PATIENCE):
            return await ask(self.bus, message, lambda: True)

    async def view(self, name: str) -> AgentView:
        """What the bus knows of an agent, once it does."""
        return await eventually(f"the bus knows {name}", lambda: self.control.view(name))

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        """A condition of an Agent as its status tells it; {} while it does not."""
        body = self.operator.object("Agent", "default", name) or {}
        conditions = (body.get("status") or {}).get("conditions") or ()
        return next((each for each in conditions if each["type"] == kind), {})

    async def pods(self) -> list[Any]:
        """Every pod that has not ended."""
        return [pod for pod in await self.operator.cluster.pods() if not pod.dead]


@pytest.fixture
def ground(tmp_path: Path, redis_server: RedisProcess, scripted_model: ScriptedModel) -> Ground:
    return Ground(tmp_path / "horos", redis_server.url, scripted_model)
