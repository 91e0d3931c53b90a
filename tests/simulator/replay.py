"""How many pods of agents there were at most at any instant, in the order of the API server's changes."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import quote

import orjson

from horos_api.names import LABEL_AGENT, LABEL_COMPONENT
from horos_operator.kube.connection import KubeConnection

PODS: Final = f"/api/v1/pods?labelSelector={quote(f'{LABEL_COMPONENT}=agent')}"
ENDED: Final = frozenset({"Succeeded", "Failed"})


class Replay:
    """Counts the pods that have not ended, per namespace, with each change that a watch tells."""

    def __init__(self) -> None:
        self._live: defaultdict[str, set[str]] = defaultdict(set)
        self.most: defaultdict[str, int] = defaultdict(int)
        """The highest count of each namespace."""
        self.made: defaultdict[str, int] = defaultdict(int)
        """How many pods each namespace had in all."""
        self.doubled: set[tuple[str, str]] = set()
        """Namespace and name of agents that had two at an instant."""
        self._of: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._seen: set[str] = set()

    def live(self, namespace: str) -> int:
        """How many there are now."""
        return len(self._live[namespace])

    def see(self, body: Mapping[str, Any], *, gone: bool) -> None:
        """Take in one change."""
        namespace, uid = body["metadata"]["namespace"], body["metadata"]["uid"]
        if uid not in self._seen:
            self._seen.add(uid)
            self.made[namespace] += 1
        agent = (namespace, (body["metadata"].get("labels") or {}).get(LABEL_AGENT, uid))
        live, of_agent = self._live[namespace], self._of[agent]
        if gone or (body.get("status") or {}).get("phase") in ENDED:
            live.discard(uid)
            of_agent.discard(uid)
        else:
            live.add(uid)
            of_agent.add(uid)
        if len(of_agent) > 1:
            self.doubled.add(agent)
        self.most[namespace] = max(self.most[namespace], len(live))


@contextlib.asynccontextmanager
async def replaying(connection: KubeConnection) -> AsyncIterator[Replay]:
    """Watch all pods of agents beside the block, without a gap, or else the block fails with RuntimeError."""
    replay = Replay()
    found = await connection.request("GET", PODS)
    for each in found["items"]:
        replay.see(each, gone=False)

    async def watch(version: str) -> None:
        while True:
            path = f"{PODS}&watch=1&allowWatchBookmarks=true&timeoutSeconds=240&resourceVersion={version}"
            rest = b""
            async with aclosing(connection.stream("GET", path)) as chunks:
                async for chunk in chunks:
                    *lines, rest = (rest + chunk).split(b"\n")
                    for event in map(orjson.loads, lines):
                        if event["type"] == "ERROR":
                            raise RuntimeError(f"the record of pods has a gap: {event['object']}")
                        version = event["object"]["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            replay.see(event["object"], gone=event["type"] == "DELETED")

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch(found["metadata"]["resourceVersion"]))
        yield replay
        watching.cancel()
