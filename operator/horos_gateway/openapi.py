"""The OpenAPI document, made from the same list and the same models as the routes."""

import inspect
import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from horos_gateway.auth import PROXY_HEADER
from horos_gateway.bodies import ProblemBody
from horos_gateway.inputs import MOST_POSTS, USUAL_POSTS
from horos_gateway.problems import MEDIA_TYPE
from horos_gateway.routes import Operation

Json = dict[str, Any]

ALWAYS: Final = (400, 401, 503)
"""Every operation may be refused with these."""
_NUMBERS: Final = ("start", "before", "limit")
_SCHEMAS: Final = "#/components/schemas/"
_PARAMETERS: Final[dict[str, str]] = {
    "namespace": "The Kubernetes namespace of the agent.",
    "name": "The name of the agent.",
    "group": "The name of the group.",
    "id": "The message's id, as sending it returned.",
    "thread": "One conversation of the agent.",
    "start": "Absolute index of the first record wanted; 0 or left out = from the first.",
    "before": "Absolute index of the first record not wanted any more; left out = up to the newest.",
    "limit": "Only so many of the records wanted: the newest of them; left out = all.",
    "after": "Begin behind this event; 0 = with the oldest kept; left out = with the next one to come.",
    "Idempotency-Key": "Sent again with the same key, a message is taken once (remembered for a day).",
    "Last-Event-ID": "As `after`, and stronger; what an EventSource sends when it reconnects.",
}
_OF_GROUPS: Final[dict[str, str]] = {
    "namespace": "The Kubernetes namespace of the group.",
    "after": "Only what lies behind this place, the oldest of it; 0 = with the oldest kept.",
    "before": "Only what lies before this place, the newest of it; left out = the newest of all.",
    "limit": f"At most so many messages, 1 to {MOST_POSTS}; left out = {USUAL_POSTS}.",
}
"""What a parameter means where it is about a group."""


def openapi_document(operations: Iterable[Operation]) -> Json:
    """Build the document that describes the operations."""
    listed = list(operations)
    models: set[type[BaseModel]] = {
        ProblemBody,
        *(o.answer for o in listed),
        *(o.body for o in listed if o.body),
    }
    _, definitions = models_json_schema(
        [(model, "serialization") for model in sorted(models, key=lambda m: m.__name__)],
        ref_template=_SCHEMAS + "{model}",
    )
    paths: dict[str, Json] = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    bearer = {"type": "http", "scheme": "bearer"}
    proxied = {"type": "apiKey", "in": "header", "name": PROXY_HEADER, "description": "Bearer and the token."}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "horos gateway",
            "version": version("horos"),
            "summary": "Talk to agents, watch them.",
        },
        "security": [{"bearer": []}, {"proxied": []}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"bearer": bearer, "proxied": proxied},
        },
    }


def _operation(operation: Operation) -> Json:
    summary = inspect.cleandoc(operation.handler.__doc__ or "")
    about_group = "{group}" in operation.path
    places = [(name, "path") for name in re.findall(r"{(\w+)}", operation.path)]
    places += [(name, "query") for name in operation.query] + [(name, "header") for name in operation.headers]
    described: Json = {
        "operationId": operation.handler.__name__,
        "summary": summary,
        "parameters": [_parameter(name, place, about_group=about_group) for name, place in places],
        "responses": {str(operation.status): _answer(operation)}
        | {str(status): _refusal(status) for status in sorted({*ALWAYS, *operation.refusals})},
    }
    if operation.body:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": _content("application/json", operation.body.__name__),
        }
    return described


def _parameter(name: str, place: str, *, about_group: bool) -> Json:
    number = name == "limit" if about_group else name in _NUMBERS
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": (_PARAMETERS | _OF_GROUPS if about_group else _PARAMETERS)[name],
        "schema": {"type": "integer", "minimum": 0} if number else {"type": "string"},
    }


def _answer(operation: Operation) -> Json:
    description = inspect.cleandoc(operation.answer.__doc__ or "")
    media_type = "text/event-stream" if operation.streams else "application/json"
    return {"description": description, "content": _content(media_type, operation.answer.__name__)}


def _refusal(status: int) -> Json:
    return {"description": HTTPStatus(status).phrase, "content": _content(MEDIA_TYPE, ProblemBody.__name__)}


def _content(media_type: str, schema: str) -> Json:
    return {media_type: {"schema": {"$ref": _SCHEMAS + schema}}}
