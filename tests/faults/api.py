"""The test cluster's API server: asked by the harness itself, and what the proxy passes requests on to."""

import asyncio
import base64
import contextlib
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import yaml

JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"


class ApiError(Exception):
    """The API server said no; `status` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Api:
    """Requests with the rights of the kubeconfig's user. Make it with `open`."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self.session = session
        self.server = server

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, kubeconfig: str) -> AsyncIterator[Self]:
        """Connect as the current context of a kubeconfig with certificates says, as kind writes it."""
        server, context = _credentials(kubeconfig)
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        limits = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(connector=connector, timeout=limits) as session:
            yield cls(session, server)

    async def ask(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> Any:
        """Send one request, again as long as the server wants to be left alone; raises ApiError."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type}
        while True:
            async with self.session.request(method, self.server + path, data=data, headers=headers) as answer:
                text = await answer.text()
                if answer.status < 400:
                    return json.loads(text)
                if answer.status != 429:
                    raise ApiError(answer.status, text)
            await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))

    async def find(self, path: str) -> dict[str, Any] | None:
        """Read one object; None when there is none."""
        try:
            found: dict[str, Any] = await self.ask("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    async def apply(self, path: str, manifest: Mapping[str, Any]) -> Any:
        """Write a manifest as a person would."""
        return await self.ask("PATCH", f"{path}?fieldManager=people&force=true", manifest, APPLY)

    async def remove(self, path: str, *, force: bool = False) -> None:
        """Delete; it is no error when it is gone. `force`: without any grace period."""
        with contextlib.suppress(ApiError):
            await self.ask("DELETE", path, {"gracePeriodSeconds": 0} if force else None)

    async def events(self, path: str, version: str) -> AsyncIterator[dict[str, Any]]:
        """Watch from a version on, until the stream ends."""
        joint = "&" if "?" in path else "?"
        url = f"{self.server}{path}{joint}watch=true&resourceVersion={version}&allowWatchBookmarks=true"
        async with self.session.get(url) as answer:
            async for line in lines(answer.content):
                yield json.loads(line)


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Cut a stream into lines of any length, without their ends."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line


def _credentials(kubeconfig: str) -> tuple[str, ssl.SSLContext]:
    config = yaml.safe_load(Path(kubeconfig).read_text())
    named = {
        kind: {each["name"]: each for each in config[kind]} for kind in ("contexts", "clusters", "users")
    }
    chosen = named["contexts"][config["current-context"]]["context"]
    cluster = named["clusters"][chosen["cluster"]]["cluster"]
    user = named["users"][chosen["user"]]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "client.pem"
        file.touch(mode=0o600)
        parts = (user["client-certificate-data"], user["client-key-data"])
        file.write_bytes(b"".join(base64.b64decode(part) for part in parts))
        context.load_cert_chain(file)
    return cluster["server"], context
