"""Checks and runs the calls of an assistant step; whatever goes wrong becomes a text the model can act on."""

import asyncio
from dataclasses import dataclass
from typing import Final

import orjson
from pydantic import BaseModel, ValidationError

from horos_runtime.records import ToolCall
from horos_runtime.tool_registry import AnyTool, BusTool, Tool, ToolRegistry

RESULT_BYTES: Final = 64 * 1024
"""The longest result a model gets to read, in bytes of UTF-8."""


@dataclass(frozen=True)
class Rejected:
    """A call that cannot be made, with what the model is told."""

    text: str


@dataclass(frozen=True)
class BusCall:
    """A checked call of a tool whose effect is on the bus."""

    tool: BusTool
    arguments: BaseModel


@dataclass(frozen=True)
class OutsideCall:
    """A checked call of a tool that acts outside the bus."""

    tool: Tool
    arguments: BaseModel


class ToolExecutor:
    """Runs the tools of one registry."""

    def __init__(self, registry: ToolRegistry) -> None:
        self._registry = registry

    def check(self, call: ToolCall) -> BusCall | OutsideCall | Rejected:
        """Find the tool and validate the arguments."""
        name, text = call["function"]["name"], call["function"]["arguments"]
        tool = self._registry.get(name)
        if tool is None:
            known = ", ".join(self._registry.names()) or "none"
            return Rejected(f"error: there is no tool named {name!r}; available: {known}")
        try:
            arguments = tool.arguments.model_validate(_json_object(text))
        except ValidationError as error:
            return Rejected(_explain(tool, error))
        except ValueError as error:
            return Rejected(
                f"error: the arguments of {name} are not a JSON object: {error}; got {text[:200]!r}"
            )
        if isinstance(tool, BusTool):
            return BusCall(tool, arguments)
        return OutsideCall(tool, arguments)

    async def run(self, call: OutsideCall, seconds: float) -> str:
        """Run a tool for at most its own timeout and at most `seconds`, and return what the model reads."""
        limit = min(call.tool.timeout_seconds, seconds)
        try:
            # A tool is foreign code: whatever it raises becomes a value here, and a result for the model.
            (outcome,) = await asyncio.wait_for(
                asyncio.gather(_text_from(call), return_exceptions=True), limit
            )
        except TimeoutError:
            return f"error: {call.tool.name} did not finish within {limit:g} s"
        if isinstance(outcome, BaseException):
            return _bounded(f"error: {call.tool.name} failed: {type(outcome).__name__}: {outcome}")
        return outcome


def _json_object(text: str) -> dict[str, object]:
    parsed = orjson.loads(text or "{}")
    if not isinstance(parsed, dict):
        raise ValueError("expected an object")  # noqa: TRY004 - the same for every text that is no JSON object
    return parsed


def _explain(tool: AnyTool, error: ValidationError) -> str:
    problems = [
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}" for problem in error.errors()
    ]
    return f"error: wrong arguments for {tool.name}: " + "; ".join(problems)


async def _text_from(call: OutsideCall) -> str:
    return _bounded(_as_text(await call.tool.run(call.arguments)))


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if value is None:
        return "done"
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a number of more than 64 bits, a structure that contains itself
        return str(value)


def _bounded(text: str) -> str:
    encoded = text.encode(errors="replace")
    if len(encoded) <= RESULT_BYTES:
        return encoded.decode()
    shown = encoded[:RESULT_BYTES].decode(errors="ignore")
    return f"{shown}\n[cut: {len(encoded)} bytes, the first {RESULT_BYTES} are shown]"
