"""Wakes agents by messages, over the gateway as a person does, and notes when what happened."""

import asyncio
import re
import uuid
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

import orjson

from benchmarks.cold.moments import Activation
from benchmarks.cold.pod_watch import PodWatch
from horos.client import GatewayClient, WatchedEvent
from horos_operator.kube.connection import KubeConnection

IMPORTED = "everything is imported"
"""The first line of a runtime's log; it tells the age of the process."""


class Bench:
    """What one measurement works with: the gateway, the API server, and what its watch told."""

    def __init__(self, gateway: GatewayClient, kube: KubeConnection, watch: PodWatch, namespace: str) -> None:
        self._gateway = gateway
        self._kube = kube
        self._watch = watch
        self._namespace = namespace

    async def one_by_one(self, agents: Sequence[str], times: int) -> list[Activation]:
        """Wake one agent after the other, each when all of them have no pod."""
        found = []
        for number in range(times):
            for agent in agents:
                await self._watch.without_pod(agent)
            found.append(await self.activation(agents[number % len(agents)]))
        return found

    async def at_once(self, agents: Sequence[str]) -> list[Activation]:
        """Wake all of them in the same moment, when none has a pod."""
        for agent in agents:
            await self._watch.without_pod(agent)
        return list(await asyncio.gather(*map(self.activation, agents)))

    async def activation(self, agent: str) -> Activation:
        """Send one message and follow the agent until the answer is there."""
        async with asyncio.timeout(120):
            sent = await self._gateway.send(agent, "Hello", None, uuid.uuid4().hex)
            told = await self._told(agent, sent.after)
        pod = f"{agent}-{told['resident'].event['value']['epoch']}"
        imported, age = await self._imported(pod)
        moments = {
            "stored": moment(told["RUN_STARTED"].event["runId"]),
            "made": self._watch.times[pod]["made"],
            "bound": self._watch.times[pod]["bound"],
            "process": imported - age,
            "imported": imported,
            "claimed": moment(told["resident"].id),
            "consumed": moment(told["RUN_STARTED"].id),
            "delta": moment(told["TEXT_MESSAGE_CONTENT"].id),
        }
        return Activation(agent, moments)

    async def farewell(self, agent: str) -> float:
        """Seconds from when the agent gave up its last pod until the API server told that it has ended."""
        await self._watch.without_pod(agent)
        left = [
            seen async for seen in self._gateway.kept_events(agent) if seen.event.get("name") == "hibernated"
        ]
        pod = f"{agent}-{left[-1].event['value']['epoch']}"
        return self._watch.times[pod]["ended"] - moment(left[-1].id)

    async def _told(self, agent: str, after: str) -> dict[str, WatchedEvent]:
        """The first event of each type, or of each name, until the run has finished."""
        told: dict[str, WatchedEvent] = {}
        async with aclosing(self._gateway.events(agent, after=after)) as events:
            async for seen in events:
                if isinstance(seen, WatchedEvent):
                    told.setdefault(seen.event.get("name", seen.event["type"]), seen)
                    if seen.event["type"] == "RUN_FINISHED":
                        break
        return told

    async def _imported(self, pod: str) -> tuple[float, float]:
        """When the runtime had everything imported, and how old its process was then; in seconds."""
        path = f"/api/v1/namespaces/{self._namespace}/pods/{pod}/log"
        async with aclosing(self._kube.stream("GET", path)) as chunks:
            log = b"".join([chunk async for chunk in chunks])
        lines: list[dict[str, Any]] = [
            orjson.loads(line) for line in re.findall(rb"^\{.*\}$", log, re.MULTILINE)
        ]
        (line,) = [line for line in lines if line["message"] == IMPORTED]
        return datetime.fromisoformat(line["time"]).timestamp(), line["ageMilliseconds"] / 1000


def moment(stream_id: str) -> float:
    """Seconds since the epoch, of the id of a message or an event: Redis' clock is this machine's."""
    return int(stream_id.partition("-")[0]) / 1000
