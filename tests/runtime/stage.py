"""What the tests of the runtime share: agents with the scripted model, runtimes in tasks and processes."""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from horos_api.events import Event
from horos_api.messages import NewMessage, SendOutcome
from horos_api.names import Env
from horos_api.resources import AgentSpec, BudgetSpec, ModelSpec
from horos_bus.agent_view import AgentView
from horos_bus.connection import Bus, BusUnavailableError
from horos_bus.control import Control
from horos_bus.sender import reply, send
from horos_runtime.agent_config import StoredConfig
from horos_runtime.agent_runtime import AgentRuntime
from horos_runtime.pace import Backoff, Pace
from horos_runtime.settings import RuntimeSettings
from horos_runtime.tool_registry import ToolRegistry
from tests.model_fixtures import ScriptedModel

_numbers = itertools.count(1)
FAST = Pace(
    coalesce=0.005,
    grace=10.0,
    model=Backoff(0.01, 0.05),
    redis=Backoff(0.01, 0.1),
    error=Backoff(30.0, 300.0, jitter=False),
)
"""Tries again at once, except in state error, where the tests bring about what it waits for."""


PATIENCE = 60.0
"""So long a condition is waited for; only a test that fails waits so long, and a busy machine needs it."""


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """Wait for a condition, asking again and again until the deadline."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.01)


@dataclass
class Stage:
    """One namespace with a scripted model: the operator's, a person's and the test's side."""

    bus: Bus
    redis_url: str
    model: ScriptedModel
    key: str = "none"
    _generations: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def spec(self, instructions: str = "Be brief.", **budget: int) -> AgentSpec:
        """Build a spec that points at the scripted model."""
        return AgentSpec(
            instructions=instructions,
            model=ModelSpec(name="scripted", base_url=self.model.base_url),
            budget=BudgetSpec(**budget),
        )

    async def agent(self, name: str = "ada", spec: AgentSpec | None = None, idle_seconds: int = 0) -> None:
        """Create an agent, as the operator does."""
        assert await Control(self.bus).create(name, f"uid-{name}") == "OK"
        await self.configure(name, spec or self.spec(), idle_seconds)

    async def configure(self, name: str, spec: AgentSpec, idle_seconds: int = 0) -> None:
        """Project a spec, as the operator does after an edit."""
        generation = next(self._generations)
        text = StoredConfig(generation=generation, spec=spec, idle_seconds=idle_seconds).encoded()
        assert await Control(self.bus).configure(name, f"uid-{name}", generation, text) == "OK"

    def settings(self, name: str = "ada") -> RuntimeSettings:
        """Build the settings of one more incarnation."""
        return RuntimeSettings(
            agent=name,
            uid=f"uid-{name}",
            redis_url=self.redis_url,
            prefix=self.bus.prefix,
            token=f"token-{next(_numbers)}",
            model_api_key=self.key,
        )

    @contextlib.asynccontextmanager
    async def running(
        self,
        name: str = "ada",
        tools: ToolRegistry | None = None,
        pace: Pace = FAST,
        clock: Callable[[], float] = time.time,
        **settings: Any,
    ) -> AsyncIterator["Running"]:
        """Run an incarnation beside the test; it is stopped and must end cleanly."""
        runtime = AgentRuntime(replace(self.settings(name), **settings), tools, pace, clock)
        async with asyncio.TaskGroup() as group:
            running = Running(runtime, group.create_task(runtime.run()))
            yield running
            runtime.stop()

    @contextlib.asynccontextmanager
    async def process(
        self, name: str, *command: str, stderr: int | None = None
    ) -> AsyncIterator["asyncio.subprocess.Process"]:
        """Run an incarnation as a process of its own; it is killed if it still runs at the end."""
        settings = self.settings(name)
        environment = os.environ | {
            Env.AGENT: name,
            Env.UID: settings.uid,
            Env.TOKEN: settings.token,
            Env.REDIS_URL: self.redis_url,
            Env.PREFIX: self.bus.prefix,
            Env.MODEL_API_KEY: self.key,
        }
        words = command or ("-m", "horos_runtime")
        child = await asyncio.create_subprocess_exec(
            sys.executable, *words, env=environment, cwd=Path(__file__).parent.parent.parent, stderr=stderr
        )
        try:
            yield child
        finally:
            if child.returncode is None:
                child.send_signal(signal.SIGKILL)
                await child.wait()

    async def say(self, text: str, to: str = "ada", thread: str = "main") -> str:
        """Send a person's request; returns its id."""
        mid = f"mid-{next(_numbers)}"
        assert await send(self.bus, NewMessage(to=to, body=text, mid=mid, thread=thread)) == SendOutcome.OK
        return mid

    async def answer(self, mid: str, seconds: float = PATIENCE) -> str:
        """Wait for the reply to a person's request."""
        found: list[str] = []

        async def there() -> bool:
            with contextlib.suppress(BusUnavailableError):
                if (ending := await reply(self.bus, mid)) is not None:
                    found.append(ending.text)
            return bool(found)

        await until(there, seconds)
        return found[0]

    async def refusal(self, mid: str) -> str:
        """Wait for the end of a person's request that is no answer; returns why."""
        await self.answer(mid)
        ending = await reply(self.bus, mid)
        assert ending is not None
        return ending.error

    async def ask(self, text: str, to: str = "ada", thread: str = "main") -> str:
        """Send a request and wait for the reply."""
        return await self.answer(await self.say(text, to, thread))

    async def view(self, name: str = "ada") -> AgentView:
        """Look at the agent as the operator does."""
        view = await Control(self.bus).view(name)
        assert view is not None
        return view

    async def becomes(self, state: str, name: str = "ada") -> AgentView:
        """Wait until the agent is in a state."""

        async def there() -> bool:
            return (await self.view(name)).state == state

        await until(there)
        return await self.view(name)

    async def records(self, name: str = "ada", thread: str = "main") -> list[dict[str, Any]]:
        """Everything in the context of a thread."""
        entries = await self.bus.command("LRANGE", self.bus.keys.context(name, thread), 0, -1)
        return [orjson.loads(entry) for entry in entries]

    async def events(self, name: str = "ada") -> list[Event]:
        """All events in the agent's stream."""
        entries = await self.bus.command("XRANGE", self.bus.keys.events(name), "-", "+")
        return [orjson.loads(values[b"e"]) for _, values in entries]

    async def shows(self, fits: Callable[[Event], bool], name: str = "ada", count: int = 1) -> Event:
        """Wait until so many events fit; returns the last of them."""
        found: list[Event] = []

        async def there() -> bool:
            found[:] = [event for event in await self.events(name) if fits(event)]
            return len(found) >= count

        await until(there)
        return found[-1]


@dataclass
class Running:
    """A runtime at work in a task of the test."""

    runtime: AgentRuntime
    task: "asyncio.Task[int]"

    async def ends(self, seconds: float = PATIENCE) -> int:
        """Wait for its end; returns the exit code."""
        return await asyncio.wait_for(self.task, seconds)


def shown_text(events: list[Event], message_id: str) -> str:
    """What a watcher has on the screen of one message, who follows `discard`."""
    text = ""
    for event in events:
        if event["type"] == "TEXT_MESSAGE_CONTENT" and event["messageId"] == message_id:
            text += event["delta"]
        elif event["type"] == "CUSTOM" and event["name"] == "discard":
            text = "" if event["value"]["messageId"] == message_id else text
    return text


def custom(name: str) -> Callable[[Event], bool]:
    """Match CUSTOM events of a name."""
    return lambda event: event["type"] == "CUSTOM" and event["name"] == name
