"""What can go wrong with a model, sorted by what to do about it.

ModelError
├── TransientModelError      try again, perhaps later
├── ContextLengthError       send less
├── ModelRefusedError        somebody must change the configuration
├── UnfitAnswerError         the model does not keep to the schema of the answer
├── BudgetExhaustedError     the agent may not ask any more for now
└── OutOfTimeError           the turn's time is over
"""

import re
from typing import Final

from horos_api.conditions import Reason
from horos_api.model_choice import ModelChoice

_TOO_LONG: Final = re.compile(
    r"context[_ ](length|window|size)|maximum context|too many tokens|prompt is too long|input is too long",
    re.IGNORECASE,
)
_WORTH_ANOTHER_TRY: Final = frozenset({408, 409, 425, 429})
_OUT_OF_MONEY: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes that OpenAI sends with a 429, although waiting does not help."""


class ModelError(Exception):
    """A model call that gave no answer."""


class TransientModelError(ModelError):
    """The server is down, busy, or broke off; `retry_after` is its wish in seconds.

    `silent`: it said nothing for as long as anybody would wait.
    """

    def __init__(self, message: str, retry_after: float | None = None, *, silent: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.silent = silent


class ContextLengthError(ModelError):
    """The request is larger than the window of `model`, None while nobody has said which that is."""

    model: ModelChoice | None = None


class ModelRefusedError(ModelError):
    """The server refuses for good, or there is nothing to ask; `reason` is for the agent's condition.

    `status` is the server's, None when it was not asked.
    """

    def __init__(self, reason: Reason, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status


class UnfitAnswerError(ModelError):
    """The final answer does not satisfy the spec's schema, also when asked anew; the message says why."""


class BudgetExhaustedError(ModelError):
    """The agent has used up what it may use in a day; the message says what, and when that ends."""


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
            Reason.MODEL_REFUSES_KEY, f"{text}; check the API key (spec.model.apiKeySecretRef)", status
        )
    if status == 402 or code in _OUT_OF_MONEY:
        return ModelRefusedError(
            Reason.MODEL_REFUSES_KEY, f"{text}; check the account of the API key with the provider", status
        )
    if status in _WORTH_ANOTHER_TRY or status >= 500:
        return TransientModelError(text, retry_after)
    return ModelRefusedError(Reason.MODEL_MISCONFIGURED, f"{text}; check spec.model", status)


def error_in_answer(server: str, error: object) -> ModelError:
    """Sort an error object that came as data, with HTTP 200 or in the middle of a stream.

    A number as its code is a status; without one it is worth another try, since the request was accepted.
    """
    fields = error if isinstance(error, dict) else {"message": error}
    message = fields.get("message")
    said = message if isinstance(message, str) and message else str(error)
    code = str(fields.get("code") or fields.get("type") or "")
    if code.isdecimal() and 400 <= int(code) <= 599:
        return error_of_status(server, int(code), "", said, None)
    if code == "context_length_exceeded" or _too_long(said):
        return ContextLengthError(f"{server} said: {said}")
    if code in _OUT_OF_MONEY:
        return error_of_status(server, 429, code, said, None)
    return TransientModelError(f"{server} said: {said}")


def _too_long(message: str) -> bool:
    return _TOO_LONG.search(message) is not None
