"""Bare Redis streams: XADD, XREADGROUP BLOCK, XACK. No fence, no journal, nobody's turn."""

import asyncio
import uuid
from collections.abc import Callable
from typing import TypeAlias, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from benchmarks.peers.parts import Bodies, Handle, Peer, ask_each, main

Fields: TypeAlias = dict[bytes, bytes]


class BareRedis(Peer):
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, address: str) -> None:
        self._client = Redis.from_url(address, protocol=2, socket_timeout=None, max_connections=1000)

    async def serve(self, agent: str, handle: Handle) -> None:
        def step(pipe: Pipeline, fields: Fields) -> None:
            for to, body in handle(fields[b"body"].decode()):
                pipe.xadd(to, {"body": body})

        await self._consume(agent, step)

    async def send(self, to: str, body: str) -> None:
        await self._client.xadd(to, {"body": body})

    async def answer(self, agent: str) -> None:
        def step(pipe: Pipeline, fields: Fields) -> None:
            pipe.xadd(fields[b"to"].decode(), {"re": fields[b"id"], "body": fields[b"body"]})

        await self._consume(agent, step)

    async def ask(self, asker: str, to: str, bodies: Bodies) -> list[float]:
        open_ones: dict[str, asyncio.Future[bytes]] = {}

        def step(_: Pipeline, fields: Fields) -> None:
            open_ones.pop(fields[b"re"].decode()).set_result(fields[b"body"])

        async def one(body: str) -> None:
            mid = uuid.uuid4().hex
            answered = open_ones[mid] = asyncio.get_running_loop().create_future()
            await self._client.xadd(to, {"id": mid, "to": asker, "body": body})
            await answered

        await self._consume(asker, step)
        return await ask_each(one, bodies)

    async def _consume(self, agent: str, step: Callable[[Pipeline, Fields], None]) -> None:
        """Begin to read; what a batch causes goes out with its acknowledgement, in one round trip."""

        async def loop() -> None:
            while True:
                answer = await self._client.xreadgroup("group", "one", {agent: ">"}, count=100, block=10_000)
                for _, entries in cast(list[tuple[bytes, list[tuple[bytes, Fields]]]], answer):
                    pipe = self._client.pipeline(transaction=False)
                    for _, fields in entries:
                        step(pipe, fields)
                    pipe.xack(agent, "group", *(entry for entry, _ in entries))
                    await pipe.execute()

        await self._client.xgroup_create(agent, "group", "0", mkstream=True)
        self._tasks.add(asyncio.create_task(loop()))


if __name__ == "__main__":
    main(BareRedis)
