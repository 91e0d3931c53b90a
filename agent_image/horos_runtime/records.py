"""Records of a context: chat messages as they lie in Redis, with the fields that are horos' own."""

from typing import Final, Literal, Required, TypedDict

import orjson

from horos_api.messages import Message


class FunctionCall(TypedDict):
    """The name of a tool and its arguments, as the text the model wrote."""

    name: str
    arguments: str


class ToolCall(TypedDict):
    """One call that an assistant step asks for."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class TokenUsage(TypedDict):
    """What one model call cost."""

    prompt: int
    completion: int


Role = Literal["user", "assistant", "tool"]

Record = TypedDict(
    "Record",
    {
        "role": Required[Role],
        "content": Required[str],
        "tool_calls": list[ToolCall],
        "tool_call_id": str,
        "run": str,
        "by": str,
        "mid": str,
        "from": str,
        "usage": TokenUsage,
    },
    total=False,
)
"""`run` is the turn, `by` the token of the author, `mid` and `from` the message it came from."""

OUTCOME_UNKNOWN: Final = (
    "error: the agent was interrupted while this tool ran; whether it took effect is unknown. "
    "Check before you call it again."
)


def user_record(message: Message, run: str) -> Record:
    """Turn a message of the inbox into what the model reads."""
    return {"role": "user", "content": message.body, "mid": message.mid, "from": message.sender, "run": run}


def tool_record(call_id: str, content: str, run: str, by: str) -> Record:
    """Build the one result of a tool call."""
    return {"role": "tool", "tool_call_id": call_id, "content": content, "run": run, "by": by}


def dump(record: Record) -> bytes:
    """Encode a record for Redis."""
    return orjson.dumps(record)


def load(entry: bytes) -> Record:
    """Decode a record from Redis; raises ValueError for what no horos wrote."""
    record: Record = orjson.loads(entry)
    return record


def missing_calls(records: list[Record]) -> list[ToolCall]:
    """List the calls of the last assistant step that have no result yet, in the model's order."""
    answered: set[str] = set()
    for record in reversed(records):
        if record["role"] == "tool":
            answered.add(record.get("tool_call_id", ""))
        elif record["role"] == "assistant":
            return [call for call in record.get("tool_calls", []) if call["id"] not in answered]
    return []
