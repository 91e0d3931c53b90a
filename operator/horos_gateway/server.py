"""The HTTP server around the application: uvicorn, told to end the streams before it waits for them."""

import logging
import socket
from typing import Final

import uvicorn
from starlette.applications import Starlette

from horos_gateway.doors import Doors

GRACE_SECONDS: Final = 5

log = logging.getLogger("horos.gateway")


class ListenError(Exception):
    """A port cannot be listened on."""


class GatewayServer(uvicorn.Server):
    """Ends on SIGTERM and SIGINT; streams of events end at once, other requests are finished."""

    def __init__(self, app: Starlette, host: str, port: int, metrics_port: int | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                Doors(app, metrics_port),
                host=host,
                port=port,
                log_config=None,  # the root logger prints, as for everything else
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._app = app
        self._ports = [port] if metrics_port is None else [port, metrics_port]

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on these sockets, by default on the ports; raises ListenError for one that is taken."""
        if sockets is None:
            host = self.config.host
            sockets = [listening(host, port) for port in self._ports]
            for each in sockets:
                log.info(
                    "running on http://%s:%d", f"[{host}]" if ":" in host else host, each.getsockname()[1]
                )
        super().run(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listeners, end the streams, wait for the rest."""
        self._app.state.hub.end()
        await super().shutdown(sockets)


def listening(host: str, port: int) -> socket.socket:
    """Open a listening socket, so that a port that cannot be had is known before anything starts.

    Raises ListenError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ListenError(f"port {port} of {host} cannot be listened on: {error.strerror}") from error
