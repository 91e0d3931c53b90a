"""Reads one chunk of a completion in all the shapes that servers give it; pure, and never raises.

What is not understood is left out: a chunk of nonsense reads as one that says nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from horos_runtime.records import TokenUsage

REASONING_FIELDS: Final = ("reasoning_content", "reasoning", "thinking")
"""Where thoughts are, the first one that is filled: some servers send the same under two names.

DeepSeek, vLLM, SGLang and llama.cpp; OpenRouter, Groq, newer vLLM and Ollama; a few others.
"""
_USAGE_FIELDS: Final = (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens"))


@dataclass(frozen=True)
class CallPiece:
    """A piece of a tool call; what was not said is None or empty."""

    index: int | None
    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Chunk:
    """What one chunk says."""

    reasoning: str = ""
    text: str = ""
    calls: tuple[CallPiece, ...] = ()
    finish: str = ""
    usage: TokenUsage | None = None
    closing: bool = False
    """It has no choice: only what belongs to the whole answer."""


def read_chunk(chunk: object) -> Chunk:
    """Read a chunk as decoded JSON; a whole answer reads like one large chunk."""
    fields = _object(chunk)
    choices = fields.get("choices") or []
    usage = _usage(fields.get("usage")) or _usage(_object(fields.get("x_groq")).get("usage"))
    if not isinstance(choices, list) or not choices:
        return Chunk(usage=usage, closing=choices == [])
    choice = next((each for each in map(_object, choices) if _is_first(each)), {})
    delta = _object(choice.get("delta")) or _object(choice.get("message"))
    content = delta.get("content") or delta.get("refusal")
    return Chunk(
        reasoning=_reasoning(delta) or _parts(content, "thinking"),
        text=content if isinstance(content, str) else _parts(content, "text"),
        calls=tuple(_calls(delta)),
        finish=_text(choice.get("finish_reason")),
        usage=usage or _usage(choice.get("usage")),
    )


def _is_first(choice: dict[str, Any]) -> bool:
    return bool(choice) and not choice.get("index")


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _reasoning(delta: dict[str, Any]) -> str:
    for name in REASONING_FIELDS:
        if found := _text(delta.get(name)):
            return found
    # OpenRouter's list of blocks, for models whose thoughts come as text or summary.
    details = delta.get("reasoning_details")
    blocks = map(_object, details) if isinstance(details, list) else ()
    return "".join(_text(block.get("text")) or _text(block.get("summary")) for block in blocks)


def _parts(content: object, kind: str) -> str:
    """Join the parts of one kind of a content that is a list; Mistral's thoughts are a list again."""
    if not isinstance(content, list):
        return ""
    found = []
    for part in content:
        if isinstance(part, str):
            found.append(part if kind == "text" else "")
        elif isinstance(part, dict) and part.get("type", "text") == kind:
            value = part.get(kind)
            found.append(_text(value) or _parts(value, "text"))
    return "".join(found)


def _calls(delta: dict[str, Any]) -> Iterator[CallPiece]:
    pieces = delta.get("tool_calls")
    for piece in map(_object, pieces if isinstance(pieces, list) else ()):
        yield _call(piece, _object(piece.get("function")))
    if isinstance(delta.get("function_call"), dict):
        yield _call({"index": 0}, delta["function_call"])


def _call(piece: dict[str, Any], function: dict[str, Any]) -> CallPiece:
    arguments = function.get("arguments")
    return CallPiece(
        index=_number(piece.get("index")),
        id=_text(piece.get("id")),
        name=_text(function.get("name")),
        arguments=orjson.dumps(arguments).decode() if isinstance(arguments, dict) else _text(arguments),
    )


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _usage(usage: object) -> TokenUsage | None:
    fields = _object(usage)
    for names in _USAGE_FIELDS:
        prompt, completion = (_number(fields.get(name)) for name in names)
        if prompt is not None and completion is not None and prompt >= 0 and completion >= 0:
            return {"prompt": prompt, "completion": completion}
    return None
