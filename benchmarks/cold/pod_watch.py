"""When the API server told what of which pod: kept with the times at which the watch's lines arrived here."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson

from horos_operator.kube.connection import KubeConnection

ENDED = {"Succeeded", "Failed"}


class PodWatch:
    """Everything that was told of the pods of a namespace.

    `times` has for each pod when it was first seen to be made, bound (to a node), ended and gone.
    """

    def __init__(self) -> None:
        self.times: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._agents: dict[str, str] = {}
        self._changed = asyncio.Event()

    def see(self, event: dict[str, Any], now: float) -> None:
        """Take in one line of the watch."""
        body = event["object"]
        name = body["metadata"]["name"]
        self._agents[name] = body["metadata"].get("labels", {}).get("horos.dev/agent", "")
        told = {
            "made": True,
            "bound": bool(body["spec"].get("nodeName")),
            "ended": body.get("status", {}).get("phase") in ENDED,
            "gone": event["type"] == "DELETED",
        }
        for moment, there in told.items():
            if there:
                self.times[name].setdefault(moment, now)
        self._changed.set()
        self._changed = asyncio.Event()

    async def without_pod(self, agent: str, seconds: float = 120.0) -> None:
        """Wait until each pod that the agent had is gone; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not self._has_left(agent):
                await self._changed.wait()

    def _has_left(self, agent: str) -> bool:
        mine = [self.times[name] for name, owner in self._agents.items() if owner == agent]
        return bool(mine) and all("gone" in each for each in mine)


@contextlib.asynccontextmanager
async def pod_watch(kube: KubeConnection, namespace: str) -> AsyncIterator[PodWatch]:
    """Watch the pods of a namespace beside the block; raises KubeError when the connection breaks."""
    path, watch = f"/api/v1/namespaces/{namespace}/pods", PodWatch()
    listed = await kube.request("GET", path)
    for each in listed["items"]:
        watch.see({"type": "ADDED", "object": each}, time.time())

    async def follow(version: str) -> None:
        rest = b""
        asked = f"{path}?watch=1&timeoutSeconds=3600&resourceVersion={version}"
        async with aclosing(kube.stream("GET", asked)) as chunks:
            async for chunk in chunks:
                now = time.time()
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    watch.see(orjson.loads(line), now)

    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow(listed["metadata"]["resourceVersion"]))
        yield watch
        following.cancel()
