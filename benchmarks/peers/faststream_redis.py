"""FastStream on Redis: stream subscribers in a consumer group, requests by `broker.request`."""

import logging

from faststream.redis import RedisBroker, StreamSub

from benchmarks.peers.parts import Bodies, Handle, Peer, ask_each, main

SECONDS = 30.0


class FastStreamRedis(Peer):
    async def open(self, address: str) -> None:
        self._broker = RedisBroker(address, logger=None, log_level=logging.WARNING)
        await self._broker.start()

    async def serve(self, agent: str, handle: Handle) -> None:
        async def step(body: str) -> None:
            for to, onward in handle(body):
                await self.send(to, onward)

        subscriber = self._broker.subscriber(stream=StreamSub(agent, group="group", consumer="one"))
        subscriber(step)
        await subscriber.start()

    async def send(self, to: str, body: str) -> None:
        await self._broker.publish(body, stream=to)

    async def answer(self, agent: str) -> None:
        async def step(body: str) -> str:
            return body

        stream = StreamSub(agent, group="group", consumer="one")
        subscriber = self._broker.subscriber(stream=stream, max_workers=32)
        subscriber(step)
        await subscriber.start()

    async def ask(self, asker: str, to: str, bodies: Bodies) -> list[float]:
        async def one(body: str) -> None:
            await self._broker.request(body, stream=to, timeout=SECONDS)

        return await ask_each(one, bodies)


if __name__ == "__main__":
    main(FastStreamRedis)
