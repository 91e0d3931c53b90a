"""The proxy between a real client and a small API server: what is numbered, and what happens at a point."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from horos_operator.kube.connection import JSON, MERGE_PATCH, KubeConnection, KubeError
from tests.faults.api import Api
from tests.faults.gate import Gate
from tests.faults.points import Point
from tests.faults.proxy import Proxy

PODS = "/api/v1/namespaces/research/pods"
POD = {"metadata": {"name": "ada-1"}}


@dataclass
class Upstream:
    """Keeps what was written, and tells events when told to."""

    written: list[str] = field(default_factory=list)
    listed: int = 0
    events: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.method != "GET":
            self.written.append(f"{request.method} {request.path_qs}")
            return web.json_response(await request.json())
        if "watch" not in request.query:
            self.listed += 1
            return web.json_response({"metadata": {"resourceVersion": str(self.listed)}, "items": []})
        stream = web.StreamResponse()
        await stream.prepare(request)
        while event := await self.events.get():
            # In two pieces: a line is not what comes at once.
            text = json.dumps(event).encode() + b"\n"
            await stream.write(text[:9])
            await stream.write(text[9:])
        return stream


@dataclass
class Scene:
    upstream: Upstream
    gate: Gate
    client: KubeConnection
    killed: list[str]

    async def write(self) -> Any:
        return await self.client.request("POST", f"{PODS}?fieldManager=me", POD)


@asynccontextmanager
async def scene(folder: Path, point: str = "") -> AsyncIterator[Scene]:
    killed: list[str] = []

    async def kill() -> None:
        killed.append("operator")

    upstream = Upstream()
    made = web.Application()
    made.router.add_route("*", "/{path:.*}", upstream.serve)
    runner = web.AppRunner(made, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gate = Gate(Point.parse(point) if point else None, kill, lambda name: name == "old-1")
    try:
        async with aiohttp.ClientSession() as session:
            api = Api(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
            async with Proxy(api, gate).serving(folder) as kubeconfig:
                client = await KubeConnection.open(kubeconfig=str(kubeconfig))
                try:
                    yield Scene(upstream, gate, client, killed)
                finally:
                    await client.aclose()
    finally:
        await runner.cleanup()


async def test_what_is_no_point_passes_as_it_is(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        assert await there.write() == POD
        assert there.upstream.written == [f"POST {PODS}?fieldManager=me"]
        assert there.gate.writes == {"pods.create": 1}
        assert (await there.client.request("GET", PODS))["metadata"] == {"resourceVersion": "1"}
        assert there.killed == []


async def test_writes_are_named_by_what_they_change(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        agent = "/apis/horos.dev/v1alpha1/namespaces/research/agents/ada"
        changes: list[tuple[str, str, Any]] = [
            ("DELETE", f"{PODS}/ada-1", {}),
            ("DELETE", f"{PODS}/old-1", {}),
            ("PATCH", f"{agent}/status", {"status": {}}),
            ("PATCH", agent, {"metadata": {"finalizers": ["horos.dev/bus"]}}),
            ("PATCH", agent, {"metadata": {"finalizers": []}}),
            ("PATCH", agent, {"spec": {"operatingMode": "Suspended"}}),
            ("PATCH", agent, {"metadata": {"ownerReferences": []}}),
            ("POST", agent.removesuffix("/ada"), {"metadata": {"name": "kid"}}),
            ("DELETE", agent, {}),
            ("PATCH", agent.replace("agents/ada", "groups/review"), {"metadata": {"finalizers": []}}),
            ("POST", "/api/v1/namespaces/research/secrets", {"metadata": {"name": "horos-bus"}}),
            ("PATCH", "/api/v1/namespaces/research/secrets/horos-bus", {"stringData": {}}),
        ]
        for method, path, body in changes:
            await there.client.request(method, path, body, MERGE_PATCH if method == "PATCH" else JSON)
        assert list(there.gate.writes) == [
            "pods.delete-live",
            "pods.delete-ended",
            "agents.status",
            "agents.finalizer-on",
            "agents.finalizer-off",
            "agents.mode",
            "agents.owner",
            "agents.create",
            "agents.delete",
            "groups.finalizer-off",
            "secrets.create-horos-bus",
            "secrets.patch-horos-bus",
        ]


@pytest.mark.parametrize(("when", "killed", "written"), [("before", 1, 0), ("lost", 1, 1), ("cut", 0, 1)])
async def test_no_answer_comes_and_the_write_is_carried_out_or_not(
    tmp_path: Path, when: str, killed: int, written: int
) -> None:
    async with scene(tmp_path, f"pods.create:2:{when}") as there:
        await there.write()
        with pytest.raises(KubeError) as failed:
            await there.write()
        assert failed.value.status == 0
        assert (len(there.killed), len(there.upstream.written), there.gate.hit) == (killed, 1 + written, True)
        assert await there.write() == POD, "a point is hit once"


@pytest.mark.parametrize(
    ("when", "reason"), [("429", "TooManyRequests"), ("500", "InternalError"), ("409", "Conflict")]
)
async def test_a_write_is_refused_once(tmp_path: Path, when: str, reason: str) -> None:
    async with scene(tmp_path, f"pods.create:1:{when}") as there:
        with pytest.raises(KubeError) as refused:
            await there.write()
        error = refused.value
        assert (error.status, error.reason, error.retry_after) == (int(when), reason, 1.0 * (when == "429"))
        assert there.upstream.written == []
        assert await there.write() == POD


async def test_an_event_is_kept_back_and_the_others_come_line_by_line(tmp_path: Path) -> None:
    async with scene(tmp_path, "pods.told:2:dropped") as there:
        for number in range(3):
            body = {"metadata": {"name": f"ada-{number}", "note": "x" * 200_000}}
            there.upstream.events.put_nowait({"type": "ADDED", "object": body})
        there.upstream.events.put_nowait({"type": "BOOKMARK", "object": {}})
        there.upstream.events.put_nowait({})
        told = b"".join([part async for part in there.client.stream("GET", f"{PODS}?watch=true")])
        names = [json.loads(line)["object"].get("metadata", {}).get("name") for line in told.splitlines()]
        assert names == ["ada-0", "ada-2", None]
        assert there.gate.told == {"pods": 3}


async def test_after_a_stale_kill_the_first_lists_are_those_of_an_earlier_step(tmp_path: Path) -> None:
    async with scene(tmp_path, "pods.create:1:stale") as there:

        async def listed() -> str:
            found = await there.client.request("GET", PODS)
            return str(found["metadata"]["resourceVersion"])

        for step in (1, 2):
            there.gate.step = step
            await listed()
        await listed()
        with pytest.raises(KubeError):
            await there.write()
        assert there.killed == ["operator"]
        assert [await listed() for _ in range(4)] == ["1", "1", "6", "7"]
