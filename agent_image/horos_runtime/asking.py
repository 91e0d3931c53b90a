"""One round's question to the model, with room made for it: the conversation is compacted when it must be."""

import logging
from dataclasses import replace
from typing import Final

from horos_api import events
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
from horos_runtime.model_lineup import DEFAULT_WINDOW_TOKENS
from horos_runtime.model_try import Question
from horos_runtime.projection import Room, View, system_messages
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
        self._model = config.choices[0]
        self._window = self._model.context_window_tokens or DEFAULT_WINDOW_TOKENS
        self._output = self._model.max_output_tokens or self._window // 4
        self._budget = desk.day_budget(opened.turn.id, config.spec.budget)
        self._summariser = Summariser(self._text)

    async def ask(self, schemas: list[ChatMessage]) -> Step:
        """Return the model's next step, offering it tools; its usage holds the estimate of the prompt.

        Raises ContextLengthError when even a small part is too long, ModelRefusedError, OutOfTimeError,
        BudgetExhaustedError, UnfitAnswerError, CutTurnError, BusError.
        """
        system = system_messages(self._config.spec.instructions)
        fixed = sum(map(message_tokens, system)) + schema_tokens(schemas)
        for emergency in range(EMERGENCIES + 1):
            messages = system + (await self._make_room(fixed)).messages()
            sent = sum(map(message_tokens, messages)) + schema_tokens(schemas)
            try:
                step = await self._desk.model.ask(self._question(messages, schemas))
            except ContextLengthError as error:
                if emergency == EMERGENCIES:
                    raise
                log.warning("the request is too long for the model, sending less: %s", error)
                await self._make_room(fixed, self._ceiling(fixed + int((sent - fixed) * HARDER)))
            else:
                return replace(step, usage=with_estimate(step.usage, sent)) if step.usage else step
        raise AssertionError("the last try returns or raises")

    async def _make_room(self, fixed: int, ceiling: Ceiling | None = None) -> View:
        """Compact if the conversation fills the room; with a new `ceiling` in any case."""
        view = self._view(self._room(fixed, ceiling))
        if decided := plan(view, urgent=ceiling is not None):
            await self._compact(decided, view.room, ceiling or self._regained())
            view = self._view(self._room(fixed))
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
        step = await self._desk.model.ask(
            replace(self._question(messages, []), quiet=True, response_schema=None)
        )
        return step.text

    def _question(self, messages: list[ChatMessage], schemas: list[ChatMessage]) -> Question:
        model = self._config.spec.model
        return Question(
            turn=self._log.turn.id,
            message_id=self._log.journal.next_message_id,
            messages=messages,
            models=self._config.choices,
            tools=schemas,
            deadline=self._deadline,
            budget=self._budget,
            response_schema=model.response_schema if model else None,
        )

    def _view(self, room: Room) -> View:
        journal = self._log.journal
        return View(journal.context, self._log.turn.id, journal.unsaved, room)

    def _room(self, fixed: int, ceiling: Ceiling | None = None) -> Room:
        context = self._log.journal.context
        known = ceiling["room"] if ceiling else learnt(context, self._model.name or "", self._window)
        return room_for(self._window, self._output, factor(context.records), fixed, known)

    def _ceiling(self, room: int) -> Ceiling:
        return {"model": self._model.name or "", "window": self._window, "room": room}

    def _regained(self) -> Ceiling | None:
        known = learnt(self._log.journal.context, self._model.name or "", self._window)
        return self._ceiling(int(known * REGAIN)) if known is not None else None
