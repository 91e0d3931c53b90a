"""How servers differ in what they take: a field that one refuses is left out or spelt another way.

Only a refusal that names the field is an objection; every other refusal is for a person to see.
"""

import re
from collections.abc import Collection
from enum import StrEnum, auto
from typing import Final, NamedTuple

from horos_runtime.model_errors import ModelRefusedError


class Concession(StrEnum):
    """What is done differently for a server that objected."""

    SCHEMA_AS_TEXT = auto()
    """The schema of the answer stands in the instructions, not in `response_format`."""
    NO_USAGE = auto()
    """No `stream_options`: the server does not tell the usage of a stream."""
    NEW_OUTPUT_LIMIT = auto()
    """`max_completion_tokens` instead of `max_tokens`."""


class _Objection(NamedTuple):
    field: str
    """The field of the body that may be objected to."""
    said: re.Pattern[str]
    concession: Concession


_OBJECTIONS: Final = (
    _Objection("max_tokens", re.compile("max_completion_tokens"), Concession.NEW_OUTPUT_LIMIT),
    _Objection("stream_options", re.compile("stream_options|include_usage"), Concession.NO_USAGE),
    _Objection(
        "response_format",
        # llama.cpp and vLLM know the field, but not together with tools, and then speak of the grammar.
        re.compile("response.?format|json.?schema|json.?mode|grammar|structured|guided", re.IGNORECASE),
        Concession.SCHEMA_AS_TEXT,
    ),
)
_STATUSES: Final = frozenset({400, 422})


def concession_for(refusal: ModelRefusedError, fields: Collection[str]) -> Concession | None:
    """Say what to do differently after a refusal of a body with these fields; None when that is no help."""
    if refusal.status not in _STATUSES:
        return None
    for objection in _OBJECTIONS:
        if objection.field in fields and objection.said.search(str(refusal)):
            return objection.concession
    return None
