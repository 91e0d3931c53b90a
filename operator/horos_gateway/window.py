"""The page of the gateway: files of console/ as they are, and the session that lets a browser read events."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from horos_gateway.auth import COOKIE, SESSION_SECONDS, Authority, refuse_other_sites
from horos_gateway.problems import MediaTypeError, ProblemError, TooLargeError

FILES: Final = Path(__file__).parent / "console"
SESSION: Final = "/api/v1/session"
"""The cookie gets no path, so that a browser keeps it to this one's folder, also behind a proxy's prefix."""
FORM: Final = "application/x-www-form-urlencoded"
FORM_LIMIT: Final = 8192
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SAFETY: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",  # asked for again each time, and answered with 304 while it is the same
}

Endpoint = Callable[[Request], Awaitable[Response]]


def window_routes(authority: Authority) -> list[BaseRoute]:
    """Build the routes of the page; the page itself tells nothing and needs no token."""
    return [
        Route("/", _to_the_page("console/"), methods=["GET"]),
        Route("/console", _to_the_page("console/"), methods=["GET"]),
        Mount("/console", _Safe(StaticFiles(directory=FILES, html=True))),
        Route(SESSION, _begin_session(authority), methods=["POST"]),
        Route(SESSION, _end_session, methods=["DELETE"]),
    ]


class _Safe:
    """Adds to each answer what a browser needs to be strict."""

    def __init__(self, app: StaticFiles) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in SAFETY.items()]

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        await self._app(scope, receive, send_safely)


def _to_the_page(where: str) -> Endpoint:
    # Relative: behind a proxy the gateway does not know its own prefix.
    async def redirect(request: Request) -> Response:
        return RedirectResponse(where, headers=SAFETY)

    return redirect


def _begin_session(authority: Authority) -> Endpoint:
    async def begin_session(request: Request) -> Response:
        refuse_other_sites(request.headers, changes=True)
        form = await _form(request)
        authority.check_token(form.get("token", ""))
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE,
            authority.new_session(),
            max_age=SESSION_SECONDS,
            path=None,
            # The page knows how it came here; behind a proxy the gateway does not.
            secure=form.get("secure") == "yes",
            httponly=True,
            samesite="strict",
        )
        return response

    return begin_session


async def _end_session(request: Request) -> Response:
    refuse_other_sites(request.headers, changes=True)
    response = Response(status_code=204)
    response.set_cookie(COOKIE, "", max_age=0, path=None, httponly=True, samesite="strict")
    return response


async def _form(request: Request) -> dict[str, str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        raise MediaTypeError(f"Content-Type {media_type!r}: expected {FORM}", "Content-Type")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_LIMIT:
            raise TooLargeError(f"the form has more than {FORM_LIMIT} bytes", headers={"connection": "close"})
    try:
        fields = parse_qs(body.decode(), strict_parsing=bool(body), max_num_fields=8)
    except ValueError as error:
        raise ProblemError(f"the form cannot be read: {error}; expected token=...") from None
    return {name: values[-1] for name, values in fields.items()}
