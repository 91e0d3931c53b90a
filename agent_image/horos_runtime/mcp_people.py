"""What a server asks in the middle of a call, brought to people over the bus."""

import asyncio
import contextlib
from typing import Final

import orjson

from horos_api.messages import Verdict as Decision
from horos_bus.approvals import Approval, Elicitation
from horos_bus.connection import BusError
from horos_bus.records import LostError
from horos_runtime.desk import Desk
from horos_runtime.mcp_questions import Question, Verdict
from horos_runtime.tool_context import ToolContext
from horos_runtime.wakes import Wakes

LOOK_SECONDS: Final = 3.0
"""How often the answer is looked for though no wake told of one."""
LONGEST_SECONDS: Final = 86_400.0


class People:
    """Those who answer: whoever sees the agent's open questions in the CLI or the window."""

    def __init__(self, desk: Desk, wakes: Wakes) -> None:
        self._desk = desk
        self._wakes = wakes

    async def ask(self, question: Question, context: ToolContext) -> Verdict | None:
        """Ask and wait until somebody has decided; None when nobody has, or the question cannot be asked."""
        messages, patience = self._desk.messages, self._desk.patience
        asked = _stored(question, context)
        try:
            if not await patience(lambda: messages.elicit(context.turn, asked)):
                return None
            decided: Approval | None = None
            try:
                decided = await self._decided(asked)
            finally:
                decided = decided or await self._withdrawn(asked.id)
        except LostError:
            return None  # the turn is over, and with it the call
        return _verdict(decided) if decided else None

    async def _decided(self, asked: Elicitation) -> Approval | None:
        """Wait for the decision until its time is over."""
        clock = asyncio.get_running_loop().time
        end = clock() + asked.seconds
        while (left := end - clock()) > 0:
            count = self._wakes.count
            decided = await self._desk.patience(lambda: self._desk.messages.answer(asked.id))
            if decided is not None:
                return decided
            await self._wakes.after(count, min(LOOK_SECONDS, left))
        return None

    async def _withdrawn(self, elicitation_id: str) -> Approval | None:
        """Let nobody decide any more; what somebody decided in the last moment counts."""
        with contextlib.suppress(BusError):  # the end of the turn takes it back, too
            return await self._desk.messages.withdraw(elicitation_id)
        return None


def _verdict(decided: Approval) -> Verdict | None:
    if decided.verdict is None:
        return None
    return Verdict(decided.verdict is Decision.APPROVE, orjson.loads(decided.content or "{}"))


def _stored(question: Question, context: ToolContext) -> Elicitation:
    return Elicitation(
        id=question.id,
        tool=context.tool or question.tool,
        server=question.server,
        message=f"{question.message}\n{question.url}" if question.url else question.message,
        schema=orjson.dumps(dict(question.schema)).decode(),
        seconds=min(LONGEST_SECONDS, question.seconds),
    )
