"""One turn: rounds of model and tools until there is an answer."""

import asyncio
import logging
from typing import Final

from horos_api import events
from horos_bus.records import Ending, Next, Turn
from horos_runtime.agent_config import StoredConfig
from horos_runtime.asking import Asking
from horos_runtime.call_round import CallRound
from horos_runtime.desk import Answer, Desk, InterruptedTurnError
from horos_runtime.model_errors import (
    BudgetExhaustedError,
    ContextLengthError,
    OutOfTimeError,
    UnfitAnswerError,
)
from horos_runtime.records import CANCELLED
from horos_runtime.toolbox import RoundTools
from horos_runtime.turn_log import TurnLog

log: Final = logging.getLogger(__name__)


async def put_away(desk: Desk, turn: Turn) -> Next:
    """End a turn that a person cancelled: every call gets a result, whoever asked is told."""
    await desk.publisher.flush()
    opened = await TurnLog.open(desk, turn)
    journal = opened.journal
    closing = [opened.result(call, CANCELLED) for call in journal.missing()]
    closing += journal.unsaved
    if approved := journal.approved:
        closing.append(opened.approved_step(approved))
        closing += [opened.result(call, CANCELLED) for call in approved]
    closing.append(opened.spoken("(cancelled by a person)"))
    return await opened.commit(Answer(tuple(closing), Ending(error="cancelled by a person")))


class TurnRun:
    """An open turn in the hands of this runtime."""

    def __init__(self, desk: Desk, opened: TurnLog, config: StoredConfig, tools: RoundTools) -> None:
        self._desk = desk
        self._log = opened
        self._spec = config.spec
        self._deadline = asyncio.get_running_loop().time() + config.spec.budget.turn_seconds
        self._asking = Asking(desk, opened, config, self._deadline)
        self._calls = CallRound(desk, opened, tools, self._deadline)

    async def take(self) -> Answer:
        """Go on where the journal ends, until the model has answered or a budget is used up.

        Raises ModelRefusedError when the configuration must change first, CutTurnError when a person
        cancelled it, InterruptedTurnError, BusError.
        """
        turn, journal = self._log.turn, self._log.journal
        if turn.attempt > 1:
            # The predecessor may have shown a part of the message that is now made anew.
            self._desk.publisher.publish(turn.id, [events.discard(journal.next_message_id)])
        await self._calls.repair()
        await self._calls.carry_out_approved()
        while journal.rounds < self._spec.budget.tool_rounds:
            if self._desk.stopping.is_set():
                raise InterruptedTurnError
            if asyncio.get_running_loop().time() >= self._deadline:
                break
            try:
                step = await self._asking.ask(self._calls.offered())
            except OutOfTimeError as error:
                return await self._give_up(f"{self._limit_reached()}: {error}")
            except ContextLengthError as error:
                return await self._give_up(f"The conversation is too long for the model: {error}")
            except (BudgetExhaustedError, UnfitAnswerError) as error:
                return self._refuse(str(error))
            record = step.record(turn.id, self._desk.token)
            if not step.tool_calls:
                return Answer((*journal.unsaved, record), Ending(text=step.text))
            await self._calls.carry_out(record)
        return await self._give_up(f"{self._limit_reached()}.")

    def _refuse(self, text: str) -> Answer:
        """End the turn without an answer: whoever asked gets an error, and the history says why."""
        log.warning("turn refused: %s", text, extra={"about": {"turn": self._log.turn.id}})
        return Answer((*self._log.journal.unsaved, self._log.spoken(text)), Ending(error=text))

    def _limit_reached(self) -> str:
        budget = self._spec.budget
        if self._log.journal.rounds >= budget.tool_rounds:
            return f"I stopped after {budget.tool_rounds} rounds of tool calls (budget.toolRounds)"
        return f"I stopped after {budget.turn_seconds} s (budget.turnSeconds)"

    async def _give_up(self, text: str) -> Answer:
        """End the turn with a text of ours, which watchers see like one of the model's."""
        turn, journal = self._log.turn, self._log.journal
        log.warning("turn given up: %s", text, extra={"about": {"turn": turn.id}})
        message_id = journal.next_message_id
        shown = [
            events.text_start(message_id),
            events.text_delta(message_id, text),
            events.text_end(message_id),
        ]
        self._desk.publisher.publish(turn.id, shown)
        await self._desk.publisher.flush()
        return Answer((*journal.unsaved, self._log.spoken(text)), Ending(text=text))
