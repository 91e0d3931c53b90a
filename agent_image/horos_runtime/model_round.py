"""One round's question to the model: streamed to watchers, asked again when the model breaks off."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from horos_api import events
from horos_api.resources import AgentSpec, ModelSpec
from horos_runtime.context_manager import ContextManager
from horos_runtime.delta_publisher import DeltaPublisher
from horos_runtime.health import Pulse
from horos_runtime.llm_client import LLMClient, ModelRequest
from horos_runtime.model_errors import ContextLengthError, OutOfTimeError, TransientModelError
from horos_runtime.pace import Backoff
from horos_runtime.projection import ChatMessage, estimate_tokens, message_tokens
from horos_runtime.records import Record
from horos_runtime.stream_assembly import CutStreamError, Step, StepAssembly

log: Final = logging.getLogger(__name__)

DEFAULT_WINDOW_TOKENS: Final = 128_000
SHRINK: Final = 0.6
"""What a request that was too long for the model is cut down to, as a part of what was sent."""
SHRINK_TRIES: Final = 4


@dataclass(frozen=True)
class Question:
    """What a round asks: the records so far, the spec and tools, and where the answer goes."""

    turn: str
    message_id: str
    records: Sequence[Record]
    spec: AgentSpec
    tools: list[ChatMessage]
    deadline: float
    """Time of the event loop's clock at which the turn must end."""


class ModelRound:
    """Asks the model until it answers, refuses, or the turn's time is over."""

    def __init__(self, client: LLMClient, publisher: DeltaPublisher, backoff: Backoff, pulse: Pulse) -> None:
        self._client = client
        self._publisher = publisher
        self._backoff = backoff
        self._pulse = pulse

    async def ask(self, question: Question) -> Step:
        """Return the model's step; all its events are written by then.

        Raises ModelRefusedError, ContextLengthError when even a small part is too long, OutOfTimeError.
        """
        clock = asyncio.get_running_loop().time
        self._pulse.beat(max(0.0, question.deadline - clock()))
        waits = self._backoff.waits()
        room, shrinks = room_tokens(question), 0
        trouble = "the model had not answered"
        while True:
            try:
                async with asyncio.timeout_at(question.deadline):
                    return await self._try(question, room)
            except TimeoutError:
                raise OutOfTimeError(trouble) from None
            except ContextLengthError as error:
                shrinks += 1
                if shrinks > SHRINK_TRIES:
                    raise
                log.warning("the request is too long for the model, sending less: %s", error)
                room = int(min(room, _sent_tokens(question, room)) * SHRINK)
            except TransientModelError as error:
                trouble = str(error)
                seconds = max(next(waits), error.retry_after or 0.0)
                if clock() + seconds >= question.deadline:
                    raise OutOfTimeError(trouble) from error
                await self._wait(question, trouble, seconds)

    async def _try(self, question: Question, room: int) -> Step:
        assembly = StepAssembly(question.message_id)
        request = ModelRequest(
            model=question.spec.model or ModelSpec(),
            messages=ContextManager.for_model(question.records, question.spec.instructions, room),
            tools=question.tools,
        )
        try:
            async with aclosing(self._client.stream(request)) as chunks:
                async for chunk in chunks:
                    self._publisher.publish(question.turn, assembly.feed(chunk))
            step, closing = assembly.finish()
        except CutStreamError as error:
            self._take_back(question, assembly)
            raise TransientModelError(str(error)) from error
        except BaseException:
            self._take_back(question, assembly)
            raise
        self._publisher.publish(question.turn, closing)
        await self._publisher.flush()
        return step

    def _take_back(self, question: Question, assembly: StepAssembly) -> None:
        if assembly.shown:
            self._publisher.publish(question.turn, [events.discard(question.message_id)])

    async def _wait(self, question: Question, trouble: str, seconds: float) -> None:
        log.warning("the model did not answer, trying again in %.1f s: %s", seconds, trouble)
        self._publisher.publish(question.turn, [events.retry(trouble, seconds)])
        await self._publisher.flush()
        await asyncio.sleep(seconds)


def room_tokens(question: Question) -> int:
    """Say how many tokens the messages may take: the window without the answer and the tools."""
    model = question.spec.model or ModelSpec()
    window = model.context_window_tokens or DEFAULT_WINDOW_TOKENS
    output = model.max_output_tokens or window // 4
    return max(0, window - output - sum(estimate_tokens(str(tool)) for tool in question.tools))


def _sent_tokens(question: Question, room: int) -> int:
    messages = ContextManager.for_model(question.records, question.spec.instructions, room)
    return sum(map(message_tokens, messages))
