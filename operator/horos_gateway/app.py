"""Puts the gateway together: routes, problems, and what lives as long as the process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from horos_api import metrics as words
from horos_bus.connection import Bus
from horos_gateway.auth import Authority, Verb
from horos_gateway.backend import Backend
from horos_gateway.decisions import Decisions
from horos_gateway.event_hub import EventHub
from horos_gateway.group_routes import GROUP_OPERATIONS
from horos_gateway.groups import Groups
from horos_gateway.metrics import Metrics
from horos_gateway.openapi import openapi_document
from horos_gateway.pool import Pool
from horos_gateway.pool_routes import POOL_OPERATIONS
from horos_gateway.problems import HANDLERS
from horos_gateway.routes import API, OPERATIONS, Operation, Services
from horos_gateway.settings import Settings
from horos_gateway.tool_routes import TOOL_OPERATIONS
from horos_gateway.tree_routes import TREE_OPERATIONS
from horos_gateway.window import window_routes

ALL: Final = (*OPERATIONS, *POOL_OPERATIONS, *TOOL_OPERATIONS, *GROUP_OPERATIONS, *TREE_OPERATIONS)


def gateway_app(settings: Settings) -> Starlette:
    """Build the application; Redis is reached with the first request. `app.state.hub` can end all streams.

    `app.state.metrics` is what it counts.
    """
    metrics = Metrics()
    bus = Bus.open(settings.redis_url, "").watched(metrics.bus_failed)
    backend = Backend(bus, settings.install)
    hub = EventHub(backend.stream_of, settings.heartbeat_seconds)
    authority = Authority(settings.token.get_secret_value())
    services = Services(
        authority, backend, Decisions(backend), Pool(backend), Groups(backend), hub=hub, metrics=metrics
    )
    metrics.read(words.STREAMS, hub.watchers)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            async with services.hub:
                yield
        finally:
            await bus.aclose()

    app = Starlette(
        routes=[
            Route("/healthz", _healthy, methods=["GET"]),
            Route("/readyz", _readiness(services), methods=["GET"]),
            Route(f"{API}/openapi.json", _openapi(services), methods=["GET"]),
            *(_route(operation, services) for operation in ALL),
            *window_routes(authority),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.hub = services.hub
    app.state.metrics = metrics
    return app


def _route(operation: Operation, services: Services) -> Route:
    async def endpoint(request: Request) -> Response:
        return await operation.answer_to(request, services)

    return Route(operation.path, endpoint, methods=[operation.method], name=operation.handler.__name__)


def _openapi(services: Services) -> Callable[[Request], Awaitable[Response]]:
    document = orjson.dumps(openapi_document(ALL))

    async def openapi(request: Request) -> Response:
        await services.authority.check(request.headers, Verb.WATCH, "", "")
        return Response(document, media_type="application/json")

    return openapi


def _readiness(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def ready(request: Request) -> Response:
        await services.backend.ping()
        return PlainTextResponse("ok\n")

    return ready


async def _healthy(request: Request) -> Response:
    return PlainTextResponse("ok\n")
