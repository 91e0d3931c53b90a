"""What the tests of the bus share: short ways to make agents, messages and records, and to look."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from horos_api.events import Event
from horos_api.mentions import Wake
from horos_api.messages import Message, MessageKind, NewMessage, SendOutcome
from horos_bus.agent_view import AgentView
from horos_bus.approvals import CallToApprove
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.group_reading import GroupReading
from horos_bus.group_records import GroupPost, NewPost, Posted
from horos_bus.group_service import GroupService
from horos_bus.message_service import MessageService
from horos_bus.operating import OrderKind
from horos_bus.records import Effect, Ending, Identity, Leave, Next, Turn, Usage
from horos_bus.sender import send

_tokens = itertools.count(1)


def record(role: str, content: str, **more: object) -> bytes:
    """Build one record of a context."""
    return orjson.dumps({"role": role, "content": content, **more})


def user(message: Message) -> bytes:
    """Build the user record of an input."""
    return record("user", message.body, mid=message.mid)


def tool_result(call: str, content: str) -> bytes:
    """Build the result of a tool call."""
    return record("tool", content, tool_call_id=call)


def sending(
    to: str, body: str = "psst", kind: MessageKind = MessageKind.NOTICE, delay_seconds: int = 0
) -> Effect:
    """Build the effect of a `send`, with results that name the outcome."""
    outcomes = ("OK", "FULL", "NOAGENT", "LIMIT", "LOOP", "RATE")
    results = {outcome: tool_result("call-1", outcome) for outcome in outcomes}
    return Effect(
        to=to,
        thread="main",
        message_kind=kind,
        body=body,
        results=results,
        delay_seconds=delay_seconds,
    )


def asking(to: str, body: str = "?", delay_seconds: int = 0) -> Effect:
    """Build the effect of an `ask`."""
    return sending(to, body, MessageKind.REQUEST, delay_seconds)


def posting(
    group: str = "team", body: str = "hear", mentions: Sequence[str] = (), delay_seconds: int = 0
) -> Effect:
    """Build the effect of a post to a group, with results that name the outcome and whom it woke."""
    told = "%WOKEN% / %FULL% / %STRANGERS%"
    results = {
        outcome: tool_result("call-1", f"{outcome}: {told}")
        for outcome in ("OK", "OUTSIDE", "NOGROUP", "LOOP", "RATE")
    }
    return Effect(
        kind="post",
        to=group,
        body=body,
        results=results,
        mentions=tuple(mentions),
        delay_seconds=delay_seconds,
    )


def replying(mid: str, body: str = "early") -> Effect:
    """Build the effect of a `reply`."""
    results = {outcome: tool_result("call-1", outcome) for outcome in ("OK", "NOREQUEST")}
    return Effect(kind="reply", re=mid, body=body, results=results)


def ordering(name: str, kind: OrderKind = OrderKind.CREATE_AGENT, body: str = "{}") -> Effect:
    """Build the effect of an order to the operator."""
    results = {outcome: tool_result("call-1", outcome) for outcome in ("OK", "LIMIT", "NOAGENT")}
    return Effect(kind="order", order=kind, to=name, body=body, results=results)


async def kept(runtime: MessageService, thread: str = "main", start: int = 0) -> list[bytes]:
    """The records of a thread from an absolute index on."""
    return list((await runtime.stretch(thread, start)).records)


async def length(runtime: MessageService, thread: str = "main") -> int:
    """The absolute index of a thread's next record."""
    found = await runtime.stretch(thread)
    return found.start + len(found.records)


def calling(tool: str = "pay", seconds: int = 60, arguments: str = '{"to": []}') -> Effect:
    """Build the effect of a call that needs approval."""
    results = {outcome: tool_result("call-1", outcome) for outcome in ("OK", "LIMIT")}
    called = orjson.dumps({"id": "call-1", "function": {"name": tool, "arguments": arguments}}).decode()
    return Effect(
        kind="approve", body=called, results=results, approve=CallToApprove(tool, arguments, seconds)
    )


def turn_of(found: Next) -> Turn:
    """Narrow to a turn."""
    assert isinstance(found, Turn), found
    return found


def leave_of(found: Next) -> Leave:
    """Narrow to a request to leave."""
    assert isinstance(found, Leave), found
    return found


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Wait for a condition, asking again and again until the deadline."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.01)


@dataclass
class Stage:
    """One namespace as an operator, a person and runtimes see it."""

    bus: Bus

    @property
    def control(self) -> Control:
        """The operator's side."""
        return Control(self.bus)

    async def agent(self, name: str = "ada") -> str:
        """Create an agent; its uid is derived from its name."""
        assert await self.control.create(name, f"uid-{name}") == "OK"
        return name

    def runtime(self, name: str = "ada", token: str = "", bus: Bus | None = None) -> MessageService:
        """Make an incarnation that has not claimed yet."""
        token = token or f"token-{next(_tokens)}"
        return MessageService(bus or self.bus, Identity(name, f"uid-{name}", token))

    @property
    def groups(self) -> GroupService:
        """The groups of the namespace."""
        return GroupService(self.bus)

    async def group(
        self,
        name: str = "team",
        members: Sequence[str] = ("ada", "bob"),
        wake: Wake = Wake.MENTIONED,
        retain: int = 1000,
    ) -> str:
        """Project a group whose members are alive; its uid is derived from its name."""
        lives = {member: f"uid-{member}" for member in members}
        return await self.groups.put(name, f"uid-{name}", wake, retain, lives)

    async def post(
        self, mid: str, body: str = "hear", mentions: Sequence[str] = (), group: str = "team"
    ) -> Posted:
        """Post as a person."""
        return await self.groups.post(NewPost(group, mid, "eve", body, tuple(mentions)))

    async def log(self, group: str = "team") -> list[GroupPost]:
        """All posts of a group that are kept."""
        return await self.groups.read(group)

    def reading(self, name: str = "ada", token: str = "") -> GroupReading:
        """What an incarnation reads of groups."""
        return GroupReading(self.bus, Identity(name, f"uid-{name}", token))

    async def resident(self, name: str = "ada", token: str = "") -> MessageService:
        """Create an agent and claim it."""
        await self.agent(name)
        runtime = self.runtime(name, token)
        await runtime.claim(None)
        return runtime

    async def say(self, mid: str, to: str = "ada", body: str = "", **more: Any) -> SendOutcome:
        """Send a person's message."""
        return await send(self.bus, NewMessage(to=to, mid=mid, body=body or f"body of {mid}", **more))

    async def events(self, name: str = "ada") -> list[Event]:
        """All events in the agent's stream."""
        entries = await self.bus.command("XRANGE", self.bus.keys.events(name), "-", "+")
        return [orjson.loads(values[b"e"]) for _, values in entries]

    async def told(self, name: str = "ada") -> list[str]:
        """The events in short: type, or the name of a CUSTOM one, with the state of a STATE_SNAPSHOT."""
        return [_in_short(event) for event in await self.events(name)]

    async def view(self, name: str = "ada") -> AgentView:
        """Look at an agent that exists."""
        seen = await self.control.view(name)
        assert seen is not None
        return seen

    async def now(self) -> float:
        """The clock of Redis, as exactly as scripts write it."""
        seconds, microseconds = await self.bus.command("TIME")
        return (int(seconds) * 1000 + int(microseconds) // 1000) / 1000

    async def in_work(self) -> list[str]:
        """Names of those that need a process, the one waiting longest first."""
        return [waiting.agent for waiting in await self.control.work()]

    async def rings(self) -> list[str]:
        """Names in the doorbell's stream."""
        entries = await self.bus.command("XRANGE", self.bus.keys.doorbell, "-", "+")
        return [values[b"a"].decode() for _, values in entries]

    async def contents(self) -> dict[str, object]:
        """Everything that lies under the namespace's prefix."""
        return {name: await _content(self.bus, name) for name in await self.key_names()}

    async def waiting(self, name: str = "ada") -> int:
        """How many messages lie in an inbox."""
        return int(await self.bus.command("XLEN", self.bus.keys.inbox(name)))

    async def state_fields(self, name: str = "ada") -> list[str]:
        """Names of the fields of an agent's state."""
        return [field.decode() for field in await self.bus.command("HKEYS", self.bus.keys.state(name))]

    async def later(self) -> list[tuple[bytes, bytes]]:
        """What waits for its time, with that time (ms), the soonest first."""
        found = await self.bus.command("ZRANGE", self.bus.keys.later, 0, -1, "WITHSCORES")
        return list(zip(found[::2], found[1::2], strict=True))

    async def time_comes(self, kind: bytes = b"") -> None:
        """Let the time of everything in `later` come that begins like this: delays (`due `), deadlines."""
        for entry, _ in await self.later():
            if entry.startswith(kind):
                await self.bus.command("ZADD", self.bus.keys.later, 1, entry)
        await self.control.work_off_later()

    async def key_names(self) -> list[str]:
        """Every key of the namespace."""
        found = await self.bus.command("KEYS", self.bus.prefix.replace("{", "[{]") + "*")
        return sorted(name.decode() for name in found)


async def answer(
    runtime: MessageService, turn: Turn, body: str = "answer", usage: Usage | None = None
) -> Next:
    """Commit a turn with one record for each input and the answer."""
    entries = [*map(user, turn.inputs), record("assistant", body)]
    ix = turn.base + len(turn.journal)
    return await runtime.commit(turn.id, ix, entries, Ending(text=body), usage or Usage())


def _in_short(event: Event) -> str:
    if event["type"] == "CUSTOM":
        return str(event["name"])
    if event["type"] == "STATE_SNAPSHOT":
        return f"state {event['snapshot']['state']}"
    return str(event["type"])


async def _content(bus: Bus, name: str) -> object:
    kind = await bus.command("TYPE", name)
    match kind:
        case b"hash":
            return await bus.command("HGETALL", name)
        case b"list":
            return await bus.command("LRANGE", name, 0, -1)
        case b"zset":
            return await bus.command("ZRANGE", name, 0, -1, "WITHSCORES")
        case b"stream":
            groups = await bus.command("XINFO", "GROUPS", name)
            return await bus.command("XRANGE", name, "-", "+"), groups
    return await bus.command("GET", name)
