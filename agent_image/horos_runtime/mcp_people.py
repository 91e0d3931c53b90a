"""What a server asks in the middle of a call, brought to people over the bus."""

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
        """Ask and wait until somebody has decided; None when the question could not be asked."""
        messages, patience = self._desk.messages, self._desk.patience
        asked = _stored(question, context)
        try:
            if not await patience(lambda: messages.elicit(context.turn, asked)):
                return None
            try:
                while True:
                    count = self._wakes.count
                    if (decided := await patience(lambda: messages.answer(question.id))) is not None:
                        return _verdict(decided)
                    await self._wakes.after(count, LOOK_SECONDS)
            finally:
                with contextlib.suppress(BusError):  # the end of the turn takes it back, too
                    await messages.withdraw(question.id)
        except LostError:
            return None  # the turn is over, and with it the call


def _verdict(decided: Approval) -> Verdict | None:
    if decided.status == "expired":
        return None
    return Verdict(decided.verdict is Decision.APPROVE, orjson.loads(decided.content or "{}"))


def _stored(question: Question, context: ToolContext) -> Elicitation:
    return Elicitation(
        id=question.id,
        tool=context.tool or question.tool,
        server=question.server,
        message=f"{question.message}\n{question.url}" if question.url else question.message,
        schema=orjson.dumps(dict(question.schema)).decode(),
        seconds=min(LONGEST_SECONDS, context.seconds_left),
    )
