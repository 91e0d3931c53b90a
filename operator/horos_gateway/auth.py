"""Who may do what: today one static token for everything. The only module that changes when that does."""

import hmac
from enum import StrEnum
from typing import Final

from starlette.datastructures import Headers

from horos_gateway.problems import UnauthorizedError

PROXY_HEADER: Final = "x-horos-authorization"
"""The API server's service proxy strips Authorization, so that the token may travel here instead."""


class Verb(StrEnum):
    """What a caller wants to do with an agent."""

    WATCH = "get"
    TALK = "create agents/messages"
    CONTROL = "patch"


class Authority:
    """Decides about each request before anything else looks at it."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    async def check(self, headers: Headers, verb: Verb, namespace: str, agent: str) -> None:
        """Raise UnauthorizedError unless the caller may do this; takes as long for every wrong token."""
        shown = _bearer(headers, PROXY_HEADER) or _bearer(headers, "authorization")
        if not shown:
            raise UnauthorizedError(
                "show the token as 'Authorization: Bearer ...' or 'X-Horos-Authorization: Bearer ...'",
                headers={"www-authenticate": "Bearer"},
            )
        if not hmac.compare_digest(shown.encode(), self._token):
            raise UnauthorizedError(
                "the token is not the gateway's", headers={"www-authenticate": 'Bearer error="invalid_token"'}
            )


def _bearer(headers: Headers, name: str) -> str:
    scheme, _, token = headers.get(name, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
