"""What a scripted model answers: the script file's shape, read and checked before the server starts."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator
from pydantic.alias_generators import to_camel


class ScriptError(ValueError):
    """A script cannot be used; the message names each field, its value and what was expected."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"expected a regular expression; {error}") from None
    return pattern


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, str_max_length=1 << 20
    )


class Match(_Part):
    """Which requests a reply is for; every given field must fit."""

    text: str | None = None
    """A part of the last user message."""
    pattern: Annotated[str, AfterValidator(_compiles)] | None = None
    """A regular expression found in the last user message."""
    model: str | None = None
    """The model's name in the request."""
    key: str | None = None
    """The API key that the request carries."""


class Chunk(_Part):
    """One piece of streamed text."""

    text: str
    hold: bool = False
    """Wait for `POST /control/step` before sending it."""
    pace: float | None = Field(default=None, ge=0)
    """Milliseconds before it is sent; unset = the reply's."""


class ToolCall(_Part):
    """A tool that the model asks for."""

    name: str
    arguments: dict[str, JsonValue] | str = Field(default_factory=dict)
    """An object, or a string that is sent as it is, so that it can be broken JSON."""
    id: str | None = None
    """Unset = `call_<request>_<index>`; empty = no id at all, as some servers do."""


class Fault(_Part):
    """An HTTP error in OpenAI's shape instead of an answer."""

    status: int = Field(ge=400, le=599)
    code: str | None = None
    """OpenAI's error code; unset = the usual one of the status, for instance `invalid_api_key`."""
    message: str | None = None
    retry_after: Annotated[float, Field(ge=0)] | str | None = None
    """Sent as the header Retry-After: seconds, or a text as it is, for instance a date."""


class StreamError(_Part):
    """An error that comes as data in the middle of a stream, which then ends."""

    after: int = Field(default=0, ge=0)
    """After so many chunks."""
    message: str = "The server had an error while processing your request."
    code: str | int | None = None


class UsageCount(_Part):
    """Token numbers to report instead of counted words."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class Reply(_Part):
    """One answer: text, tool calls or both; or an echo, a fault, raw events, or garbage."""

    match: Match = Match()
    text: str | None = None
    chunk_size: int | tuple[Annotated[int, Field(ge=1)], ...] | None = None
    """Characters per chunk, or the sizes one after the other (the rest is the last); unset = by words."""
    chunks: tuple[str | Chunk, ...] = ()
    echo: bool = False
    """Answer with the text of the last user message."""
    find: Annotated[str, AfterValidator(_compiles)] | None = None
    """Answer with all that this regular expression finds in the messages, a line each, nothing twice."""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None
    """What the model thinks before it answers, cut into chunks like the text."""
    reasoning_field: Literal["reasoning_content", "reasoning", "think"] = "reasoning_content"
    """Where it is sent; `think`: in `<think>` tags at the beginning of the text."""
    fault: Fault | None = None
    raw: tuple[dict[str, JsonValue] | str, ...] = ()
    """The whole stream: an object is sent as `data: <JSON>`, a text as a line as it is."""
    garbage: str | None = None
    """Sent byte for byte as the body of a 200 instead of a stream of events."""
    content_type: str = "text/event-stream"
    """Of the garbage."""
    pace: float | None = Field(default=None, ge=0)
    """Milliseconds before each chunk; unset = the script's."""
    hold: bool = False
    """Wait for `POST /control/step` before each chunk."""
    hold_start: bool = False
    """Wait for `POST /control/step` before anything is sent, also the head of the HTTP answer."""
    hold_end: bool = False
    """Wait for `POST /control/step` behind the last chunk before the stream is closed."""
    cut_after: int | None = Field(default=None, ge=0)
    """Close the connection after so many chunks, without an end."""
    error: StreamError | None = None
    whole: bool = False
    """Answer with one JSON object, although a stream was asked for."""
    done: bool = True
    """End the stream with `data: [DONE]`."""
    usage: UsageCount | Literal["count", "none"] = "count"
    usage_in: Literal["end", "last", "every"] = "end"
    """In a chunk of its own at the end, in the last chunk of the answer, or in every chunk."""
    finish_reason: str | None = None
    """Unset = `tool_calls` when there are some, else `stop`."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if isinstance(self.chunk_size, int) and self.chunk_size < 1:
            raise ValueError(f"chunkSize: expected at least 1, not {self.chunk_size}")
        texts = [
            name
            for name, given in (
                ("text", self.text is not None),
                ("chunks", bool(self.chunks)),
                ("echo", self.echo),
                ("find", self.find is not None),
            )
            if given
        ]
        if len(texts) > 1:
            raise ValueError(f"expected one of text, chunks, echo and find, not {' and '.join(texts)}")
        kinds = [
            name
            for name, given in (
                ("text or toolCalls", bool(texts or self.tool_calls)),
                ("fault", self.fault is not None),
                ("raw", bool(self.raw)),
                ("garbage", self.garbage is not None),
            )
            if given
        ]
        if len(kinds) != 1:
            given_kinds = " and ".join(kinds) or "nothing"
            raise ValueError(
                f"expected text, chunks, echo, find or toolCalls, a fault, raw or garbage; not {given_kinds}"
            )
        return self


class Script(_Part):
    """A whole script. A request gets the first reply not used yet that matches it."""

    replies: tuple[Reply, ...] = Field(min_length=1)
    repeat: Literal["last", "loop", "error"] = "error"
    """When all replies that match are used up: the last again, from the first again, or HTTP 500."""
    models: tuple[str, ...] = Field(default=("scripted",), min_length=1)
    """What `GET /v1/models` lists; requests may name any model."""
    api_key: str | None = None
    """Requests that do not carry it get a 401; unset = any key will do."""
    pace: float = Field(default=0, ge=0)
    """Milliseconds before each chunk."""


def parse_script(document: object) -> Script:
    """Check a script that was read from YAML or JSON; raises ScriptError."""
    try:
        return Script.model_validate(document)
    except ValidationError as error:
        raise ScriptError("\n".join(_readable(error))) from None


def load_script(path: Path) -> Script:
    """Read a script file, YAML or JSON; raises ScriptError, also when the file cannot be read."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScriptError(f"{path}: cannot be read as YAML or JSON: {error}") from None
    try:
        return parse_script(document)
    except ScriptError as error:
        raise ScriptError(f"{path}: {error}") from None


def _readable(error: ValidationError) -> list[str]:
    lines = []
    for found in error.errors(include_url=False):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in found["loc"])
        value = repr(found["input"])
        shown = value if len(value) <= 80 else value[:77] + "..."
        what = "unknown field" if found["type"] == "extra_forbidden" else found["msg"]
        lines.append(f"{place.lstrip('.') or 'script'}: {what} (value: {shown})")
    return lines
