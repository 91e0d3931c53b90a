"""What really happened, by the API server's own watches, past the proxy: every change, in one order."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.faults.api import Api, ApiError

GROUP_PATH: Final = "/apis/horos.dev/v1alpha1"
PATHS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("pods", "resourcequotas", "secrets"), "/api/v1"),
    **dict.fromkeys(("agents", "groups", "agentpools", "modelconfigs", "toolservers"), GROUP_PATH),
    "leases": "/apis/coordination.k8s.io/v1",
}
Change = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True)
class Seen:
    """One change of one object; `version` orders those of all kinds."""

    version: int
    kind: str
    change: Change
    object: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the object."""
        return str(self.object["metadata"]["name"])

    def __str__(self) -> str:
        told = {key: self.object[key] for key in ("status", "data", "spec") if key in self.object}
        deleting = " deleting" if "deletionTimestamp" in self.object["metadata"] else ""
        return f"{self.version} {self.kind} {self.change} {self.name}{deleting} {json.dumps(told)[:600]}"


class Recorder:
    """Watches one namespace from before the story on. `heard` are called with every change."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self.namespace = namespace
        self.seen: list[Seen] = []
        self.now: dict[str, dict[str, Mapping[str, Any]]] = {kind: {} for kind in PATHS}
        self.heard: list[Callable[[Seen], None]] = []

    def path(self, kind: str, name: str = "") -> str:
        """Where a kind, or one object, of the namespace is."""
        return f"{PATHS[kind]}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Recorder"]:
        """Watch beside the block."""
        async with asyncio.TaskGroup() as group:
            begin = [await self._list(kind) for kind in PATHS]
            tasks = [group.create_task(self._watch(kind, version)) for kind, version in begin if version]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()

    async def _list(self, kind: str) -> tuple[str, str]:
        """Look at what there is; no version where the cluster does not know the kind."""
        try:
            found = await self._api.ask("GET", self.path(kind))
        except ApiError as error:
            if error.status == 404:
                return kind, ""
            raise
        self.now[kind] = {item["metadata"]["name"]: item for item in found["items"]}
        return kind, found["metadata"]["resourceVersion"]

    async def _watch(self, kind: str, version: str) -> None:
        while True:
            async for event in self._api.events(self.path(kind), version):
                if event["type"] == "ERROR":
                    raise RuntimeError(f"the record of {kind} has a gap: {event['object']}")
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._take(kind, event)

    def _take(self, kind: str, event: Mapping[str, Any]) -> None:
        body = event["object"]
        seen = Seen(int(body["metadata"]["resourceVersion"]), kind, event["type"], body)
        self.seen.append(seen)
        if seen.change == "DELETED":
            self.now[kind].pop(seen.name, None)
        else:
            self.now[kind][seen.name] = body
        for hear in self.heard:
            hear(seen)

    def history(self) -> list[Seen]:
        """Everything in the order in which it happened."""
        return sorted(self.seen, key=lambda each: each.version)
