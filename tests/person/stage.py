"""What the tests of the command share: an agent played over the real bus, and the command as a process."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
from typer.testing import CliRunner

from horos.cli import app
from horos_api import events
from horos_api.messages import MessageKind
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Effect, Ending, Identity, Turn, Usage

HOROS = Path(sys.executable).with_name("horos")
SECONDS = 30.0


class Agent:
    """A runtime whose every move the test makes: it takes turns, says things and answers."""

    def __init__(self, bus: Bus, name: str) -> None:
        self.name = name
        self.control = Control(bus)
        self._bus = bus
        self._uid = f"uid-{name}"
        self._messages = MessageService(bus, Identity(name, self._uid, f"token-{name}"))

    @property
    def runtime(self) -> MessageService:
        """The bus as the agent's process uses it."""
        return self._messages

    async def start(self) -> Self:
        """Create the agent and claim it."""
        await self.control.create(self.name, self._uid)
        await self._messages.subscribe()
        await self._messages.claim(None)
        return self

    async def end(self) -> None:
        """Close the wake connection."""
        await self._messages.unsubscribe()

    async def delete(self) -> None:
        """End the agent's life, as the operator does."""
        await self.control.delete(self.name, self._uid)

    async def turn(self) -> Turn:
        """Wait for a message and take it into a turn."""
        async with asyncio.timeout(SECONDS):
            while not isinstance(found := await self._messages.all_unread(), Turn):
                await self._messages.wait_for_wake(5)
        return found

    async def say(self, turn: Turn, *deltas: str, done: bool = True) -> str:
        """Stream a message of the open turn; returns its id."""
        message = f"{turn.id}/{turn.base + 1}"
        said = [events.text_start(message), *(events.text_delta(message, delta) for delta in deltas)]
        await self.emit(turn, *said, *([events.text_end(message)] if done else []))
        return message

    async def emit(self, turn: Turn, *happened: events.Event) -> None:
        """Publish events of the open turn."""
        await self._messages.emit(turn.id, happened)

    async def call_tool(self, turn: Turn, name: str, arguments: Mapping[str, Any], result: str) -> None:
        """Let the model ask for a tool and write its result down."""
        message, written = f"{turn.id}/{turn.base + 1}", orjson.dumps(arguments).decode()
        await self.emit(
            turn,
            events.tool_call_start("call-1", name, message),
            events.tool_call_args("call-1", written),
            events.tool_call_end("call-1"),
        )
        records = [
            *self._inputs(turn),
            orjson.dumps({"role": "assistant", "content": ""}),
            orjson.dumps({"role": "tool", "tool_call_id": "call-1", "content": result}),
        ]
        await self._messages.append(turn.id, turn.base, records)

    async def answer(self, turn: Turn, text: str, written: int = 0) -> None:
        """Commit the turn with one answer for all its requests; `written` records are there already."""
        records = [] if written else self._inputs(turn)
        records.append(orjson.dumps({"role": "assistant", "content": text}))
        await self._messages.commit(turn.id, turn.base + written, records, Ending(text=text), Usage(10, 5))

    async def give_up(self, turn: Turn, why: str) -> None:
        """Commit the turn with an error for everybody who asked."""
        records = self._inputs(turn)
        await self._messages.commit(turn.id, turn.base, records, Ending(error=why), Usage(10, 5))

    async def ask(self, turn: Turn, other: str) -> None:
        """Ask another agent, which is created for it and never answers by itself."""
        await self.control.create(other, f"uid-{other}")
        outcomes = {"OK": "asked", "FULL": "full", "NOAGENT": "gone", "LIMIT": "too many"}
        results = {
            outcome: orjson.dumps({"role": "tool", "tool_call_id": "call-1", "content": text})
            for outcome, text in outcomes.items()
        }
        effect = Effect(
            to=other, thread=turn.thread, message_kind=MessageKind.REQUEST, body="?", results=results
        )
        records = [*self._inputs(turn), orjson.dumps({"role": "assistant", "content": ""})]
        await self._messages.append(turn.id, turn.base, records, [effect])

    async def die(self) -> None:
        """Leave the open turn as a process does that is killed, and be the next one, which gives it up."""
        heir = MessageService(self._bus, Identity(self.name, self._uid, f"heir-of-{self.name}"))
        await heir.claim(None, max_attempts=1)

    async def fail(self, turn: Turn, reason: str, message: str) -> None:
        """Go into state error."""
        await self._messages.fail(turn.id, reason, message)

    def _inputs(self, turn: Turn) -> list[bytes]:
        return [orjson.dumps({"role": "user", "content": each.body, "mid": each.mid}) for each in turn.inputs]


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Running:
    """A `horos` process whose output is read while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out = ""
        self.err = ""

    @classmethod
    async def start(cls, *arguments: str, environment: Mapping[str, str]) -> Self:
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(
                HOROS, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(environment)
            )
        )

    async def until(self, text: str) -> None:
        """Read standard output until it has the text."""
        assert self.process.stdout
        async with asyncio.timeout(SECONDS):
            while text not in self.out:
                chunk = await self.process.stdout.read(4096)
                assert chunk, f"ended before {text!r}: {self.out!r} {await self.end()}"
                self.out += chunk.decode()

    async def says(self, text: str) -> None:
        """Read standard error until it has the text."""
        assert self.process.stderr
        async with asyncio.timeout(SECONDS):
            while text not in self.err:
                chunk = await self.process.stderr.read(4096)
                assert chunk, f"ended before {text!r}: {self.err!r} {await self.end()}"
                self.err += chunk.decode()

    async def type(self, text: str) -> None:
        """Write to standard input."""
        assert self.process.stdin
        self.process.stdin.write(text.encode())
        await self.process.stdin.drain()

    async def end(self, given: str | None = None) -> Done:
        """Wait for the end, with the rest of the input."""
        async with asyncio.timeout(SECONDS):
            out, err = await self.process.communicate(given.encode() if given is not None else None)
        assert self.process.returncode is not None
        return Done(self.process.returncode, self.out + out.decode(), self.err + err.decode())


def environment(**variables: str) -> dict[str, str]:
    """Build the environment of a command: no cluster, no gateway, no colours but what is said."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HOROS_") and name not in {"KUBECONFIG", "HOME", "KUBERNETES_SERVICE_HOST"}
    }
    return {**kept, "HOME": "/nonexistent", **variables}


async def horos(*arguments: str, given: str | None = None, **variables: str) -> Done:
    """Run the command to its end, within this process since a new one takes a second to start."""
    hidden = {name: None for name in os.environ if name not in environment()}
    env = {**hidden, **environment(**variables)}
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=given, env=env)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)
