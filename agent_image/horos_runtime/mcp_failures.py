"""What a failed request means: whether the server has it, and what people are told."""

from enum import Enum
from typing import Final

from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST, REQUEST_TIMEOUT
from pydantic import ValidationError

from horos_runtime.mcp_http import BROKEN_OFF, LOCKED_OUT, NOT_REACHED
from mcp import MCPError

REASON_CHARACTERS: Final = 500
CLOSED: Final = "Connection closed"
_BY_SDK: Final = (CLOSED, "SSE stream")
"""How the SDK begins what it says itself; a server may use the same code for errors of its own."""
_GONE: Final = "Session terminated"


class Fate(Enum):
    """What became of a request."""

    ANSWERED = 0
    """The server has answered with an error."""
    NOT_DONE = 1
    """The server has not begun it."""
    UNKNOWN = 2
    """The connection was lost when it had been sent."""


def fate(error: MCPError) -> Fate:
    """Say what became of the request that ended in this error."""
    match error.code:
        case code if code in (NOT_REACHED, LOCKED_OUT):
            return Fate.NOT_DONE
        case code if code == INVALID_REQUEST and error.message == _GONE:
            return Fate.NOT_DONE
        case code if code == BROKEN_OFF:
            return Fate.UNKNOWN
        case code if code == CONNECTION_CLOSED and error.message.startswith(_BY_SDK):
            return Fate.UNKNOWN
        case code if code == REQUEST_TIMEOUT and error.message.endswith("timed out"):
            return Fate.UNKNOWN
    return Fate.ANSWERED


def first(error: BaseException) -> BaseException:
    """Take an error out of the groups that task groups wrap it in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def why(error: BaseException) -> str:
    """Say in one line what went wrong, for people."""
    error = first(error)
    if isinstance(error, ValidationError):
        return _misfit(error)
    if isinstance(error, MCPError) and error.message == _GONE:
        return "it does not know this session any more"
    text = " ".join(str(error).split())[:REASON_CHARACTERS]
    if type(error).__module__.startswith("horos_runtime") or isinstance(error, MCPError):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _misfit(error: ValidationError) -> str:
    """Say where an answer is not as the protocol wants it; the names of our own types say nothing."""
    found = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in found["loc"] if not str(part)[:1].isupper())
    return f"{place or 'the answer'}: {found['msg']}"
