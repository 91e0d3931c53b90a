"""One turn: rounds of model and tools until there is an answer, each step stored before the next begins.

Whatever interrupts it, the journal in Redis is a legal history, from which the next incarnation goes on.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from horos_api import events
from horos_api.resources import AgentSpec
from horos_bus.message_service import MessageService
from horos_bus.records import Appended, Effect, Ending, Next, Turn, Usage
from horos_runtime.context_manager import ContextManager
from horos_runtime.delta_publisher import DeltaPublisher
from horos_runtime.health import Pulse
from horos_runtime.journal import Journal
from horos_runtime.model_errors import ContextLengthError, OutOfTimeError
from horos_runtime.model_round import ModelRound, Question
from horos_runtime.patience import Patience
from horos_runtime.records import CANCELLED, OUTCOME_UNKNOWN, Record, ToolCall, dump, tool_record
from horos_runtime.stream_assembly import Step
from horos_runtime.tool_executor import BusCall, OutsideCall, Rejected, ToolExecutor
from horos_runtime.tool_registry import EffectCall, ToolRegistry
from horos_runtime.wakes import CutTurnError

log: Final = logging.getLogger(__name__)


class InterruptedTurnError(Exception):
    """The runtime is asked to stop; the turn stays open for the next incarnation."""


@dataclass(frozen=True)
class Desk:
    """What all turns of a runtime work with."""

    messages: MessageService
    patience: Patience
    contexts: ContextManager
    model: ModelRound
    publisher: DeltaPublisher
    pulse: Pulse
    stopping: asyncio.Event
    agent: str
    token: str


@dataclass(frozen=True)
class Answer:
    """How a turn ends: the last records, and what whoever asked is told."""

    records: tuple[Record, ...]
    ending: Ending


class TurnRun:
    """An open turn in the hands of this runtime."""

    def __init__(self, desk: Desk, turn: Turn, spec: AgentSpec, tools: ToolRegistry) -> None:
        self._desk = desk
        self._turn = turn
        self._spec = spec
        self._tools = tools
        self._executor = ToolExecutor(tools)
        self._deadline = asyncio.get_running_loop().time() + spec.budget.turn_seconds

    async def take(self) -> Answer:
        """Go on where the journal ends, until the model has answered or a budget is used up.

        Raises ModelRefusedError when the configuration must change first, CutTurnError when a person
        cancelled it, InterruptedTurnError, BusError.
        """
        await self._load()
        await self._repair()
        while self._journal.rounds < self._spec.budget.tool_rounds:
            if self._desk.stopping.is_set():
                raise InterruptedTurnError
            if self._seconds_left() <= 0:
                break
            try:
                step = await self._ask()
            except OutOfTimeError as error:
                return await self._give_up(f"{self._limit_reached()}: {error}")
            except ContextLengthError as error:
                return await self._give_up(f"The conversation is too long for the model: {error}")
            if not step.tool_calls:
                record = step.record(self._turn.id, self._desk.token)
                return Answer((*self._journal.unsaved, record), Ending(text=step.text or "(no text)"))
            await self._carry_out(step)
        return await self._give_up(f"{self._limit_reached()}.")

    async def put_away(self) -> Answer:
        """End a turn that a person cancelled: every call gets a result, whoever asked is told."""
        await self._desk.publisher.flush()
        await self._load()
        results = tuple(self._result(call, CANCELLED) for call in self._journal.missing())
        closing = self._spoken("(cancelled by a person)")
        return Answer((*results, *self._journal.unsaved, closing), Ending(error="cancelled by a person"))

    async def commit(self, answer: Answer) -> Next:
        """Close the turn: context, answers and acknowledgements in one step; returns what comes next."""
        journal = self._journal
        prompt, completion = journal.usage(answer.records)
        following = await self._desk.patience(
            lambda: self._desk.messages.commit(
                self._turn.id,
                journal.length,
                [dump(entry) for entry in answer.records],
                answer.ending,
                Usage(prompt, completion),
            )
        )
        journal.saved(answer.records)
        log.info("turn finished", extra={"about": {"turn": self._turn.id, "thread": self._turn.thread}})
        return following

    async def _load(self) -> None:
        records = await self._desk.patience(
            lambda: self._desk.contexts.load(self._turn.thread, self._turn.base, self._turn.journal)
        )
        self._journal = Journal(self._turn, records)

    async def _repair(self) -> None:
        """PROTOCOL.md section 4: give each call that was interrupted its one result."""
        if self._turn.attempt > 1:
            # The predecessor may have shown a part of the message that is now made anew.
            self._desk.publisher.publish(self._turn.id, [events.discard(self._journal.next_message_id)])
        if missing := self._journal.missing():
            await self._run_calls(missing, interrupted=True)

    async def _ask(self) -> Step:
        question = Question(
            turn=self._turn.id,
            message_id=self._journal.next_message_id,
            records=self._journal.records,
            spec=self._spec,
            tools=self._tools.schemas(),
            deadline=self._deadline,
        )
        return await self._desk.model.ask(question)

    async def _carry_out(self, step: Step) -> None:
        """Store the step, with what its bus tools do, before any outside tool runs."""
        await self._run_calls(list(step.tool_calls), step=step.record(self._turn.id, self._desk.token))

    async def _run_calls(
        self, calls: list[ToolCall], step: Record | None = None, *, interrupted: bool = False
    ) -> None:
        entries = [*self._journal.unsaved, step] if step else []
        effects: list[Effect] = []
        outside: list[tuple[ToolCall, OutsideCall]] = []
        for call in calls:
            match self._executor.check(call):
                case Rejected(text):
                    entries.append(self._result(call, text))
                case BusCall(tool, arguments):
                    effects.append(tool.effect(self._effect_call(call, arguments, len(effects))))
                case OutsideCall() as checked:
                    outside.append((call, checked))
        if entries or effects:
            await self._append(entries, effects)
        for call, checked in outside:
            # Tools run one after the other: only the first without a result can have been started.
            unknown = interrupted and not checked.tool.idempotent
            interrupted = False
            text = OUTCOME_UNKNOWN if unknown else await self._run(checked)
            await self._append([self._result(call, text)])

    async def _run(self, call: OutsideCall) -> str:
        left = self._seconds_left()
        self._desk.pulse.beat(min(left, call.tool.timeout_seconds))
        return await self._executor.run(call, left)

    async def _append(self, entries: list[Record], effects: list[Effect] | None = None) -> Appended:
        appended = await self._desk.patience(
            lambda: self._desk.messages.append(
                self._turn.id, self._journal.length, [dump(entry) for entry in entries], effects or ()
            )
        )
        self._journal.appended(appended)
        self._desk.pulse.beat()
        if appended.cancel:
            raise CutTurnError
        return appended

    def _seconds_left(self) -> float:
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    def _limit_reached(self) -> str:
        budget = self._spec.budget
        if self._journal.rounds >= budget.tool_rounds:
            return f"I stopped after {budget.tool_rounds} rounds of tool calls (budget.toolRounds)"
        return f"I stopped after {budget.turn_seconds} s (budget.turnSeconds)"

    async def _give_up(self, text: str) -> Answer:
        """End the turn with a text of ours, which watchers see like one of the model's."""
        log.warning("turn given up: %s", text, extra={"about": {"turn": self._turn.id}})
        message_id = self._journal.next_message_id
        shown = [
            events.text_start(message_id),
            events.text_delta(message_id, text),
            events.text_end(message_id),
        ]
        self._desk.publisher.publish(self._turn.id, shown)
        await self._desk.publisher.flush()
        return Answer((*self._journal.unsaved, self._spoken(text)), Ending(text=text))

    def _spoken(self, text: str) -> Record:
        """Build an assistant's record of ours."""
        return {"role": "assistant", "content": text, "run": self._turn.id, "by": self._desk.token}

    def _result(self, call: ToolCall, text: str) -> Record:
        return tool_record(call["id"], text, self._turn.id, self._desk.token)

    def _effect_call(self, call: ToolCall, arguments: BaseModel, number: int) -> EffectCall:
        # As `append` makes it: from the place in the journal and the number of the effect in the step.
        mid = f"{self._desk.agent}/{self._turn.id}/{self._journal.length}.{number}"
        return EffectCall(arguments, call["id"], self._turn.thread, self._turn.id, self._desk.token, mid)
