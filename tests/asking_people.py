"""A runtime's side of what people are asked: calls that wait for approval, questions of tool servers."""

import json
from typing import Any

import orjson

from horos_api.messages import Message
from horos_bus.approvals import CallToApprove, Elicitation
from horos_bus.message_service import MessageService
from horos_bus.records import Effect, Ending, Turn, Usage

FORM = json.dumps(
    {
        "type": "object",
        "properties": {
            "city": {
                "type": "string",
                "title": "City",
                "description": "Where it is delivered",
                "minLength": 2,
            },
            "units": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
            "days": {"type": "integer", "minimum": 1, "maximum": 7, "default": 3},
            "gift": {"type": "boolean", "default": False},
            "extras": {
                "type": "array",
                "items": {"type": "string", "enum": ["card", "ribbon"]},
                "default": [],
            },
            "mail": {"type": "string", "format": "email"},
        },
        "required": ["city"],
    }
)
"""One field of each kind that MCP has; only the city must be said."""

QUESTION = "Where does it go?\nSee https://shop.example/42"


def heard(turn: Turn) -> list[bytes]:
    """The user records of a turn."""
    return [
        orjson.dumps(
            {
                "role": "user",
                "content": f"Decided by {each.who}.\nDo so." if each.verdict else each.body,
                "mid": each.mid,
                "run": turn.id,
                **_decision(each),
            }
        )
        for each in turn.inputs
    ]


def _decision(message: Message) -> dict[str, str]:
    if message.verdict is None:
        return {}
    return {"kind": message.kind, "re": message.re, "from": message.sender, "verdict": message.verdict}


async def call_to_approve(
    runtime: MessageService, turn: Turn, tool: str = "shop__buy", seconds: int = 630, **arguments: Any
) -> str:
    """Let the model ask for a tool that needs approval, as the turn's first step; returns its id."""
    text = orjson.dumps(arguments).decode()
    call = {"id": "call-1", "type": "function", "function": {"name": tool, "arguments": text}}
    records = [
        *heard(turn),
        orjson.dumps({"role": "assistant", "content": "", "tool_calls": [call], "run": turn.id}),
    ]
    outcomes = {"OK": "waiting for approval", "LIMIT": "error: too many calls wait"}
    results = {
        outcome: orjson.dumps(
            {
                "role": "tool",
                "tool_call_id": "call-1",
                "content": said,
                "run": turn.id,
                "approval": f"ada/{turn.id}/{turn.base}.0",
            }
        )
        for outcome, said in outcomes.items()
    }
    asked = CallToApprove(tool, text, seconds)
    effect = Effect(body=orjson.dumps(call).decode(), results=results, kind="approve", approve=asked)
    await runtime.append(turn.id, turn.base, records, [effect])
    return f"ada/{turn.id}/{turn.base}.0"


async def end_turn(runtime: MessageService, turn: Turn, text: str = "I wait for your approval.") -> None:
    """Commit the turn behind the call and its result."""
    record = orjson.dumps({"role": "assistant", "content": text, "run": turn.id})
    written = turn.base + len(turn.inputs) + 2
    await runtime.commit(turn.id, written, [record], Ending(text=text), Usage())


async def question(runtime: MessageService, turn: Turn, schema: str = FORM, number: int = 1) -> str:
    """Let a tool server ask in the middle of a call; returns the question's id."""
    id_ = f"ada/{turn.id}/1.0!ask{number}"
    asked = Elicitation(id_, "shop__buy", "shop", QUESTION, schema, 60)
    assert await runtime.elicit(turn.id, asked)
    return id_
