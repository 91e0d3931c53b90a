"""An API server that knows Leases and nothing else, over HTTP, to try the real connection on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from aiohttp import web

from horos_operator.kube.connection import KubeConnection
from horos_operator.kube.lease import KubeLease

LEASES = "/apis/coordination.k8s.io/v1/namespaces/horos-system/leases"
NAME = "horos-operator"


Weather: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LeaseServer:
    """Keeps one Lease. `refuse_with` answers everything with a status, `reachable` cleared with silence,
    `weather` with whatever it makes.

    `seconds` is how long the answer to a renewal takes, `written` the loop's time when the last write came.
    """

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.refuse_with: int | None = None
        self.weather: Weather | None = None
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.asked: list[str] = []
        self.seconds = 0.0
        self.written = 0.0
        self._version = 0

    @property
    def holder(self) -> str:
        return str(self.lease["spec"]["holderIdentity"]) if self.lease else ""

    def application(self) -> web.Application:
        made = web.Application()
        made.router.add_get(f"{LEASES}/{{name}}", self._get)
        made.router.add_post(LEASES, self._post)
        made.router.add_patch(f"{LEASES}/{{name}}", self._patch)
        return made

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if refusal := await self._trouble(request):
            return refusal
        return web.json_response(self.lease) if self.lease else _status(404, "NotFound")

    async def _post(self, request: web.Request) -> web.StreamResponse:
        if refusal := await self._trouble(request):
            return refusal
        if self.lease is not None:
            return _status(409, "AlreadyExists")
        return self._keep(await request.json())

    async def _patch(self, request: web.Request) -> web.StreamResponse:
        if refusal := await self._trouble(request):
            return refusal
        change = await request.json()
        if self.lease is None:
            return _status(404, "NotFound")
        if change["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            return _status(409, "Conflict")
        merged = {"metadata": {**self.lease["metadata"]}, "spec": {**self.lease["spec"], **change["spec"]}}
        kept = self._keep(merged)
        await asyncio.sleep(self.seconds)
        return kept

    def _keep(self, body: dict[str, Any]) -> web.Response:
        self._version += 1
        self.written = asyncio.get_running_loop().time()
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        return web.json_response(self.lease)

    async def _trouble(self, request: web.Request) -> web.StreamResponse | None:
        self.asked.append(request.method)
        await self.reachable.wait()
        if self.weather is not None:
            return await self.weather(request)
        if self.refuse_with is None:
            return None
        return _status(self.refuse_with, "TooManyRequests" if self.refuse_with == 429 else "InternalError")


def _status(code: int, reason: str) -> web.Response:
    body = {"kind": "Status", "reason": reason, "message": f"the server says {reason}", "code": code}
    headers = {"Retry-After": "1"} if code == 429 else {}
    return web.json_response(body, status=code, headers=headers)


@asynccontextmanager
async def serving(application: web.Application, folder: Path) -> AsyncIterator[KubeConnection]:
    """Run a server, and open a connection to it by a kubeconfig, as a person would."""
    # Streams that are open would be waited for by default, a minute long.
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    _write_kubeconfig(kubeconfig(folder), runner.addresses[0][1])
    connection = await KubeConnection.open(kubeconfig=str(kubeconfig(folder)))
    try:
        yield connection
    finally:
        await connection.aclose()
        await runner.cleanup()


def door(connection: KubeConnection) -> KubeLease:
    return KubeLease(connection, "horos-system", NAME)


def kubeconfig(folder: Path) -> Path:
    """Where `serving` leaves it."""
    return folder / "kubeconfig"


def _write_kubeconfig(file: Path, port: int) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {"token": "none"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "current-context": "here",
    }
    file.write_text(yaml.safe_dump(config))
