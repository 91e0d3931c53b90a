"""From what a person typed to a connected client, and the one place where failures become exit codes."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer

from horos.client import GatewayClient
from horos.direct import DirectTransport
from horos.errors import INTERRUPTED, HorosError, UsageError
from horos.options import Place, checked_namespaces

if TYPE_CHECKING:
    from horos_operator.kube.connection import KubeConnection

TOKEN: Final = "HOROS_TOKEN"


@dataclass(frozen=True)
class Session:
    """A connected client; `kube` is None when the gateway is reached directly."""

    client: GatewayClient
    namespace: str
    kube: "KubeConnection | None"


@asynccontextmanager
async def connected(place: Place) -> AsyncGenerator[Session]:
    """Connect as `place` says, and disconnect at the end. Raises a HorosError when that is not possible."""
    token = _token()
    checked_namespaces(place)
    if place.gateway:
        namespace = place.namespace or "default"
        yield Session(GatewayClient(DirectTransport(place.gateway, token), namespace), namespace, None)
        return
    # The Kubernetes client is slow to import, and direct use needs none of it.
    from horos.proxy import ProxyTransport, open_kube  # noqa: PLC0415

    kube = await open_kube(place.context)
    try:
        namespace = place.namespace or kube.namespace
        transport = await ProxyTransport.find(kube, place.release_namespace, token)
        yield Session(GatewayClient(transport, namespace), namespace, kube)
    finally:
        await kube.aclose()


def _token() -> str:
    """Read the token, without the line break that files end with."""
    token = os.environ.get(TOKEN, "").strip()
    if not (token.isascii() and token.isprintable()):
        raise UsageError(f"{TOKEN} holds characters that no token has; set it to the token alone")
    return token


def run(place: Place, work: Callable[[Session], Awaitable[None]]) -> None:
    """Run the work of a command with a session; ends the process with the exit code of what went wrong."""

    async def main() -> None:
        async with connected(place) as session:
            await work(session)

    with exit_codes():
        asyncio.run(main())


class exit_codes:  # noqa: N801
    """Turns failures into a line on standard error and an exit code."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Say what went wrong and leave with its exit code."""
        if isinstance(error, HorosError):
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(INTERRUPTED) from None
        if isinstance(error, BrokenPipeError):
            # The reader has gone (`| head`); nothing may be written at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
