"""How requests get to the gateway: the protocol that both ways (direct, API server's proxy) follow."""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

from horos.errors import (
    CannotReachError,
    HorosError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
)

API = "/api/v1"
"""Where the gateway's routes begin."""


PROBLEM = "urn:horos:problem:"
"""How the type of each of the gateway's problems begins."""


class Transport(Protocol):
    """A way to the gateway. Paths begin after `/api/v1`; every failure is a HorosError."""

    async def request(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Any:
        """Send JSON and return the decoded JSON answer."""
        ...

    def stream(self, path: str, headers: Mapping[str, str]) -> AsyncGenerator[bytes]:
        """Yield the bytes of a GET's answer as they come; CannotReachError when the connection breaks."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


def gateway_refusal(status: int, raw: bytes) -> HorosError:
    """Turn the gateway's own refusal (application/problem+json) into an error for a person."""
    said = _said(raw)
    if said is None:
        return CannotReachError(f"something that is not a horos gateway answered with status {status}")
    if status == 401:
        return NotAllowedError(
            f"the gateway does not accept the token: {said}; set HOROS_TOKEN to key `token` "
            "of the Secret horos-gateway in the release's namespace"
        )
    if status == 403:
        return NotAllowedError(said)
    if status == 404:
        return NotFoundError(said)
    if status == 503:
        return CannotReachError(said)
    return RefusedError(said)


def _said(raw: bytes) -> str | None:
    """Read what a problem says, or None when it is none of the gateway's."""
    try:
        problem = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(problem, dict) or not str(problem.get("type")).startswith(PROBLEM):
        return None
    return str(problem.get("detail") or problem.get("title"))
