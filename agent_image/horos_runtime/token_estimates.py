"""How many tokens a request takes, guessed from its bytes and calibrated by what the server said last."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

import orjson

from horos_runtime.records import Record, TokenUsage

ChatMessage: TypeAlias = dict[str, Any]

TOKENS_PER_BYTE: Final = 1.3 / 4
"""A token is about four bytes of English; a third more to be safe."""
OVERHEAD_TOKENS: Final = 8
"""What role and separators of one message cost, generously."""
_MOST_FACTOR: Final = 4.0
_LEAST_FACTOR: Final = 0.7
"""Below it lies no tokenizer, only a server that does not count everything."""


def estimate_tokens(text: str) -> int:
    """Guess tokens from UTF-8 bytes: a quarter, and a third more to be safe."""
    return math.ceil(len(text.encode()) * TOKENS_PER_BYTE)


def message_tokens(message: ChatMessage) -> int:
    """Guess what one chat message costs."""
    calls = message.get("tool_calls")
    text = message["content"] + (orjson.dumps(calls).decode() if calls else "")
    return estimate_tokens(text) + OVERHEAD_TOKENS


def schema_tokens(tools: Iterable[ChatMessage]) -> int:
    """Guess what the descriptions of tools cost."""
    return sum(estimate_tokens(orjson.dumps(tool).decode()) + OVERHEAD_TOKENS for tool in tools)


def with_estimate(usage: TokenUsage, estimate: int) -> TokenUsage:
    """Note beside the usage that a server reported what had been guessed of the prompt."""
    return {**usage, "estimate": estimate}


def factor(records: Sequence[Record]) -> float:
    """Say how many real tokens one estimated token is, by the newest usage among the records; else 1.

    Only what a server has counted, and of the agent's own model: a fallback may have another tokenizer.
    """
    for record in reversed(records):
        usage = record.get("usage")
        if not usage or usage.get("estimated") or record.get("model"):
            continue
        if record["role"] == "assistant" and usage["prompt"] > 0 and usage.get("estimate", 0) > 0:
            return min(_MOST_FACTOR, max(_LEAST_FACTOR, usage["prompt"] / usage["estimate"]))
    return 1.0
