"""What a request says, part by part: each function returns the checked value or raises the problem."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import uuid4

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from horos_api.names import (
    BODY_BYTES,
    agent_name_error,
    group_name_error,
    namespace_name_error,
    thread_name_error,
)
from horos_gateway.bodies import CancelBody, MessageBody
from horos_gateway.decision_bodies import REASON_BYTES, WHO_LENGTH, DecisionBody
from horos_gateway.group_bodies import GroupMessageBody
from horos_gateway.problems import MediaTypeError, ProblemError, TooLargeError

Body = TypeVar("Body", bound=BaseModel)
RAW_LIMIT: Final = 6 * BODY_BYTES + 4096
"""JSON may write one byte of text as the six of an escape."""
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_EVENT_ID = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
_APPROVAL_ID = re.compile(r"[!-~]{1,256}")
_NAME_OF_A_PERSON = re.compile(rf"\S(.{{0,{WHO_LENGTH - 2}}}\S)?")
_PLACE = re.compile(r"([0-9]{1,15})(-[0-9]{1,15})?")
_LARGEST = 2**64 - 1
USUAL_POSTS: Final = 100
MOST_POSTS: Final = 1000
"""How many messages of a group are read at once: where nothing is said, and at most."""


def namespace_of(request: Request) -> str:
    """The namespace in the path."""
    name: str = request.path_params["namespace"]
    if error := namespace_name_error(name):
        raise ProblemError(error, "namespace")
    return name


def agent_of(request: Request) -> str:
    """The agent's name in the path."""
    name: str = request.path_params["name"]
    if error := agent_name_error(name):
        raise ProblemError(error, "name")
    return name


def group_of(request: Request) -> str:
    """The group's name in the path."""
    name: str = request.path_params["group"]
    if error := group_name_error(name):
        raise ProblemError(error, "group")
    return name


def thread_in_path(request: Request) -> str:
    """The thread in the path."""
    return _thread(request.path_params["thread"])


def thread_in_query(request: Request) -> str | None:
    """The thread asked for, or None: all of them."""
    thread = request.query_params.get("thread")
    return None if thread is None else _thread(thread)


def message_id_of(request: Request) -> str:
    """The message's id in the path."""
    mid: str = request.path_params["id"]
    if not _MESSAGE_ID.fullmatch(mid):
        raise ProblemError(f"message id {mid!r}: expected 1 to 64 of A-Z a-z 0-9 _ -", "id")
    return mid


@dataclass(frozen=True)
class Span:
    """Which records of a thread are wanted: all of `start` to `before`, or the newest `limit` of them."""

    start: int
    before: int | None
    limit: int | None

    def within(self, length: int) -> range:
        """The absolute indexes wanted of a thread of this length; past its end none."""
        end = length if self.before is None else min(self.before, length)
        start = self.start if self.limit is None else max(self.start, end - self.limit)
        return range(start, max(start, end))


def span_of(request: Request) -> Span:
    """Which records are asked for."""
    return Span(
        start=_number(request, "start") or 0,
        before=_number(request, "before"),
        limit=_number(request, "limit", least=1),
    )


@dataclass(frozen=True)
class Page:
    """Which messages of a group are wanted: the first `limit` behind `after`, or the last before `before`."""

    after: str | None
    before: str | None
    limit: int


def page_of(request: Request) -> Page:
    """Which messages are asked for."""
    after, before = (
        _place(value, field) if (value := request.query_params.get(field)) else None
        for field in ("after", "before")
    )
    if after is not None and before is not None:
        raise ProblemError("after and before: expected one of them, not both", "before")
    limit = _number(request, "limit", least=1)
    if limit is not None and limit > MOST_POSTS:
        raise ProblemError(f"limit {limit}: expected at most {MOST_POSTS}", "limit")
    return Page(after, before, limit or USUAL_POSTS)


def _number(request: Request, name: str, least: int = 0) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) < least:
        raise ProblemError(f"{name} {text[:80]!r}: expected a whole number, {least} or more", name)
    return int(text)


def after_of(request: Request) -> str | None:
    """The event to resume behind, or None: only what comes from now on. Last-Event-ID wins over the query."""
    for field, value in (
        ("Last-Event-ID", request.headers.get("last-event-id")),
        ("after", request.query_params.get("after")),
    ):
        if value:
            return _event_id(value, field)
    return None


def place_after_of(request: Request) -> str | None:
    """The message to resume behind, or None: only what comes from now on."""
    after = after_of(request)
    named = "Last-Event-ID" if request.headers.get("last-event-id") else "after"
    return None if after is None else _place(after, named)


def _place(value: str, field: str) -> str:
    parts = _PLACE.fullmatch(value)
    if not parts:
        raise ProblemError(f"{field} {value[:80]!r}: expected the id of a message, or 0", field)
    return value if parts[2] else f"{value}-0"


def refuse_unknown_queries(request: Request, known: Collection[str]) -> None:
    """Refuse a misspelt query parameter instead of ignoring it."""
    for name in request.query_params:
        if name not in known:
            expected = f"expected {', '.join(known)}" if known else "none is expected here"
            raise ProblemError(f"unknown query parameter {name!r}; {expected}", name)


def message_id_for(request: Request, agent: str) -> str:
    """The id of a new message: always the same for an agent and an Idempotency-Key, always new without."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return f"m-{uuid4().hex}"
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise ProblemError("Idempotency-Key: expected 1 to 255 visible ASCII characters", "Idempotency-Key")
    # Replies are kept by message id alone, so that two agents must not share one.
    return f"k-{hashlib.sha256(f'{agent} {key}'.encode()).hexdigest()[:32]}"


async def message_of(request: Request) -> MessageBody:
    """The message in the body."""
    message = _checked(MessageBody, await _json(request))
    _check_text(message.text, "to the agent")
    _thread(message.thread)
    return message


async def group_message_of(request: Request) -> GroupMessageBody:
    """The message to a group in the body."""
    message = _checked(GroupMessageBody, await _json(request))
    _check_text(message.text, "to the group")
    for place, name in enumerate(message.mentions):
        if error := agent_name_error(name):
            raise ProblemError(error, f"mentions.{place}")
    if message.who:
        _check_person(message.who)
    return message


def _check_text(text: str, whom: str) -> None:
    if not text.strip():
        raise ProblemError(f"text is empty; expected what to say {whom}", "text")
    if (size := len(text.encode())) > BODY_BYTES:
        raise TooLargeError(f"text has {size} bytes; expected at most {BODY_BYTES}", "text")


def _check_person(who: str) -> None:
    if not _NAME_OF_A_PERSON.fullmatch(who) or not who.isprintable():
        expected = f"expected 1 to {WHO_LENGTH} printable characters, no space at either end"
        raise ProblemError(f"who {who[:80]!r}: {expected}", "who")


async def cancel_of(request: Request) -> CancelBody:
    """Which turn to end; the body may be left out."""
    if not request.headers.get("content-type") and request.headers.get("content-length", "0") == "0":
        return CancelBody()
    wanted = _checked(CancelBody, await _json(request))
    if wanted.run_id and not _EVENT_ID.fullmatch(wanted.run_id):
        raise ProblemError(f"run id {wanted.run_id[:80]!r}: expected the runId of an event", "runId")
    return wanted


async def decision_of(request: Request, agent: str) -> DecisionBody:
    """What a person decides of this agent's."""
    wanted = _checked(DecisionBody, await _json(request))
    if not _APPROVAL_ID.fullmatch(wanted.id) or wanted.id.partition("/")[0] != agent:
        said = repr(wanted.id[:80])
        raise ProblemError(f"id {said}: expected what waits for a decision of {agent}: {agent}/...", "id")
    if (size := len(wanted.reason.encode())) > REASON_BYTES:
        raise TooLargeError(f"reason has {size} bytes; expected at most {REASON_BYTES}", "reason")
    _check_person(wanted.who)
    return wanted


async def _json(request: Request) -> object:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise MediaTypeError(f"Content-Type {media_type!r}: expected application/json", "Content-Type")
    try:
        document: object = orjson.loads(await _raw_body(request))
    except ValueError as error:
        raise ProblemError(f"the body is not JSON: {error}") from None
    return document


def _checked(model: type[Body], document: object) -> Body:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _body_problem(error, model) from None


async def _raw_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > RAW_LIMIT:
            raise TooLargeError(f"the body has more than {RAW_LIMIT} bytes", headers={"connection": "close"})
    return bytes(body)


def _body_problem(error: ValidationError, model: type[BaseModel]) -> ProblemError:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(step) for step in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(each.alias or name for name, each in model.model_fields.items())
        return ProblemError(f"unknown field {field!r}; expected {known}", field)
    if first["type"] == "missing":
        return ProblemError(f"{field} is missing", field)
    return ProblemError(f"{field or 'the body'}: {first['msg']}, not {repr(first['input'])[:80]}", field)


def _thread(thread: str) -> str:
    if error := thread_name_error(thread):
        raise ProblemError(error, "thread")
    return thread


def _event_id(value: str, field: str) -> str:
    parts = _EVENT_ID.fullmatch(value)
    if not parts or any(int(part) > _LARGEST for part in parts.groups() if part):
        raise ProblemError(f"event id {value[:80]!r}: expected the id of an event, or 0", field)
    return value
