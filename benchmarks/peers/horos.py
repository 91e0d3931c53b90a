"""horos: real turns of MessageService, journal and ending included, with a handler in the model's place."""

import asyncio
import uuid
from collections.abc import Callable

import orjson

from benchmarks.peers.parts import Bodies, Handle, Peer, age, main
from horos_api.mentions import Wake
from horos_api.messages import MessageKind, NewMessage
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.group_reading import GroupReading
from horos_bus.group_records import NewPost
from horos_bus.group_service import GroupService
from horos_bus.message_service import MessageService
from horos_bus.records import Effect, Ending, Identity, Next, Turn, Usage
from horos_bus.sender import send

PREFIX = "horos:bench:{bench}:"
UID = "uid"
USAGE = Usage(100, 10)
THREAD = "main"


def record(role: str, content: str, **more: str) -> bytes:
    return orjson.dumps({"role": role, "content": content, **more})


def written(turn: Turn) -> list[bytes]:
    return [record("user", message.body, mid=message.mid) for message in turn.inputs]


def sending(to: str, kind: MessageKind, body: str) -> Effect:
    results = {outcome: record("tool", outcome) for outcome in ("OK", "FULL", "NOAGENT", "LIMIT")}
    return Effect(to=to, thread=THREAD, message_kind=kind, body=body, results=results)


class Agent:
    """One agent held by this process, with its loop over turns as horos_runtime has it."""

    def __init__(self, bus: Bus, name: str) -> None:
        self.identity = Identity(name, UID, uuid.uuid4().hex)
        self.service = MessageService(bus, self.identity)
        self._found: object = None

    async def claim(self) -> None:
        await self.service.subscribe()
        await self.service.claim(None)
        self._found = await self.service.all_unread()

    async def turn(self) -> Turn:
        while not isinstance(self._found, Turn):
            await self.service.wait_for_wake(30)
            self._found = await self.service.all_unread()
        return self._found

    async def do(self, turn: Turn, effects: list[Effect], text: str) -> None:
        """One step with effects if there are any, and the end."""
        ix = turn.base + len(turn.journal)
        entries = written(turn)
        if effects:
            entries.append(record("assistant", "", tool_calls="send_message"))
            await self.service.append(turn.id, ix, entries, effects)
            ix += len(entries) + len(effects)
            entries = []
        entries.append(record("assistant", text))
        await self.finish(turn, ix, entries, text)

    async def finish(self, turn: Turn, ix: int, entries: list[bytes], text: str) -> Next:
        """Close the turn; the next one, if there is any, is held."""
        self._found = found = await self.service.commit(turn.id, ix, entries, Ending(text=text), USAGE)
        return found


class Horos(Peer):
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, address: str) -> None:
        self._bus = Bus.open(address, PREFIX)

    async def serve(self, agent: str, handle: Handle) -> None:
        claimed = await self._claimed(agent)

        async def loop() -> None:
            while True:
                turn = await claimed.turn()
                onward = [pair for message in turn.inputs for pair in handle(message.body)]
                await claimed.do(turn, [sending(to, MessageKind.NOTICE, body) for to, body in onward], "ok")

        self._tasks.add(asyncio.create_task(loop()))

    async def send(self, to: str, body: str) -> None:
        message = NewMessage(to=to, body=body, mid=uuid.uuid4().hex, kind=MessageKind.NOTICE, thread=THREAD)
        await send(self._bus, message)

    async def answer(self, agent: str) -> None:
        claimed = await self._claimed(agent)

        async def loop() -> None:
            while True:
                turn = await claimed.turn()
                await claimed.do(turn, [], turn.inputs[0].body)

        self._tasks.add(asyncio.create_task(loop()))

    async def ask(self, asker: str, to: str, bodies: Bodies) -> list[float]:
        """The asker is an agent too: each of its turns asks again for every answer that it took.

        The seconds of a request run from before the step that asks until the turn with its answer is there.
        """
        claimed = await self._claimed(asker)
        await self.send(asker, "begin")
        took: list[float] = []
        turn = await claimed.turn()
        wanted = bodies.in_flight
        count = bodies.left
        while True:
            asks = [bodies.next() for _ in range(min(wanted, bodies.left))]
            await claimed.do(turn, [sending(to, MessageKind.REQUEST, body) for body in asks], "asked")
            if len(took) == count:
                return took
            turn = await claimed.turn()
            took += [age(message.body) for message in turn.inputs]
            wanted = len(turn.inputs)

    async def attend(self, group: str, members: list[str], heard: Callable[[str], None]) -> None:
        """Everybody is woken by each message, reads the group, and has nothing to say."""

        async def loop(member: Agent, reading: GroupReading) -> None:
            while True:
                turn = await member.turn()
                for index, mention in enumerate(turn.inputs):
                    for post in (await reading.unread(mention, turn.inputs[:index])).posts:
                        heard(post.body)
                await member.do(turn, [], "")

        for name in members:
            member = await self._claimed(name)
            reading = GroupReading(self._bus, member.identity)
            self._tasks.add(asyncio.create_task(loop(member, reading)))
        lives = dict.fromkeys(members, UID)
        await GroupService(self._bus).put(group, UID, Wake.ALL, 1000, lives)

    async def post(self, group: str, body: str) -> None:
        await GroupService(self._bus).post(NewPost(group, uuid.uuid4().hex, "", body))

    async def _claimed(self, name: str) -> Agent:
        await Control(self._bus).create(name, UID)
        # What ends agents that never stop sending would end this measurement.
        raised = ("hops_limit", 10**9, "sends_limit", 10**9)
        await self._bus.command("HSET", self._bus.keys.state(name), *raised)
        agent = Agent(self._bus, name)
        await agent.claim()
        return agent


if __name__ == "__main__":
    main(Horos)
