"""The HTTP server around the application: uvicorn, told to end the streams before it waits for them."""

import socket
from typing import Final

import uvicorn
from starlette.applications import Starlette

GRACE_SECONDS: Final = 5


class GatewayServer(uvicorn.Server):
    """Ends on SIGTERM and SIGINT; streams of events end at once, other requests are finished."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,  # the root logger prints, as for everything else
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listeners, end the streams, wait for the rest."""
        self._app.state.hub.end()
        await super().shutdown(sockets)
