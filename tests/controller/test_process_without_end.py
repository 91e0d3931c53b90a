"""The operator's whole process beside an API server that misbehaves: nothing that it says ends it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.controller.conftest import free_port
from tests.controller.lease_server import LeaseServer, Weather, kubeconfig, serving
from tests.redis_fixtures import RedisProcess

VERBS = ["get", "list", "watch", "create", "patch", "delete"]
KINDS = {
    "/api/v1": {
        "pods": "Pod",
        "namespaces": "Namespace",
        "events": "Event",
        "resourcequotas": "ResourceQuota",
    },
    "/apis/horos.dev/v1alpha1": {
        "agents": "Agent",
        "modelconfigs": "ModelConfig",
        "toolservers": "ToolServer",
        "agentpools": "AgentPool",
        "groups": "Group",
    },
    "/apis/apiextensions.k8s.io/v1": {"customresourcedefinitions": "CustomResourceDefinition"},
}
SECRET = {"metadata": {"name": "horos-gateway"}, "data": {"token": "dG9rZW4="}}
BROKEN = {"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "etcd has a bad day"}}
METADATA = {"namespace": "research", "name": "ada", "uid": "uid-of-ada", "resourceVersion": "5"}
AGENT = {
    "apiVersion": "horos.dev/v1alpha1",
    "kind": "Agent",
    "metadata": METADATA,
    "spec": {"operatingMode": "Suspended"},
}


class ApiServer(LeaseServer):
    """Enough of an API server for Kopf and the sweeps, with the gateway's Secret and what is `listed`."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: list[asyncio.Queue[dict[str, Any]]] = []
        self.changed: list[str] = []
        self.listed: list[dict[str, Any]] = []

    def tell(self, event: dict[str, Any]) -> None:
        """Send an event of Agents into the newest stream."""
        self.streams[-1].put_nowait(event)

    def application(self) -> web.Application:
        made = super().application()
        made.router.add_get("/{path:.*}", self._read)
        made.router.add_route("*", "/{path:.*}", self._change)
        return made

    async def _read(self, request: web.Request) -> web.StreamResponse:
        if refusal := await self._trouble(request):
            return refusal
        if "watch" in request.query:
            return await self._watch(request)
        if request.path.endswith("/agents"):
            return web.json_response({"items": self.listed, "metadata": {"resourceVersion": "1"}})
        if "/agents/" in request.path:
            return self._one(request.path.rsplit("/", 1)[-1])
        return web.json_response(_answer(request.path))

    def _one(self, name: str) -> web.Response:
        found = [each for each in self.listed if each["metadata"]["name"] == name]
        if found:
            return web.json_response(found[0])
        return web.json_response({"kind": "Status", "reason": "NotFound", "message": name}, status=404)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        if not request.path.endswith("/agents"):
            await asyncio.Event().wait()
        events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.streams.append(events)
        while True:
            await stream.write(json.dumps(await events.get()).encode() + b"\n")

    async def _change(self, request: web.Request) -> web.StreamResponse:
        if refusal := await self._trouble(request):
            return refusal
        self.changed.append(f"{request.method} {request.path}")
        body = json.loads(await request.text())
        return web.json_response({**AGENT, **body, "metadata": METADATA | body.get("metadata", {})})


def _answer(path: str) -> dict[str, Any]:
    if path == "/api":
        return {"versions": ["v1"]}
    if path == "/apis":
        groups = [path.split("/")[2:] for path in KINDS if path.startswith("/apis/")]
        return {
            "groups": [
                {"name": group, "versions": [{"version": version}], "preferredVersion": {"version": version}}
                for group, version in groups
            ]
        }
    if path in KINDS:
        return {
            "resources": [
                {"name": name, "kind": kind, "singularName": "", "namespaced": True, "verbs": VERBS}
                for name, kind in KINDS[path].items()
            ]
        }
    if path.endswith("/agents/ada"):
        return AGENT
    return SECRET if "/secrets/" in path else {"items": [], "metadata": {"resourceVersion": "1"}}


class Process:
    """A running `python -m horos_operator`."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    async def asked(self, path: str) -> int:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionError:
            return 0
        writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        status = int((await reader.read()).split(b" ")[1])
        writer.close()
        return status

    def said(self, words: str) -> bool:
        return words in self._log.read_text(encoding="utf-8")

    async def until(self, what: str, true: Callable[[], bool], seconds: float = 60) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not true():  # noqa: ASYNC110 - it happens in another process
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not in time: {what}\n{self._log.read_text()}") from None


@asynccontextmanager
async def running(server: ApiServer, redis: RedisProcess, folder: Path) -> AsyncIterator[Process]:
    log, port = folder / "operator.log", free_port()
    mine = {
        "INSTALL": "without-end",
        "NAMESPACE": "horos-system",
        "REDIS_URL": redis.url,
        "AGENT_IMAGE": "horos/agent:1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(port),
        "SWEEP_SECONDS": "1",
    }
    async with serving(server.application(), folder):
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig(folder)),
            **{f"HOROS_OPERATOR_{name}": value for name, value in mine.items()},
        }
        with log.open("wb") as out:
            command = (sys.executable, "-m", "horos_operator")
            process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=out, stderr=out)
        made = Process(process, port, log)
        try:
            await made.until("it leads", lambda: server.holder != "")
            await made.until("it watches", lambda: len(server.streams) == 1)
            yield made
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            server.reachable.set()


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


async def test_an_error_in_a_stream_begins_the_watches_again(
    server: ApiServer, redis_server: RedisProcess, tmp_path: Path
) -> None:
    async with running(server, redis_server, tmp_path) as operator:
        server.tell(BROKEN)
        await operator.until("it has ended", lambda: operator.said("the watch has ended"))
        await operator.until("it watches again", lambda: len(server.streams) == 2)
        server.tell({"type": "ADDED", "object": AGENT})
        await operator.until("it acts on it", lambda: any("agents/ada" in each for each in server.changed))
        assert operator.process.returncode is None
        operator.process.terminate()
        assert await operator.process.wait() == 0
        assert server.holder == ""


async def test_a_signal_between_two_runs_of_the_watches_ends_the_process_all_the_same(
    server: ApiServer, redis_server: RedisProcess, tmp_path: Path
) -> None:
    async with running(server, redis_server, tmp_path) as operator:
        server.tell(BROKEN)
        await operator.until("they have ended", lambda: operator.said("the watch has ended"))
        operator.process.terminate()
        assert await operator.process.wait() == 0
        assert server.holder == ""


@pytest.mark.parametrize("status", [429, 500, 401])
async def test_refusals_of_everything_are_waited_out(
    server: ApiServer, redis_server: RedisProcess, tmp_path: Path, status: int
) -> None:
    async with running(server, redis_server, tmp_path) as operator:
        server.refuse_with = status
        await operator.until("it leads no more", lambda: operator.said("leads no more"))
        await operator.until("its sweeps fail", lambda: operator.said("sweep: the server says"))
        assert await operator.asked("/healthz") == 200
        assert await operator.asked("/readyz") == 503
        # In a list: which stream is the newest depends on what had begun before the refusals.
        server.refuse_with, server.listed = None, [AGENT]
        await operator.until("it acts again", lambda: any("agents/ada" in each for each in server.changed))
        assert operator.process.returncode is None


async def reset(request: web.Request) -> web.StreamResponse:
    """Break the connection without a word."""
    assert request.transport
    request.transport.abort()
    return web.Response()


def half(status: int) -> Weather:
    """Begin an answer, and break the connection in the middle of its body."""

    async def answer(request: web.Request) -> web.StreamResponse:
        begun = web.StreamResponse(status=status, headers={"Content-Length": "5000"})
        await begun.prepare(request)
        await begun.write(b'{"kind": "Status", "mess')
        return await reset(request)

    return answer


def made_up(text: str, status: int = 200, **headers: str) -> Weather:
    """Answer as no API server does."""

    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(text=text, status=status, headers=named)

    return answer


WEATHER: dict[str, Weather] = {
    "reset": reset,
    "half of a refusal": half(500),
    "half of an answer": half(200),
    "a page of a proxy": made_up("<html>sign in</html>"),
    "a page with an error": made_up("<html>bad gateway</html>", 502),
    "JSON that is cut off": made_up('{"metadata": {"resourceVersion": "1"}, "items": [{"meta'),
    "null": made_up("null"),
    "an object without its parts": made_up('{"metadata": {}, "spec": {}, "items": [{}]}'),
    "a date to come back at": made_up("busy", 429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"),
}


async def test_answers_of_any_kind_are_waited_out(
    server: ApiServer, redis_server: RedisProcess, tmp_path: Path
) -> None:
    async with running(server, redis_server, tmp_path) as operator:
        for what, weather in WEATHER.items():
            server.weather = weather
            before = len(server.asked)
            # More often than the sweep alone would: the election and Kopf have met it, too.
            await operator.until(f"asked: {what}", lambda since=before: len(server.asked) > since + 3)
            assert await operator.asked("/healthz") == 200, what
        server.weather, server.listed = None, [AGENT]
        await operator.until("it acts again", lambda: any("agents/ada" in each for each in server.changed))
        assert operator.process.returncode is None
        operator.process.terminate()
        assert await operator.process.wait() == 0
        assert server.holder == ""
