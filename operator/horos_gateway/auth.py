"""Who may do what: today one static token for everything. The only module that changes when that does.

Programs show the token in a header. A browser shows it once and then carries a session: a cookie that says
until when, signed with the token, so that every replica can check it and none has to remember it.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from horos_gateway.problems import ForbiddenError, UnauthorizedError

PROXY_HEADER: Final = "x-horos-authorization"
"""The API server's service proxy strips Authorization, so that the token may travel here instead."""
COOKIE: Final = "horos-session"
PAGE_HEADER: Final = "x-horos-page"
"""Only our own page can send this with the cookie: for others a browser asks us first, and we never agree."""
SESSION_SECONDS: Final = 12 * 3600


class Verb(StrEnum):
    """What a caller wants to do with an agent."""

    WATCH = "get"
    TALK = "create agents/messages"
    DECIDE = "create agents/approvals"
    CONTROL = "patch"


class Authority:
    """Decides about each request before anything else looks at it."""

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        self._token = token.encode()
        self._clock = clock

    async def check(self, headers: Headers, verb: Verb, namespace: str, agent: str) -> None:
        """Raise UnauthorizedError unless the caller may do this; takes as long for every wrong token."""
        shown = _bearer(headers, PROXY_HEADER) or _bearer(headers, "authorization")
        if shown:
            self.check_token(shown)
        elif session := cookie_parser(headers.get("cookie", "")).get(COOKIE):
            self._check_session(session)
            refuse_other_sites(headers, changes=verb is not Verb.WATCH)
        else:
            raise UnauthorizedError(
                "show the token as 'Authorization: Bearer ...' or 'X-Horos-Authorization: Bearer ...'",
                headers={"www-authenticate": "Bearer"},
            )

    def check_token(self, shown: str) -> None:
        """Raise UnauthorizedError unless this is the gateway's token."""
        if not hmac.compare_digest(shown.encode(), self._token):
            raise UnauthorizedError(
                "the token is not the gateway's", headers={"www-authenticate": 'Bearer error="invalid_token"'}
            )

    def new_session(self) -> str:
        """Make the value of a session's cookie, good for SESSION_SECONDS."""
        until = str(int(self._clock()) + SESSION_SECONDS)
        return f"{until}.{self._signature(until)}"

    def _check_session(self, session: str) -> None:
        until, _, signature = session.partition(".")
        signed = hmac.compare_digest(signature.encode(), self._signature(until).encode())
        if not signed or int(until) <= self._clock():
            raise UnauthorizedError("the session is over: enter the token again")

    def _signature(self, until: str) -> str:
        return hmac.new(self._token, f"horos session until {until}".encode(), hashlib.sha256).hexdigest()


def refuse_other_sites(headers: Headers, *, changes: bool) -> None:
    """Raise ForbiddenError for what a browser sends on behalf of another site than our own page."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise ForbiddenError("a session is good for the gateway's own page only", "Sec-Fetch-Site")
    if changes and PAGE_HEADER not in headers:
        raise ForbiddenError("with a session's cookie the header X-Horos-Page: 1 is expected", "X-Horos-Page")


def _bearer(headers: Headers, name: str) -> str:
    scheme, _, token = headers.get(name, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
