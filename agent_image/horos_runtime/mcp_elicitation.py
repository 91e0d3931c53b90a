"""What a server asks a person in the middle of a call: brought to whoever decides, and answered."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Final

from mcp.client import ClientRequestContext
from mcp_types import INVALID_REQUEST, ElicitRequestParams, ElicitRequestURLParams, ElicitResult, ErrorData

from horos_runtime.mcp_questions import Elicit, Question, Verdict, values_for
from horos_runtime.tool_context import ToolContext

SPARE_SECONDS: Final = 1.0
"""So long before the call's own time is over nobody can decide any more: the server can still answer.

Half of it is for what was decided in the last moment to come here.
"""
SPARE_SHARE: Final = 0.2


@dataclass(eq=False)
class RunningCall:
    """A call that a server works on: what it asks meanwhile is asked for this call."""

    tool: str
    context: ToolContext
    over: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0


_CALL: Final[ContextVar[RunningCall | None]] = ContextVar("horos_mcp_call", default=None)


class Questions:
    """Answers what one server asks."""

    def __init__(self, server: str, elicit: Elicit, tell: Callable[[str], None]) -> None:
        self._server = server
        self._elicit = elicit
        self._tell = tell
        self._running: list[RunningCall] = []

    @contextlib.contextmanager
    def during(self, call: RunningCall) -> Iterator[None]:
        """Let the server ask during the block."""
        self._running.append(call)
        token = _CALL.set(call)
        try:
            yield
        finally:
            _CALL.reset(token)
            self._running.remove(call)
            call.over.set()

    async def answer(
        self, context: ClientRequestContext, params: ElicitRequestParams
    ) -> ElicitResult | ErrorData:
        """Ask a person for a server: the callback of the SDK, for both forms of the protocol."""
        # Over HTTP, and where the question is the answer to the call, the call is known. What comes over
        # a pipe names none: it is taken to be of the call that began last.
        call = _CALL.get() or (self._running[-1] if self._running else None)
        if call is None or call.over.is_set():
            return ErrorData(code=INVALID_REQUEST, message="questions are answered during a call only")
        call.asked += 1
        question = _question(self._server, call, params)
        verdict = await self._decided(question, call)
        if verdict is None:
            return ElicitResult(action="cancel")
        if not verdict.approved:
            return ElicitResult(action="decline")
        if isinstance(params, ElicitRequestURLParams):
            return ElicitResult(action="accept")
        try:
            return ElicitResult(action="accept", content=values_for(question.schema, verdict.content))
        except ValueError as error:
            self._tell(f"the answer to {self._server} was approved but does not fit: {error}")
            return ElicitResult(action="cancel")

    async def _decided(self, question: Question, call: RunningCall) -> Verdict | None:
        asking = asyncio.ensure_future(self._elicit(question, call.context))
        over = asyncio.ensure_future(call.over.wait())
        try:
            left = call.context.seconds_left
            timeout = None if left == math.inf else left - _spare(left) / 2
            await asyncio.wait({asking, over}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            return asking.result() if asking.done() else None
        finally:
            asking.cancel()
            over.cancel()
            await asyncio.gather(asking, over, return_exceptions=True)


def _question(server: str, call: RunningCall, params: ElicitRequestParams) -> Question:
    left = call.context.seconds_left
    asked = Question(
        id=_question_id(call),
        server=server,
        tool=call.tool,
        message=params.message,
        seconds=left if left == math.inf else left - _spare(left),
    )
    if isinstance(params, ElicitRequestURLParams):
        return replace(asked, url=params.url)
    return replace(asked, schema=dict(params.requested_schema))


def _question_id(call: RunningCall) -> str:
    context = call.context
    # What an earlier try asked was taken back with it, and is no answer to this one.
    again = f"!try{context.attempt}" if context.attempt > 1 else ""
    return f"{context.idempotency_key}{again}!ask{call.asked}"


def _spare(left: float) -> float:
    return min(SPARE_SECONDS, left * SPARE_SHARE)
