"""One round's question to the models, with room made for it: the conversation is compacted when it must be.

It is made to fit the agent's own model, and a fallback with a smaller window when nobody else is left to ask.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from horos_api import events
from horos_api.model_choice import ModelChoice
from horos_runtime.agent_config import StoredConfig
from horos_runtime.compaction import (
    HARDER,
    REGAIN,
    Compaction,
    compaction_record,
    learnt,
    plan,
    room_for,
    summary_bytes,
)
from horos_runtime.desk import Desk
from horos_runtime.model_errors import ContextLengthError
from horos_runtime.model_lineup import prompt_window, window_of
from horos_runtime.model_try import Question
from horos_runtime.projection import LEAST_TOKENS, Room, View, system_messages
from horos_runtime.records import Ceiling
from horos_runtime.stream_assembly import Step
from horos_runtime.summariser import Bounds, Summariser, request_bytes
from horos_runtime.token_estimates import ChatMessage, factor, message_tokens, schema_tokens, with_estimate
from horos_runtime.turn_log import TurnLog

log: Final = logging.getLogger(__name__)

EMERGENCIES: Final = 4
"""How often a request that is too long for the model is made shorter before the person is told."""


class Asking:
    """The questions of one turn; `deadline` is a time of the event loop's clock."""

    def __init__(self, desk: Desk, opened: TurnLog, config: StoredConfig, deadline: float) -> None:
        self._desk = desk
        self._log = opened
        self._config = config
        self._deadline = deadline
        self._budget = desk.day_budget(opened.turn.id, config.spec)
        self._summariser = Summariser(self._text)

    async def ask(self, schemas: list[ChatMessage]) -> Step:
        """Return the model's next step, offering it tools; its usage holds the estimate of the prompt.

        Raises ContextLengthError when even a small part is too long, ModelRefusedError, OutOfTimeError,
        BudgetExhaustedError, UnfitAnswerError, CutTurnError, BusError.
        """
        system = system_messages(self._config.spec.instructions)
        fixed = sum(map(message_tokens, system)) + schema_tokens(schemas)
        model, ceiling = self._config.choices[0], None
        for emergency in range(EMERGENCIES + 1):
            messages = system + (await self._make_room(model, fixed, ceiling)).messages()
            sent = sum(map(message_tokens, messages)) + schema_tokens(schemas)
            try:
                step = await self._desk.model.ask(self._question(messages, schemas, self._usable(fixed)))
            except ContextLengthError as error:
                if emergency == EMERGENCIES:
                    raise
                log.warning("the request is too long for the model, sending less: %s", error)
                refusing = error.model or model
                # It teaches nothing that what was made for one model does not fit into the window of another.
                known = refusing != model and sent * self._factor > prompt_window(refusing)
                model = refusing
                ceiling = None if known else _ceiling(model, fixed + int((sent - fixed) * HARDER))
            else:
                return replace(step, usage=with_estimate(step.usage, sent)) if step.usage else step
        raise AssertionError("the last try returns or raises")

    @property
    def _factor(self) -> float:
        return factor(self._log.journal.context.records)

    def _usable(self, fixed: int) -> list[ModelChoice]:
        """Leave out fallbacks with no room for a conversation beside instructions and tools."""
        own, *fallbacks = self._config.choices
        least = (fixed + LEAST_TOKENS) * self._factor
        return [own, *(each for each in fallbacks if prompt_window(each) >= least)]

    async def _make_room(self, model: ModelChoice, fixed: int, ceiling: Ceiling | None) -> View:
        """Compact if the conversation fills the model's room; with a new `ceiling` in any case."""
        view = self._view(self._room(model, fixed, ceiling))
        if decided := plan(view, urgent=ceiling is not None):
            await self._compact(decided, view.room, ceiling or self._regained(model))
            view = self._view(self._room(model, fixed, None))
        return view

    async def _compact(self, decided: Compaction, room: Room, ceiling: Ceiling | None) -> None:
        journal, turn = self._log.journal, self._log.turn
        context = journal.context
        summary = context.compaction["content"] if context.compaction else ""
        if decided.told:
            bounds = Bounds(summary_bytes(room), request_bytes(room.tokens))
            summary = await self._summariser.sum_up(summary, decided.told, bounds)
        record = compaction_record(context, decided, summary, ceiling, room)
        record["run"], record["by"] = turn.id, self._desk.token
        await self._log.append([record])
        after = self._view(room).tokens
        log.info("compacted from %d to %d tokens", decided.before, after, extra={"about": {"turn": turn.id}})
        told = {"runId": turn.id, "before": decided.before, "after": after, "summarised": len(decided.told)}
        bounds_told = {name: record[name] for name in ("through", "drop", "trim")}
        self._desk.publisher.publish(turn.id, [events.custom("compaction", told | bounds_told)])

    async def _text(self, messages: list[ChatMessage]) -> str:
        question = self._question(messages, [], self._config.choices)
        return (await self._desk.model.ask(replace(question, quiet=True, response_schema=None))).text

    def _question(
        self, messages: list[ChatMessage], schemas: list[ChatMessage], models: Sequence[ModelChoice]
    ) -> Question:
        model = self._config.spec.model
        return Question(
            turn=self._log.turn.id,
            message_id=self._log.journal.next_message_id,
            messages=messages,
            models=models,
            tools=schemas,
            deadline=self._deadline,
            budget=self._budget,
            response_schema=model.response_schema if model else None,
            factor=self._factor,
        )

    def _view(self, room: Room) -> View:
        journal = self._log.journal
        return View(journal.context, self._log.turn.id, journal.unsaved, room)

    def _room(self, model: ModelChoice, fixed: int, ceiling: Ceiling | None) -> Room:
        context = self._log.journal.context
        known = ceiling["room"] if ceiling else learnt(context, model.name or "", window_of(model))
        return room_for(prompt_window(model), self._factor, fixed, known)

    def _regained(self, model: ModelChoice) -> Ceiling | None:
        """Say which ceiling the next compaction keeps: this model's is raised, that of another stays."""
        context = self._log.journal.context
        known = learnt(context, model.name or "", window_of(model))
        if known is not None:
            return _ceiling(model, int(known * REGAIN))
        return context.compaction.get("ceiling") if context.compaction else None


def _ceiling(model: ModelChoice, room: int) -> Ceiling:
    return {"model": model.name or "", "window": window_of(model), "room": room}
