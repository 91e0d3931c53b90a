"""What stands around the application: requests are counted, and scrapers have a port of their own.

A scraper shows no token, and what it reads tells nothing of what agents say: names of routes, numbers. The
port is for inside the cluster; the Service does not have it.
"""

import time
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from horos_gateway.metrics import Metrics

METRICS: Final = "/metrics"
NOT_ANSWERED: Final = 499
"""What nginx writes down when nobody was there any more for an answer."""


class Doors:
    """The application of a process: `app` on every port but `metrics_port`, which only tells its metrics."""

    def __init__(self, app: Starlette, metrics_port: int | None) -> None:
        metrics: Metrics = app.state.metrics
        self._counted = _Counted(app, metrics)
        self._page = _page(metrics)
        self._metrics_port = metrics_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scraped = self._metrics_port is not None and scope["type"] == "http"
        # By the socket that it came through, which no header can pretend.
        scraped = scraped and scope["server"][1] == self._metrics_port
        await (self._page if scraped else self._counted)(scope, receive, send)


class _Counted:
    """Counts each request of the application by the route that answers it."""

    def __init__(self, app: Starlette, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._paths: dict[object, str] = {}
        for route in app.routes:
            if isinstance(route, Route):
                self._paths[route.endpoint] = route.path
            elif isinstance(route, Mount):
                self._paths[route.app] = route.path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        def count(answer: int) -> None:
            # The router leaves in the scope what it has found.
            route = self._paths.get(scope.get("endpoint"), "other")
            self._metrics.answered(route, scope["method"], answer, time.perf_counter() - begun)

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                count(status)
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            if not status:
                count(NOT_ANSWERED)


def _page(metrics: Metrics) -> ASGIApp:
    async def page(request: Request) -> Response:
        media_type, text = metrics.exposition(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": media_type})

    async def nothing(request: Request) -> Response:
        return PlainTextResponse(f"try {METRICS}\n", 404)

    return Starlette(
        routes=[Route(METRICS, page, methods=["GET"]), Route("/{path:path}", nothing, methods=["GET"])]
    )
