"""The gateway by its URL, with the standard library alone so that the command starts quickly."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urlsplit

from horos.errors import CannotReachError, UsageError
from horos.transport import API, gateway_refusal

_CHUNK = 64 * 1024
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 30.0


class DirectTransport:
    """Speaks HTTP to the gateway at `url`; `token` may be empty for a gateway that asks for none.

    Raises UsageError when the URL is not one.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = _parts_of(url)
        self._url = url.rstrip("/")
        self._base = parts.path.rstrip("/") + API
        self._secure = parts.scheme == "https"
        self._address = parts.netloc.rpartition("@")[2]
        self._token = {"Authorization": f"Bearer {token}"} if token else {}

    async def request(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Any:
        """See Transport."""
        data = None if body is None else json.dumps(body).encode()
        return await asyncio.to_thread(self._request, method, path, data, headers)

    async def stream(self, path: str, headers: Mapping[str, str]) -> AsyncGenerator[bytes]:
        """See Transport."""
        connection = await asyncio.to_thread(self._connect)
        # Kept apart, since the connection forgets its socket when the server says `Connection: close`.
        sock: socket.socket = connection.sock
        try:
            response = await asyncio.to_thread(self._open, connection, path, headers)
            sock.settimeout(None)
            while chunk := await asyncio.to_thread(self._read, response):
                yield chunk
        finally:
            # A thread may be inside a read that only the end of the socket ends.
            _shut(sock)
            connection.close()

    async def aclose(self) -> None:
        """Nothing is kept open between requests."""

    def _connect(self) -> HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            connection: HTTPConnection = HTTPSConnection(
                self._address, timeout=_CONNECT_SECONDS, context=context
            )
        else:
            connection = HTTPConnection(self._address, timeout=_CONNECT_SECONDS)
        try:
            connection.connect()
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from error
        connection.sock.settimeout(_ANSWER_SECONDS)
        return connection

    def _request(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Any:
        connection = self._connect()
        sent = {"Content-Type": "application/json", **self._token, **headers}
        try:
            connection.request(method, self._base + path, body=data, headers=sent)
            response = connection.getresponse()
            raw = response.read()
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise gateway_refusal(response.status, raw)
        return self._json(raw)

    def _open(self, connection: HTTPConnection, path: str, headers: Mapping[str, str]) -> HTTPResponse:
        try:
            connection.request("GET", self._base + path, headers={**self._token, **headers})
            response = connection.getresponse()
            if response.status >= 400:
                raise gateway_refusal(response.status, response.read())
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from error
        return response

    def _read(self, response: HTTPResponse) -> bytes:
        try:
            return response.read1(_CHUNK)
        except (OSError, HTTPException, ValueError) as error:
            raise CannotReachError(f"the connection to {self._url} broke: {error}") from error

    def _json(self, raw: bytes) -> Any:
        try:
            return json.loads(raw)
        except ValueError as error:
            message = f"{self._url} answers, but is not a horos gateway; check --gateway"
            raise CannotReachError(message) from error

    def _unreachable(self, error: Exception) -> CannotReachError:
        cause = str(error) or type(error).__name__
        return CannotReachError(f"the gateway at {self._url} cannot be reached: {cause}; check --gateway")


def _parts_of(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"--gateway {url!r} is not a URL: expected http://host:port or https://host")
    return parts


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is already gone
