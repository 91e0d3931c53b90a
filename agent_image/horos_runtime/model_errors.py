"""What can go wrong with a model, sorted by what to do about it.

ModelError
├── TransientModelError      try again, perhaps later
├── ContextLengthError       send less
├── ModelRefusedError        somebody must change the configuration
└── OutOfTimeError           the turn's time is over
"""

import re
from typing import Final

from horos_api.conditions import Reason

_TOO_LONG: Final = re.compile(
    r"context[_ ](length|window|size)|maximum context|too many tokens|prompt is too long|input is too long",
    re.IGNORECASE,
)
_WORTH_ANOTHER_TRY: Final = frozenset({408, 409, 425, 429})


class ModelError(Exception):
    """A model call that gave no answer."""


class TransientModelError(ModelError):
    """The server is down, busy, or broke off; `retry_after` is its wish in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ContextLengthError(ModelError):
    """The request is larger than the model's window."""


class ModelRefusedError(ModelError):
    """The server refuses for good, or there is nothing to ask; `reason` is for the agent's condition."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class OutOfTimeError(ModelError):
    """The turn's time ended before the model had answered; the message is the last thing that went wrong."""


def error_of_status(
    server: str, status: int, code: str, message: str, retry_after: float | None
) -> ModelError:
    """Sort an HTTP error: `code` is OpenAI's error code or empty, `retry_after` in seconds."""
    text = f"{server} answered {status}: {message}"
    if status == 413 or (400 <= status < 500 and (code == "context_length_exceeded" or _too_long(message))):
        return ContextLengthError(text)
    if status in (401, 403):
        return ModelRefusedError(
            Reason.MODEL_REFUSES_KEY, f"{text}; check the API key (spec.model.apiKeySecretRef)"
        )
    if status in _WORTH_ANOTHER_TRY or status >= 500:
        return TransientModelError(text, retry_after)
    return ModelRefusedError(Reason.MODEL_MISCONFIGURED, f"{text}; check spec.model")


def _too_long(message: str) -> bool:
    return _TOO_LONG.search(message) is not None
