"""Every refusal of the gateway as an RFC 9457 problem: application/problem+json with a type of its own."""

import logging
from collections.abc import Mapping
from typing import Final, cast

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from horos_bus.connection import BusError, BusUnavailableError

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:horos:problem:"

log = logging.getLogger("horos.gateway")


class ProblemError(Exception):
    """A request that cannot be served; `field` names the part of it that is to blame, if one is."""

    status = 400
    kind = "bad-request"
    title = "The request cannot be understood"

    def __init__(self, detail: str, field: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})


class UnauthorizedError(ProblemError):
    """No token, or not the right one."""

    status, kind, title = 401, "unauthorized", "A valid token is needed"


class ForbiddenError(ProblemError):
    """The caller is known, but another site may be speaking for it."""

    status, kind, title = 403, "forbidden", "The request may come from another site"


class NotFoundError(ProblemError):
    """There is no such agent, thread or path."""

    status, kind, title = 404, "not-found", "There is no such thing"


class NoReplyYetError(ProblemError):
    """The request is not answered, or its answer was kept long enough."""

    status, kind, title = 404, "no-reply-yet", "There is no reply to this message"


class NeverAnsweredError(ProblemError):
    """The request ended without an answer; the detail says why."""

    status, kind, title = 410, "never-answered", "This message will not be answered"


class TerminatedError(ProblemError):
    """The agent is over for good."""

    status, kind, title = 410, "terminated", "The agent was terminated"


class NoTurnError(ProblemError):
    """There is nothing to cancel."""

    status, kind, title = 409, "no-turn", "No such turn is open"


class SuspendedError(ProblemError):
    """The agent may have no process."""

    status, kind, title = 409, "suspended", "The agent is suspended"


class QueuedError(ProblemError):
    """The agent waits for a process and has none to give up."""

    status, kind, title = 409, "queued", "The agent has no process"


class DecidedError(ProblemError):
    """Somebody, or the deadline, was first and decided otherwise."""

    status, kind, title = 409, "already-decided", "It was decided already"


class TooLargeError(ProblemError):
    """The text is longer than a message may be."""

    status, kind, title = 413, "too-large", "The message is too large"


class MediaTypeError(ProblemError):
    """The body is not said to be JSON."""

    status, kind, title = 415, "media-type", "Only application/json is understood"


class InboxFullError(ProblemError):
    """Too many messages wait for the agent."""

    status, kind, title = 429, "inbox-full", "The agent's inbox is full"


class MethodError(ProblemError):
    """The path exists, but not for this method."""

    status, kind, title = 405, "method", "The method is not allowed"


class DefectError(ProblemError):
    """Something that must not happen happened."""

    status, kind, title = 500, "defect", "The gateway has a defect"


class BusDownError(ProblemError):
    """Redis cannot be reached."""

    status, kind, title = 503, "bus-unavailable", "The message bus cannot be reached"


class BusRefusesError(ProblemError):
    """Redis answers, and refuses: it is full, or the gateway's user lacks a right."""

    status, kind, title = 503, "bus-refuses", "The message bus refuses the request"


def problem_response(problem: ProblemError) -> Response:
    """Build the response of a problem."""
    body: dict[str, str | int] = {
        "type": TYPE_PREFIX + problem.kind,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.field:
        body["field"] = problem.field
    return Response(orjson.dumps(body), problem.status, problem.headers, MEDIA_TYPE)


async def on_problem(request: Request, error: Exception) -> Response:
    """Answer a problem that a route raised."""
    return problem_response(cast("ProblemError", error))


async def on_bus_error(request: Request, error: Exception) -> Response:
    """Answer 503 when Redis cannot serve: the caller may try again with the same Idempotency-Key."""
    log.warning("%s %s: %s", request.method, request.url.path, error)
    if isinstance(error, BusUnavailableError):
        detail = "the gateway cannot reach the message bus; try again in a moment"
        return problem_response(BusDownError(detail, headers={"retry-after": "2"}))
    detail = "the message bus is full or refuses the gateway's user; the gateway's log says more"
    return problem_response(BusRefusesError(detail, headers={"retry-after": "30"}))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer what the router refused: an unknown path or method."""
    refused = cast("HTTPException", error)
    if refused.status_code == 405:
        return problem_response(MethodError(f"{request.method} is not possible here", "", refused.headers))
    return problem_response(NotFoundError(f"there is no route {request.url.path}"))


async def on_defect(request: Request, error: Exception) -> Response:
    """Answer a defect of the gateway without its inside; the server logs the traceback."""
    return problem_response(DefectError("the gateway's log says more"))


HANDLERS: Final = {
    ProblemError: on_problem,
    BusError: on_bus_error,
    HTTPException: on_http_error,
    Exception: on_defect,
}
