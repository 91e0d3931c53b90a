"""From a reply of the script to the chunks of an OpenAI-compatible answer; pure functions."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

from horos_model.scripted_script import Chunk, Fault, Match, Reply, Script

Json = dict[str, Any]

CREATED: Final = 1_700_000_000
"""A fixed `created`, so that the same script gives the same bytes."""

NOTHING_FOUND: Final = "(nothing found)"
"""The answer of a reply with `find` that finds nothing."""

_FAULTS: Final[Mapping[int, tuple[str, str, str | None]]] = {
    400: ("The request was refused.", "invalid_request_error", None),
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    403: ("The key has no access to this model.", "invalid_request_error", "permission_denied"),
    404: ("The model does not exist.", "invalid_request_error", "model_not_found"),
    429: ("Rate limit reached.", "rate_limit_error", "rate_limit_exceeded"),
}
_CONTEXT_LENGTH: Final = "This model's maximum context length is 8192 tokens; your messages resulted in more."


@dataclass(frozen=True)
class Step:
    """One chunk of a stream: the delta, and what happens before it is sent; `raw` is sent as it is."""

    delta: Json
    hold: bool
    pace_seconds: float
    raw: bytes = b""


def event(value: Json) -> bytes:
    """One server-sent event with JSON as its data."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def message_text(message: Json) -> str:
    """The text of a chat message, whether its content is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def last_user_text(messages: Sequence[Json]) -> str:
    """The text of the last user message, or nothing."""
    return next((message_text(m) for m in reversed(messages) if m.get("role") == "user"), "")


def fits(match: Match, request: Json, key: str | None) -> bool:
    """Whether a reply is for this request."""
    text = last_user_text(request["messages"])
    return (
        (match.text is None or match.text in text)
        and (match.pattern is None or re.search(match.pattern, text) is not None)
        and (match.model is None or match.model == request.get("model"))
        and (match.key is None or match.key == key)
    )


def history_error(messages: object) -> str | None:
    """Say why a real server would refuse these messages, or None: each tool call has one result after it."""
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        return "'messages' must be a list of at least one message."
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        role = message.get("role")
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                return f"messages[{index}]: a 'tool' message must answer a preceding 'tool_calls' once."
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            return f"messages[{index}]: 'tool_call_id's without a response: {', '.join(open_calls)}."
        if role not in {"system", "developer", "user", "assistant"}:
            return f"messages[{index}].role: {role!r} is none of system, developer, user, assistant, tool."
        open_calls = [str(call.get("id")) for call in message.get("tool_calls") or ()]
    return f"'tool_call_id's without a response: {', '.join(open_calls)}." if open_calls else None


def error_body(fault: Fault) -> Json:
    """OpenAI's error object for a fault."""
    message, kind, code = _FAULTS.get(fault.status, ("The server had an error.", "server_error", None))
    code = fault.code or code
    if code == "context_length_exceeded":
        message = _CONTEXT_LENGTH
    return {"error": {"message": fault.message or message, "type": kind, "param": None, "code": code}}


def steps(script: Script, reply: Reply, request: Json, number: int) -> list[Step]:
    """Everything that is streamed for the reply, in order, without the end of the stream."""
    default_pace = script.pace if reply.pace is None else reply.pace

    def step(delta: Json, hold: bool = False, pace: float | None = None) -> Step:
        return Step(delta, hold or reply.hold, (default_pace if pace is None else pace) / 1000)

    if reply.raw:
        return [replace(step({}), raw=_raw(each)) for each in reply.raw]
    texts = [step({"content": c.text}, c.hold, c.pace) for c in _chunks(reply, request)]
    calls = chain.from_iterable(_call_deltas(reply, number))
    found = [step(delta) for delta in _thoughts(reply)] + texts
    found += [step({"tool_calls": [delta]}) for delta in calls]
    if reply.error:
        error = {"error": {"message": reply.error.message, "code": reply.error.code}}
        found = [*found[: reply.error.after], replace(step({}), raw=event(error))]
    return found


def _raw(value: Json | str) -> bytes:
    return value.encode() + b"\n\n" if isinstance(value, str) else event(value)


def _thoughts(reply: Reply) -> list[Json]:
    pieces = _pieces(reply.reasoning or "", reply.chunk_size)
    if reply.reasoning_field != "think" or not pieces:
        return [{reply.reasoning_field: piece} for piece in pieces]
    return [{"content": piece} for piece in ("<think>", *pieces, "</think>")]


def finish_reason(reply: Reply) -> str:
    """Why the answer ends, as told to the client."""
    return reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")


def usage(reply: Reply, request: Json, sent: Sequence[Step]) -> Json | None:
    """The token numbers of an answer, words counted where none are given; None where none are told."""
    if reply.usage == "none":
        return None
    if reply.usage == "count":
        prompt = sum(len(message_text(m).split()) for m in request["messages"])
        completion = len(complete_message(sent).get("content", "").split()) + len(reply.tool_calls)
    else:
        prompt, completion = reply.usage.prompt_tokens, reply.usage.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def complete_message(sent: Sequence[Step]) -> Json:
    """The assistant message that the streamed steps add up to."""
    message: Json = {"role": "assistant", "content": "".join(s.delta.get("content", "") for s in sent)}
    for name in ("reasoning_content", "reasoning"):
        if thoughts := "".join(s.delta.get(name, "") for s in sent):
            message[name] = thoughts
    calls: list[Json] = []
    for piece in chain.from_iterable(s.delta.get("tool_calls", ()) for s in sent):
        if "name" in piece["function"]:
            calls.append(
                {k: v for k, v in piece.items() if k != "index"} | {"function": dict(piece["function"])}
            )
        else:
            calls[-1]["function"]["arguments"] += piece["function"]["arguments"]
    return message | ({"tool_calls": calls} if calls else {})


def _chunks(reply: Reply, request: Json) -> list[Chunk]:
    if reply.chunks:
        return [Chunk(text=c) if isinstance(c, str) else c for c in reply.chunks]
    if reply.echo:
        text = last_user_text(request["messages"])
    elif reply.find is not None:
        text = _found(reply.find, request["messages"])
    else:
        text = reply.text or ""
    return [Chunk(text=piece) for piece in _pieces(text, reply.chunk_size)]


def _found(pattern: str, messages: Sequence[Json]) -> str:
    found = [match[0] for message in messages for match in re.finditer(pattern, message_text(message))]
    return "\n".join(dict.fromkeys(found)) or NOTHING_FOUND


def _pieces(text: str, size: int | Sequence[int] | None) -> list[str]:
    if size is None:
        return re.findall(r"\s*\S+\s*$|\s*\S+", text) or ([text] if text else [])
    if isinstance(size, int):
        return [text[start : start + size] for start in range(0, len(text), size)]
    pieces = []
    for length in size:
        pieces.append(text[:length])
        text = text[length:]
    return [piece for piece in (*pieces, text) if piece]


def _call_deltas(reply: Reply, number: int) -> list[list[Json]]:
    calls = []
    for index, call in enumerate(reply.tool_calls):
        arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        call_id = f"call_{number}_{index}" if call.id is None else call.id
        first: Json = {"index": index, "type": "function", "function": {"name": call.name, "arguments": ""}}
        if call_id:
            first["id"] = call_id
        pieces = _pieces(arguments, reply.chunk_size)
        calls.append([first, *({"index": index, "function": {"arguments": p}} for p in pieces)])
    return calls
