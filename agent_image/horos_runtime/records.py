"""Records of a context: chat messages as they lie in Redis, with the fields that are horos' own."""

from typing import Final, Literal, NotRequired, Required, TypedDict

import orjson

from horos_api.messages import Message, MessageKind, Verdict


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
    """What one model call cost.

    `estimate` is what we had guessed of its prompt; `estimated`: its server did not say, all is a guess.
    """

    prompt: int
    completion: int
    estimate: NotRequired[int]
    estimated: NotRequired[Literal[True]]


class Ceiling(TypedDict):
    """What a refused request taught: with this model and window no more than `room` estimated tokens."""

    model: str
    window: int
    room: int


Role = Literal["user", "assistant", "tool", "compaction"]

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
        "kind": MessageKind,
        "re": str,
        "group": str,
        "error": bool,
        "verdict": Verdict,
        "approval": str,
        "approved": bool,
        "usage": TokenUsage,
        "together": list[list[str]],
        "ref": str,
        "model": str,
        "reasoning": str,
        "through": int,
        "drop": int,
        "trim": int,
        "ceiling": Ceiling,
        "marks": list[list[int]],
    },
    total=False,
)
"""`run` is the turn, `by` the author's token; `mid`, `from`, `kind`, `re` and `error` are the message's.

`group` of a user record: it tells what the agent has not read of that group, up to where it was called.

`verdict` of a user record: what a person, `from`, decided about the approval `re`. `approval` of a tool's
result: the call waits for that one. `approved` of an assistant's step: people have allowed its calls, which
have the ids of their approvals.
`together` of an assistant's step: the ids of calls that run at once. `ref` of a tool's result: the content
shows only a part, and the whole is kept under this name.
`model` is the name of the model that answered, when that is a fallback.
`reasoning` are the thoughts of a step, for people: they are never sent back to a model.

A record of role `compaction` tells how everything before it is shown from now on, so the last one is enough:
records before the absolute index `through` are told by its content, the summary, alone; before `drop` whole
rounds of tool calls are left out; before `trim` long results are shown in part. None is less than the one
before. `marks` are pairs of an index and the bytes of all records before it.
"""

OUTCOME_UNKNOWN: Final = (
    "error: the agent was interrupted while this tool ran; whether it took effect is unknown. "
    "Check before you call it again."
)
CANCELLED: Final = "error: cancelled by a person"
"""The result of a call that a cancelled turn leaves behind."""


def user_record(message: Message, run: str) -> Record:
    """Turn a message of the inbox into what the model reads."""
    record: Record = {
        "role": "user",
        "content": message.body,
        "mid": message.mid,
        "from": message.sender,
        "run": run,
    }
    if not message.from_person:
        record["kind"] = message.kind
    if message.re:
        record["re"] = message.re
    if message.error:
        record["error"] = True
    return record


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
