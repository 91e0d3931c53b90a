"""Between the operator and the API server: plain HTTP on loopback, requests and watches pass line by line."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import yaml
from aiohttp import web
from yarl import URL

from tests.faults.api import Api, lines
from tests.faults.calls import Call, call_of
from tests.faults.gate import Gate, Passage

REASONS: Final = {"429": "TooManyRequests", "500": "InternalError", "409": "Conflict"}
RETRY_AFTER: Final = "1"
_PASSED_ON: Final = ("Content-Type", "Accept", "User-Agent")


class Proxy:
    """One of a run's own, so that whoever asks is known; its `gate` decides."""

    def __init__(self, api: Api, gate: Gate) -> None:
        self._api = api
        self._gate = gate

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path) -> AsyncIterator[Path]:
        """Serve beside the block; yields a kubeconfig that leads here."""
        made = web.Application(client_max_size=1 << 24)
        made.router.add_route("*", "/{path:.*}", self._serve)
        # Streams that are open would be waited for by default, a minute long.
        runner = web.AppRunner(made, shutdown_timeout=0.1, access_log=None, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            file = folder / "kubeconfig"
            file.write_text(yaml.safe_dump(_kubeconfig(runner.addresses[0][1])))
            yield file
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        call = call_of(request.method, request.raw_path, body)
        if call.verb == "watch":
            return await self._watch(request, call)
        if not call.writes:
            status, headers, answer = await self._pass_on(request, body)
            if call.verb == "list" and status == 200:
                answer = self._gate.listed(call, answer)
            return web.Response(status=status, headers=headers, body=answer)
        # Once it was read it is on its way: its sender's death does not take it back.
        written = await asyncio.shield(asyncio.ensure_future(self._write(request, call, body)))
        if written is None and request.transport is not None:
            request.transport.abort()
        return written or web.Response(status=500)

    async def _write(self, request: web.Request, call: Call, body: bytes) -> web.Response | None:
        """None: no answer comes."""
        passage, number = await self._gate.arrives(call)
        if passage == "gone":
            return None
        if passage != "pass":
            return _refusal(passage)
        status, headers, answer = await self._pass_on(request, body)
        if not await self._gate.carried_out(call, number):
            return None
        return web.Response(status=status, headers=headers, body=answer)

    async def _pass_on(self, request: web.Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        async with self._ask(request, body) as answer:
            kept = ("Content-Type", "Retry-After")
            headers = {name: answer.headers[name] for name in kept if name in answer.headers}
            return answer.status, headers, await answer.read()

    async def _watch(self, request: web.Request, call: Call) -> web.StreamResponse:
        async with self._ask(request, b"") as answer:
            stream = web.StreamResponse(status=answer.status)
            stream.content_type = answer.content_type
            await stream.prepare(request)
            # Whoever was killed reads no more.
            with contextlib.suppress(ConnectionResetError):
                async for line in lines(answer.content):
                    if answer.status != 200 or self._gate.passes(call.kind, json.loads(line)):
                        await stream.write(line + b"\n")
            return stream

    def _ask(self, request: web.Request, body: bytes) -> Any:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        url = URL(self._api.server + request.raw_path, encoded=True)
        return self._api.session.request(request.method, url, data=body or None, headers=headers)


def _refusal(status: Passage) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": int(status),
        "reason": REASONS[status],
        "message": f"the proxy says {REASONS[status]}",
    }
    headers = {"Retry-After": RETRY_AFTER} if status == "429" else {}
    return web.json_response(body, status=int(status), headers=headers)


def _kubeconfig(port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "operator", "user": {"token": "none"}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "operator"}}],
        "current-context": "proxy",
    }
