"""Checks and runs the calls of an assistant step; whatever goes wrong becomes a text the model can act on."""

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final

import orjson
from pydantic import BaseModel

from horos_runtime.foreign_code import Guard, ThreadsUsedUpError, told
from horos_runtime.pace import Backoff
from horos_runtime.records import ToolCall
from horos_runtime.tool_arguments import Arguments, WrongArgumentsError, parsed, validated
from horos_runtime.tool_context import ToolContext
from horos_runtime.tool_registry import BusTool, Tool, ToolRegistry
from horos_runtime.tool_results import as_text

log: Final = logging.getLogger(__name__)

TRIES: Final = 3
"""How often an idempotent tool is tried."""
STOP_SECONDS: Final = 1.0
"""How long a tool that was cancelled may take to end."""
RETRY: Final = Backoff(0.2, 2.0)
SAME_AGAIN: Final = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    NotImplementedError,
    ThreadsUsedUpError,
)
"""Errors that the same arguments bring about again: nothing is tried again because of them."""
_GIVEN_UP: Final[set["asyncio.Task[str | BaseException]"]] = set()
"""Tools that do not end when they are cancelled; the loop itself would forget them."""


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
    arguments: Arguments

    @property
    def longest_seconds(self) -> float:
        """How long it may take with all its tries."""
        return (self.tool.timeout_seconds + STOP_SECONDS + RETRY.most) * (
            TRIES if self.tool.idempotent else 1
        )


@dataclass(frozen=True)
class _Trouble:
    text: str
    again: bool


class ToolExecutor:
    """Runs the tools of one registry."""

    def __init__(self, registry: ToolRegistry, retry: Backoff = RETRY) -> None:
        self.registry = registry
        self._retry = retry

    def check(self, call: ToolCall) -> BusCall | OutsideCall | Rejected:
        """Find the tool and validate the arguments."""
        name, text = call["function"]["name"], call["function"]["arguments"]
        tool = self.registry.get(name)
        if tool is None:
            return Rejected(self._unknown(name))
        # Models of arguments may have validators, which are as foreign as the tool.
        with Guard() as guard:
            arguments = validated(tool.arguments, parsed(text))
            if not isinstance(tool, BusTool):
                return OutsideCall(tool, arguments)
            assert isinstance(arguments, BaseModel)
            return BusCall(tool, arguments)
        if isinstance(guard.failure, WrongArgumentsError):
            return Rejected(f"error: wrong arguments for {name}: {guard.failure}")
        assert guard.failure is not None
        return Rejected(f"error: the arguments of {name} could not be checked: {told(guard.failure)}")

    async def run(self, call: OutsideCall, context: ToolContext, seconds: float) -> str:
        """Run a tool and return what the model reads; never raises but when it is cancelled itself.

        Each try takes at most the tool's own timeout, all of them at most `seconds`. A tool that is
        idempotent is tried again after what may pass: other errors than SAME_AGAIN, and timeouts.
        """
        if seconds <= 0:
            return f"error: {call.tool.name} was not called: the time of the turn is over"
        end = time.monotonic() + seconds
        troubles: list[_Trouble] = []
        waits = self._retry.waits()
        while True:
            outcome = await self._try(call, replace(context, attempt=context.attempt + len(troubles)), end)
            if isinstance(outcome, str):
                return outcome + _after(troubles)
            troubles.append(outcome)
            wait = next(waits)
            last = len(troubles) == (TRIES if call.tool.idempotent else 1)
            if last or not outcome.again or time.monotonic() + wait >= end:
                tried = f" (tried {len(troubles)} times)" if len(troubles) > 1 else ""
                return f"error: {call.tool.name} {outcome.text}{tried}"
            await asyncio.sleep(wait)

    async def call(self, name: str, arguments: dict[str, Any], context: ToolContext | None = None) -> str:
        """Call a tool by itself, as a test of one does, and return what a model would read."""
        text = orjson.dumps(arguments).decode()
        checked = self.check(
            {"id": "call", "type": "function", "function": {"name": name, "arguments": text}}
        )
        match checked:
            case Rejected(text):
                return text
            case BusCall():
                return f"error: {name} acts on the bus: it can only be called in a turn"
        alone = context or ToolContext(agent="", thread="", turn="", idempotency_key="", tool=name)
        return await self.run(checked, alone, checked.longest_seconds)

    def _unknown(self, name: str) -> str:
        names = self.registry.names()
        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"error: there is no tool named {name!r}; available: {', '.join(names) or 'none'}{hint}"

    async def _try(self, call: OutsideCall, context: ToolContext, end: float) -> str | _Trouble:
        now = time.monotonic()
        limit = max(0.0, min(call.tool.timeout_seconds, end - now))
        timed = replace(context, deadline=now + limit)
        # A task of its own, since it may have to be given up; it raises nothing.
        task = asyncio.create_task(_outcome(call, timed), name=f"tool {call.tool.name}")
        try:
            await asyncio.wait({task}, timeout=limit)
        finally:
            in_time = task.done()
            if not in_time:
                await self._stop(call.tool, task)
        if not in_time:
            return _Trouble(
                _too_late(call.tool, limit, stopped=call.tool.stoppable and task.done()), again=True
            )
        outcome = task.result()
        if isinstance(outcome, str):
            return outcome
        again = isinstance(outcome, Exception) and not isinstance(outcome, SAME_AGAIN)
        return _Trouble(f"failed: {told(outcome)}", again)

    async def _stop(self, tool: Tool, task: "asyncio.Task[str | BaseException]") -> None:
        task.cancel()
        if not tool.stoppable:
            log.warning("the thread of tool %s cannot be stopped and is left to itself", tool.name)
        _GIVEN_UP.add(task)
        task.add_done_callback(_GIVEN_UP.discard)
        await asyncio.wait({task}, timeout=STOP_SECONDS)
        if not task.done():
            log.warning("tool %s ignores that it was cancelled and is left to itself", tool.name)


async def _outcome(call: OutsideCall, context: ToolContext) -> str | BaseException:
    with Guard() as guard:
        return as_text(await call.tool.run(call.arguments, context))
    assert guard.failure is not None
    return guard.failure


def _too_late(tool: Tool, limit: float, *, stopped: bool) -> str:
    within = f"within {limit:g} s"
    if limit < tool.timeout_seconds:
        within = f"within the {round(limit, 2):g} s that were left of the turn"
    ended = "and was stopped" if stopped else "and cannot be stopped: it may still run"
    unsure = "" if tool.idempotent else ". It may have taken effect: check before you call it again"
    return f"did not finish {within} {ended}{unsure}"


def _after(troubles: list[_Trouble]) -> str:
    if not troubles:
        return ""
    return f"\n[try {len(troubles) + 1} succeeded; the one before {troubles[-1].text}]"
