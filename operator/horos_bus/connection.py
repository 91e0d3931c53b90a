"""The connection to Redis and the only place where its errors are translated."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib import resources
from typing import Any, Final, Self, TypeAlias
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 - redis-py's name
    NoPermissionError,
    NoScriptError,
    RedisError,
    TimeoutError,  # noqa: A004 - redis-py's name
)

from horos_bus.keys import Keys

SOCKET_SECONDS: Final = 5.0
"""How long a connection may take to open, and a blocking read to come back."""
COMMAND_SECONDS: Final = 8.0
"""How long one command may take with all its retries."""
CONNECTIONS: Final = 10_000
"""A blocking reader holds one connection, and a gateway has one reader for each watcher."""
_NEEDS: Final = "-- NEEDS "
Argument: TypeAlias = str | bytes | int


class BusError(Exception):
    """Redis refused something; the root of all errors of this package. `kind` is for whoever counts them."""

    kind = "refused"


class BusUnavailableError(BusError):
    """Redis cannot be reached, or does not accept the credentials."""

    kind = "unavailable"


class CredentialsRefusedError(BusUnavailableError):
    """Redis answers, but does not know this user or this password (any more)."""

    kind = "credentials"


class NotPermittedError(BusError):
    """The user of the connection may not do this."""

    kind = "not-permitted"


class _ScriptUnknownError(BusError):
    """Redis was restarted or flushed its scripts."""


def _anybody() -> None:
    """Everybody may."""


def _nobody(error: BusError) -> None:
    """Nobody wants to know."""


class Bus:
    """The door to one namespace's keys. Closing it closes the pool that `at` and `guarded` share."""

    def __init__(
        self,
        client: Redis,
        prefix: str,
        address: str,
        guard: Callable[[], None] = _anybody,
        told: Callable[[BusError], None] = _nobody,
    ) -> None:
        self._client = client
        self._address = address
        self._guard = guard
        self._told = told
        self.prefix = prefix
        self.keys = Keys(prefix)

    @classmethod
    def open(cls, url: str, prefix: str) -> Self:
        """Make a bus for `redis[s]://[user[:password]@]host[:port][/db]`; connects with the first call.

        Lost connections are retried for about three seconds, since every script may run twice. Raises
        ValueError, without any part of the URL, when it cannot be read.
        """
        address = _address(url)
        client = Redis.from_url(
            url,
            protocol=2,
            driver_info=None,
            # redis-py would send through asyncio.wait_for, which can swallow a cancellation in Python 3.11.
            socket_timeout=None,
            socket_connect_timeout=SOCKET_SECONDS,
            socket_keepalive=True,
            max_connections=CONNECTIONS,
            retry=Retry(ExponentialWithJitterBackoff(cap=1.0, base=0.05), retries=6),
        )
        return cls(client, prefix, address)

    def at(self, prefix: str) -> Bus:
        """Open another namespace over the same connections."""
        return Bus(self._client, prefix, self._address, self._guard, self._told)

    def guarded(self, guard: Callable[[], None]) -> Bus:
        """Open the same door for somebody who may lose the right to: what `guard` raises, callers get.

        It is called right before each command.
        """
        return Bus(self._client, self.prefix, self._address, guard, self._told)

    def watched(self, told: Callable[[BusError], None]) -> Bus:
        """Open the same door for somebody who counts errors: `told` gets each before it is raised."""
        return Bus(self._client, self.prefix, self._address, self._guard, told)

    def alone(self) -> Bus:
        """Open the same door over one connection of its own, for somebody who must know when it is lost.

        A command that finds it broken raises BusUnavailableError and is not tried again; the next one opens
        it anew. Close it for itself.
        """
        pool = self._client.connection_pool
        once = ConnectionPool(
            connection_class=pool.connection_class,
            **{**pool.connection_kwargs, "retry": Retry(NoBackoff(), retries=0)},
        )
        client = Redis(connection_pool=once, single_connection_client=True)
        return Bus(client, self.prefix, self._address, self._guard, self._told)

    async def call(self, script: str, args: Sequence[Argument]) -> Any:
        """Run a script of this package by its name. Its one key is the prefix, which the others share.

        Raises BusUnavailableError, or BusError with what Redis said.
        """
        text, digest = _source(script)
        arguments = (digest, 1, self.prefix, *args)
        try:
            return await self.command("EVALSHA", *arguments)
        except _ScriptUnknownError:
            await self.command("SCRIPT LOAD", text)
            return await self.command("EVALSHA", *arguments)

    async def command(self, *words: Argument) -> Any:
        """Run one Redis command. Raises as `call` does."""
        self._guard()
        async with self.translated(), asyncio.timeout(COMMAND_SECONDS):
            return await self._client.execute_command(*words)  # type: ignore[no-untyped-call]

    def pubsub(self) -> PubSub:
        """Make a subscriber; use it inside `translated`."""
        return self._client.pubsub()

    async def ping(self) -> None:
        """Raise BusUnavailableError unless Redis answers."""
        await self.command("PING")

    async def aclose(self) -> None:
        """Close every connection of the pool."""
        await self._client.aclose(close_connection_pool=True)

    @asynccontextmanager
    async def translated(self) -> AsyncIterator[None]:
        """Turn redis-py's errors into this package's, naming server and user and never the password."""
        try:
            yield
        except (RedisError, OSError) as error:
            meaning = self._meaning(error)
            if not isinstance(meaning, _ScriptUnknownError):  # which is loaded, and asked for once more
                self._told(meaning)
            raise meaning from error

    def _meaning(self, error: RedisError | OSError) -> BusError:
        match error:
            case AuthenticationError():
                return CredentialsRefusedError(f"{self._address} does not accept the credentials")
            case ConnectionError() | TimeoutError() | OSError():
                return BusUnavailableError(
                    f"{self._address} cannot be reached: {error or 'no answer in time'}"
                )
            case NoPermissionError():
                return NotPermittedError(f"{self._address} is not allowed to: {error}")
            case NoScriptError():
                return _ScriptUnknownError(str(error))
            case _:
                return BusError(f"{self._address}: {error}")


def _address(url: str) -> str:
    """Name server and user of a URL for error messages."""
    parts = urlsplit(url)
    try:
        port = parts.port or 6379
    except ValueError:
        # The cause quotes what stands at the port's place, which may be a piece of the password.
        raise ValueError(
            "the URL of Redis cannot be read: expected redis[s]://[user[:password]@]host[:port][/db], with "
            "special characters of user and password percent-encoded"
        ) from None
    return f"Redis at {parts.hostname}:{port} as user {unquote(parts.username or '') or 'default'}"


@cache
def _source(script: str) -> tuple[str, str]:
    """Load a script by its name, behind the parts that it shares with others; with its digest.

    The parts are named in its first line: what a script does not need is not run with each of its calls.
    """
    own = _lua(script)
    mark, _, parts = own.partition("\n")[0].partition(_NEEDS)
    names = parts.split() if not mark else []
    text = "\n".join([*map(_lua, ("prelude", *names)), own])
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _lua(name: str) -> str:
    return (resources.files("horos_bus") / "scripts" / f"{name}.lua").read_text(encoding="utf-8")
