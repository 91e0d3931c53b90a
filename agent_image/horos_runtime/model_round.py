"""One round's question to the model: streamed to watchers, asked again when the model breaks off."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from horos_api import events
from horos_api.resources import AgentSpec, ModelSpec
from horos_runtime.delta_publisher import DeltaPublisher
from horos_runtime.health import Pulse
from horos_runtime.llm_client import LLMClient, ModelRequest
from horos_runtime.model_errors import OutOfTimeError, TransientModelError
from horos_runtime.pace import Backoff
from horos_runtime.stream_assembly import CutStreamError, Step, StepAssembly
from horos_runtime.token_estimates import ChatMessage

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """What a round asks: the chat messages, the spec and tools, and where the answer goes.

    What is not `shown` leaves no trace of its text in the events.
    """

    turn: str
    message_id: str
    messages: list[ChatMessage]
    spec: AgentSpec
    tools: list[ChatMessage]
    deadline: float
    """Time of the event loop's clock at which the turn must end."""
    shown: bool = True


class ModelRound:
    """Asks the model until it answers, refuses, or the turn's time is over."""

    def __init__(self, client: LLMClient, publisher: DeltaPublisher, backoff: Backoff, pulse: Pulse) -> None:
        self._client = client
        self._publisher = publisher
        self._backoff = backoff
        self._pulse = pulse

    async def ask(self, question: Question) -> Step:
        """Return the model's step; all its events are written by then.

        Raises ModelRefusedError, ContextLengthError, OutOfTimeError.
        """
        clock = asyncio.get_running_loop().time
        self._pulse.beat(max(0.0, question.deadline - clock()))
        waits = self._backoff.waits()
        trouble = "the model had not answered"
        while True:
            try:
                async with asyncio.timeout_at(question.deadline):
                    return await self._try(question)
            except TimeoutError:
                raise OutOfTimeError(trouble) from None
            except TransientModelError as error:
                trouble = str(error)
                seconds = max(next(waits), error.retry_after or 0.0)
                if clock() + seconds >= question.deadline:
                    raise OutOfTimeError(trouble) from error
                await self._wait(question, trouble, seconds)

    async def _try(self, question: Question) -> Step:
        assembly = StepAssembly(question.message_id)
        request = ModelRequest(
            model=question.spec.model or ModelSpec(),
            messages=question.messages,
            tools=question.tools,
        )
        try:
            async with aclosing(self._client.stream(request)) as chunks:
                async for chunk in chunks:
                    self._show(question, assembly.feed(chunk))
            step, closing = assembly.finish()
        except CutStreamError as error:
            self._take_back(question, assembly)
            raise TransientModelError(str(error)) from error
        except BaseException:
            self._take_back(question, assembly)
            raise
        self._show(question, closing)
        await self._publisher.flush()
        return step

    def _take_back(self, question: Question, assembly: StepAssembly) -> None:
        if assembly.shown:
            self._show(question, [events.discard(question.message_id)])

    def _show(self, question: Question, happened: Sequence[events.Event]) -> None:
        if question.shown:
            self._publisher.publish(question.turn, happened)

    async def _wait(self, question: Question, trouble: str, seconds: float) -> None:
        log.warning("the model did not answer, trying again in %.1f s: %s", seconds, trouble)
        self._publisher.publish(question.turn, [events.retry(trouble, seconds)])
        await self._publisher.flush()
        await asyncio.sleep(seconds)
