"""autogen-core over its gRPC runtime: each process a worker, all of them connected to one host.

One way is `publish_message` to the receiver's topic; a request is `send_message`, whose result is the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypeSubscription,
    message_handler,
    try_get_known_serializers_for_type,
)
from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime

from benchmarks.peers.parts import Bodies, Handle, Peer, ask_each, main


@dataclass
class Said:
    body: str


@dataclass
class Asked:
    body: str


class Worker(RoutedAgent):
    def __init__(self, peer: "AutogenGrpc", handle: Handle) -> None:
        super().__init__("worker")
        self._peer = peer
        self._handle = handle

    @message_handler
    async def said(self, message: Said, context: MessageContext) -> None:
        for to, body in self._handle(message.body):
            await self._peer.send(to, body)

    @message_handler
    async def asked(self, message: Asked, context: MessageContext) -> Asked:
        return message


class AutogenGrpc(Peer):
    async def open(self, address: str) -> None:
        self._runtime = GrpcWorkerAgentRuntime(host_address=address)
        for kind in (Said, Asked):
            self._runtime.add_message_serializer(try_get_known_serializers_for_type(kind))
        await self._runtime.start()

    async def serve(self, agent: str, handle: Handle) -> None:
        await Worker.register(self._runtime, agent, lambda: Worker(self, handle))
        await self._runtime.add_subscription(TypeSubscription(topic_type=agent, agent_type=agent))

    async def send(self, to: str, body: str) -> None:
        await self._runtime.publish_message(Said(body), TopicId(to, "default"))

    async def answer(self, agent: str) -> None:
        await self.serve(agent, lambda body: [])

    async def ask(self, asker: str, to: str, bodies: Bodies) -> list[float]:
        receiver = AgentId(to, "default")

        async def one(body: str) -> None:
            await self._runtime.send_message(Asked(body), receiver)

        return await ask_each(one, bodies)

    async def attend(self, group: str, members: list[str], heard: Callable[[str], None]) -> None:
        def handle(body: str) -> list[tuple[str, str]]:
            heard(body)
            return []

        for member in members:
            await Worker.register(self._runtime, member, lambda: Worker(self, handle))
            await self._runtime.add_subscription(TypeSubscription(topic_type=group, agent_type=member))

    async def post(self, group: str, body: str) -> None:
        await self.send(group, body)


if __name__ == "__main__":
    main(AutogenGrpc)
