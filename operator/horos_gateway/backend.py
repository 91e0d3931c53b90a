"""What the routes do on the bus: look at agents, hand in messages, read replies and records."""

import time
from collections.abc import Callable
from typing import Any

import orjson

from horos_api.agent_state import AgentState
from horos_api.messages import NewMessage, SendOutcome
from horos_api.names import INBOX_CAP, key_prefix
from horos_api.resources import OperatingMode
from horos_api.server_report import read_report
from horos_bus.agent_view import AgentView
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.event_stream import EventStream
from horos_bus.group_service import GroupService
from horos_bus.operating import Place
from horos_bus.sender import reply, send
from horos_gateway.agent_bodies import agent_body, agent_fields, dead_letter_body, inbox_body
from horos_gateway.bodies import (
    AcceptedBody,
    AgentDetailBody,
    AgentListBody,
    CancelledBody,
    DeadLettersBody,
    InboxBody,
    MessageBody,
    OrderedBody,
    RecordsBody,
    ReplyBody,
)
from horos_gateway.budget_bodies import budget_body
from horos_gateway.event_hub import Stream, Topic
from horos_gateway.group_stream import GroupStream
from horos_gateway.inputs import Span
from horos_gateway.problems import (
    InboxFullError,
    NeverAnsweredError,
    NoReplyYetError,
    NotFoundError,
    NoTurnError,
    TerminatedError,
)
from horos_gateway.server_bodies import ServersBody, servers_body
from horos_gateway.stored_config import StoredConfig, read_config


class Backend:
    """All namespaces of one install, over one connection pool. Every method may raise BusError.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, bus: Bus, install: str, clock: Callable[[], float] = time.time) -> None:
        self._bus = bus
        self._install = install
        self._clock = clock

    async def ping(self) -> None:
        """Raise BusUnavailableError unless Redis answers."""
        await self._bus.ping()

    def control(self, namespace: str) -> Control:
        """What can be read and ordered of a namespace's agents."""
        return Control(self._at(namespace))

    def event_stream(self, namespace: str) -> EventStream:
        """The events of a namespace's agents."""
        return EventStream(self._at(namespace))

    def group_service(self, namespace: str) -> GroupService:
        """What can be said in and read of a namespace's groups."""
        return GroupService(self._at(namespace))

    def stream_of(self, topic: Topic) -> Stream:
        """Where the events of an agent, or the messages of a group, are read."""
        if topic.is_group:
            return GroupStream(self.group_service(topic.namespace))
        return self.event_stream(topic.namespace)

    async def agents(self, namespace: str) -> AgentListBody:
        """All agents of the namespace by name; none when there is no such namespace."""
        control = self.control(namespace)
        views = await control.views(sorted(await control.agents()))
        places = places_of(await control.queue())
        return AgentListBody(items=[agent_body(view, places.get(name)) for name, view in views.items()])

    async def agent(self, namespace: str, name: str) -> AgentDetailBody:
        """One agent with its threads; raises NotFoundError."""
        newest = await self.event_stream(namespace).last_id(name)
        view = await self.view(namespace, name)
        control = self.control(namespace)
        config = await self._config(namespace, name)
        return AgentDetailBody(
            **agent_fields(view, await control.place(name)),
            threads=await control.threads(name),
            budget=budget_body(config.spec.budget, view.usage, self._clock()),
            idle_seconds=config.idle_seconds,
            newest=newest,
        )

    async def send(self, namespace: str, name: str, mid: str, message: MessageBody) -> AcceptedBody:
        """Hand in a message once for each `mid`; raises NotFoundError and InboxFullError."""
        bus = self._at(namespace)
        after = await self.event_stream(namespace).last_id(name)
        wanted = NewMessage(
            to=name,
            body=message.text,
            mid=mid,
            thread=message.thread,
            delay_seconds=message.delay_seconds,
        )
        outcome = await send(bus, wanted)
        if outcome is SendOutcome.NO_AGENT:
            refuse_terminated(await self.view(namespace, name))
            raise no_agent(namespace, name)
        if outcome is SendOutcome.FULL:
            raise InboxFullError(
                f"{INBOX_CAP} messages wait for agent {name}; try again with the same Idempotency-Key",
                headers={"retry-after": "5"},
            )
        return AcceptedBody(id=mid, thread=message.thread, duplicate=outcome is SendOutcome.DUP, after=after)

    async def cancel(self, namespace: str, name: str, run_id: str) -> CancelledBody:
        """End a turn now, the open one if none is named; raises NotFoundError and NoTurnError."""
        view = await self.view(namespace, name)
        wanted = run_id or view.turn
        if not wanted:
            raise NoTurnError(f"agent {name} has no open turn: there is nothing to cancel")
        if await self.control(namespace).cancel(name, wanted) != "OK":
            raise NoTurnError(f"turn {wanted} of agent {name} is not open (any more)", "runId")
        return CancelledBody(run_id=wanted)

    async def order(self, namespace: str, name: str, mode: OperatingMode) -> OrderedBody:
        """Have the operator write the operating mode into the spec; raises NotFoundError, TerminatedError."""
        view = await self.view(namespace, name)
        if mode is not OperatingMode.TERMINATED:
            refuse_terminated(view)
        await self.control(namespace).order(name, view.uid, mode)
        return OrderedBody(name=name, operating_mode=mode)

    async def dead_letters(self, namespace: str, name: str) -> DeadLettersBody:
        """What the agent has given up, the newest first; raises NotFoundError."""
        await self.view(namespace, name)
        found = await self.control(namespace).dead_letters(name)
        return DeadLettersBody(items=[dead_letter_body(each) for each in found])

    async def reply(self, namespace: str, name: str, mid: str) -> ReplyBody:
        """The reply to a message.

        Raises NoReplyYetError, NeverAnsweredError, or NotFoundError when nobody is there to reply.
        """
        ending = await reply(self._at(namespace), mid)
        if ending is None:
            await self.view(namespace, name)
            raise NoReplyYetError(f"agent {name} has not answered {mid}, or more than an hour ago")
        if ending.error:
            raise NeverAnsweredError(f"{ending.error}; nobody will answer this message")
        return ReplyBody(id=mid, text=ending.text)

    async def inbox(self, namespace: str, name: str) -> InboxBody:
        """What waits for an agent; raises NotFoundError."""
        await self.view(namespace, name)
        found = await self.control(namespace).inbox(name)
        return InboxBody(items=[inbox_body(each) for each in found])

    async def servers(self, namespace: str, name: str) -> ServersBody:
        """How the agent's tool servers are, as its process reported last; raises NotFoundError."""
        view = await self.view(namespace, name)
        report = read_report(await self.control(namespace).servers(name))
        configured = (await self._config(namespace, name)).spec.servers
        return servers_body(report, configured, resident=bool(view.holder), now=self._clock())

    async def records(self, namespace: str, name: str, thread: str, span: Span) -> RecordsBody:
        """Part of a thread's records; raises NotFoundError."""
        control, stream = self.control(namespace), self.event_stream(namespace)
        # In this order: a turn that was open at the first look is in the records when the second finds none.
        after = await stream.last_id(name)
        view = await self.view(namespace, name)
        if view.turn and view.thread == thread:
            after = await stream.place_before(name, view.turn)
        if thread not in await control.threads(name):
            raise NotFoundError(f"agent {name} has no thread {thread}", "thread")
        wanted = span.within(await control.length(name, thread))
        found = await control.stretch(name, thread, wanted.start, len(wanted))
        items: list[dict[str, Any]] = [orjson.loads(record) for record in found.records]
        return RecordsBody(start=found.start, next=found.start + len(items), after=after, items=items)

    async def newest_event(self, namespace: str, name: str) -> str:
        """The id of an agent's newest event, '0-0' when there is none yet; raises NotFoundError."""
        await self.view(namespace, name)
        return await self.event_stream(namespace).last_id(name)

    async def view(self, namespace: str, name: str) -> AgentView:
        """Look at one agent as the bus knows it; raises NotFoundError."""
        view = await self.control(namespace).view(name)
        if view is None:
            raise no_agent(namespace, name)
        return view

    async def _config(self, namespace: str, name: str) -> StoredConfig:
        bus = self._at(namespace)
        return read_config(await bus.command("GET", bus.keys.config(name)))

    def _at(self, namespace: str) -> Bus:
        return self._bus.at(key_prefix(self._install, namespace))


def places_of(queue: list[str]) -> dict[str, Place]:
    """Number the agents of a queue."""
    return {name: Place(place, len(queue)) for place, name in enumerate(queue, 1)}


def no_agent(namespace: str, name: str) -> NotFoundError:
    """Build the problem of an agent that the bus does not know."""
    return NotFoundError(f"there is no agent {name} in namespace {namespace}", "name")


def refuse_terminated(view: AgentView) -> None:
    """Raise TerminatedError for an agent that is over."""
    if view.state is AgentState.TERMINATED:
        raise TerminatedError(f"agent {view.name} was terminated: it takes no messages and no orders", "name")
