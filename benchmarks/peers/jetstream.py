"""NATS JetStream: file storage, one durable consumer for each agent, every message acknowledged.

Replies go through the stream too: a request's answer is to be as durable as the request.
"""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable

import nats
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, StorageType, StreamConfig

from benchmarks.peers.parts import Bodies, Handle, Peer, ask_each, main

STREAM = "agents"


class JetStream(Peer):
    async def open(self, address: str) -> None:
        self._client = await nats.connect(address)
        self._stream = self._client.jetstream()
        await self._stream.add_stream(
            StreamConfig(name=STREAM, subjects=[f"{STREAM}.*"], storage=StorageType.FILE)
        )

    async def serve(self, agent: str, handle: Handle) -> None:
        async def step(message: Msg) -> None:
            for to, body in handle(message.data.decode()):
                await self.send(to, body)

        await self._consume(agent, step)

    async def send(self, to: str, body: str) -> None:
        await self._stream.publish(f"{STREAM}.{to}", body.encode())

    async def answer(self, agent: str) -> None:
        async def step(message: Msg) -> None:
            asked = json.loads(message.data)
            await self.send(asked["to"], json.dumps({"re": asked["id"], "body": asked["body"]}))

        await self._consume(agent, step)

    async def ask(self, asker: str, to: str, bodies: Bodies) -> list[float]:
        open_ones: dict[str, asyncio.Future[str]] = {}

        async def step(message: Msg) -> None:
            answer = json.loads(message.data)
            open_ones.pop(answer["re"]).set_result(answer["body"])

        async def one(body: str) -> None:
            mid = uuid.uuid4().hex
            answered = open_ones[mid] = asyncio.get_running_loop().create_future()
            await self.send(to, json.dumps({"id": mid, "to": asker, "body": body}))
            await answered

        await self._consume(asker, step)
        return await ask_each(one, bodies)

    async def _consume(self, agent: str, step: Callable[[Msg], Awaitable[None]]) -> None:
        """Begin to handle what comes, several at a time: none waits for the acknowledgement of another."""
        running = asyncio.Semaphore(32)
        tasks: set[asyncio.Task[None]] = set()

        async def one(message: Msg) -> None:
            async with running:
                await step(message)
                await message.ack()

        async def came(message: Msg) -> None:
            task = asyncio.create_task(one(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT)
        subject = f"{STREAM}.{agent}"
        await self._stream.subscribe(subject, durable=agent, cb=came, manual_ack=True, config=config)


if __name__ == "__main__":
    main(JetStream)
