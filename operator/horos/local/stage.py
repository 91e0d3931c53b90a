"""What `horos run` starts, in order, and ends in the other order: Redis, model, gateway, operator."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from horos.client import GatewayClient
from horos.direct import DirectTransport
from horos.errors import RefusedError, UsageError
from horos.local.audience import Audience
from horos.local.documents import Documents
from horos.local.folder import DataFolder
from horos.local.follower import Line
from horos.local.gateway import LocalGateway, open_port
from horos.local.model_server import DefaultModel, ModelServer
from horos.local.redis_server import RedisServer
from horos.session import Session
from horos_bus.connection import Bus
from horos_operator.cluster import RefusedError as NotStoredError
from horos_operator.local.data import secret_variable
from horos_operator.local.operator import (
    FolderInUseError,
    FolderUnusableError,
    LocalOperator,
    local_settings,
)

INSTALL: Final = "local"
_KEY_SECRET: Final = ("horos-model", "apiKey")
"""Where agents find the key of the command line's model; it is never written down."""


@dataclass(frozen=True)
class Wanted:
    """What is started: `port` of the gateway (0: a free one), `model` of the command line.

    `show` gets what agents say and do, `say` what is to be known beside it.
    """

    documents: Documents
    folder: DataFolder
    port: int
    model: DefaultModel | None
    show: Callable[[Line], None]
    say: Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """What stands when all of it has been started."""

    url: str
    token: str
    model: DefaultModel | None
    audience: Audience
    before: list[str]
    """Who was there already, from an earlier run."""
    operator: LocalOperator

    def session(self, namespace: str) -> Session:
        """Open a client of the gateway, as the other commands do."""
        return Session(GatewayClient(DirectTransport(self.url, self.token), namespace), namespace, None)


@asynccontextmanager
async def beside(tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do something beside what is done in this context."""
    task = tasks.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def standing(wanted: Wanted) -> AsyncIterator[Stage]:
    """Start everything but the documents. Raises HorosError; what was started before that is ended."""
    folder = wanted.folder
    door = open_port(wanted.port)  # what a person may have to change is known before anything starts
    token = folder.token()
    async with AsyncExitStack() as stack:
        stack.callback(door.close)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        # The model takes longer than all the rest, so it starts first and is waited for last.
        needs_model = wanted.model is None and bool(wanted.documents.without_model)
        loading = tasks.create_task(ModelServer.start(folder, wanted.say)) if needs_model else None
        redis = await RedisServer.start(folder, wanted.say)
        stack.push_async_callback(redis.stop)
        await stack.enter_async_context(beside(tasks, redis.keep()))
        model = wanted.model
        if loading is not None:
            server = await loading
            stack.push_async_callback(server.stop)
            await stack.enter_async_context(beside(tasks, server.keep()))
            model = server.model
        bus = Bus.open(redis.url, "")
        stack.push_async_callback(bus.aclose)
        # Before anybody acts: what they do from then on is shown.
        audience = Audience(bus, INSTALL, wanted.documents.namespaces, wanted.show)
        before = await audience.remember()
        gateway = LocalGateway(door, redis.url, INSTALL, token)
        await stack.enter_async_context(_serving(tasks, gateway))
        operator = _operator(wanted, redis.url, model)
        try:
            await stack.enter_async_context(operator)
        except (FolderInUseError, FolderUnusableError) as error:
            raise RefusedError(f"{error}; choose another folder with --data") from error
        folder.point_here(gateway.url, token)
        yield Stage(gateway.url, token, model, audience, before, operator)


@asynccontextmanager
async def _serving(tasks: asyncio.TaskGroup, gateway: LocalGateway) -> AsyncIterator[None]:
    task = tasks.create_task(gateway.serve(), name="gateway")
    await gateway.ready()
    try:
        yield
    finally:
        gateway.stop()
        await asyncio.wait({task})


def _operator(wanted: Wanted, redis_url: str, model: DefaultModel | None) -> LocalOperator:
    fields: dict[str, Any] = {}
    if model is not None:
        fields |= {"model_name": model.name, "model_base_url": model.base_url}
    if model is not None and model.key:
        os.environ[secret_variable(*_KEY_SECRET)] = model.key
        name, key = _KEY_SECRET
        fields |= {"model_api_key_secret_name": name, "model_api_key_secret_key": key}
    settings = local_settings(redis_url, install=INSTALL, **fields)
    return LocalOperator(settings, wanted.folder.objects, redis_url)


async def apply(stage: Stage, documents: Documents) -> None:
    """Hand the documents to the operator. Raises UsageError with what it refuses."""
    try:
        await stage.operator.apply(documents.manifests)
    except NotStoredError as error:
        raise UsageError(error.message) from error
