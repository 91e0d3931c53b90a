"""One try of one model: its stream becomes a step and what watchers see, and its tokens are counted."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

from horos_api import events
from horos_api.events import Event
from horos_api.model_choice import ModelChoice
from horos_runtime.delta_publisher import DeltaPublisher
from horos_runtime.llm_client import LLMClient
from horos_runtime.model_budget import Budget, NoBudget
from horos_runtime.model_errors import ModelError, TransientModelError
from horos_runtime.model_request import ModelRequest, Schema
from horos_runtime.records import TokenUsage
from horos_runtime.stream_assembly import CutStreamError, Step, StepAssembly
from horos_runtime.token_estimates import ChatMessage

TAIL_SECONDS: Final = 2.0
"""How long a complete answer waits for what may follow it: the usage, and the end of the stream."""


@dataclass(frozen=True)
class Question:
    """What a round asks, of which models, and where the answer goes.

    `deadline` is a time of the event loop's clock. With `quiet` watchers see nothing of it. The final answer
    is JSON that satisfies `response_schema`, if there is one. `factor` real tokens are one estimated token.
    """

    turn: str
    message_id: str
    messages: list[ChatMessage]
    models: Sequence[ModelChoice]
    tools: list[ChatMessage]
    deadline: float
    budget: Budget = field(default_factory=NoBudget)
    response_schema: Schema | None = None
    quiet: bool = False
    factor: float = 1.0

    def to(self, model: ModelChoice) -> ModelRequest:
        """Build what one of the models is asked."""
        return ModelRequest(model, self.messages, self.tools, self.response_schema)


class ModelTry:
    """Asks one model once; whatever comes of it is shown, counted and, if it was no answer, taken back."""

    def __init__(self, client: LLMClient, publisher: DeltaPublisher) -> None:
        self._client = client
        self._publisher = publisher

    async def __call__(self, question: Question, request: ModelRequest) -> Step:
        """Return the step with its usage; raises ModelError."""
        await self._client.open()
        await question.budget.before(request.model, request.prompt_tokens)
        assembly = StepAssembly(question.message_id)
        try:
            await self._read(question, request, assembly)
            step, closing = assembly.finish()
        except BaseException as error:
            # Who is cancelled does not know how far the server was: it has been sent the prompt.
            if assembly.begun or isinstance(error, asyncio.CancelledError):
                question.budget.after(request.model, _usage(assembly, request))
            elif isinstance(error, ModelError) and not _may_have_read(error):
                await question.budget.unused()
            if assembly.shown:
                self.show(question, [events.discard(question.message_id)])
            if isinstance(error, CutStreamError):
                raise TransientModelError(str(error)) from error
            raise
        usage = _usage(assembly, request)
        question.budget.after(request.model, usage)
        self.show(question, closing)
        fallback = request.model is not question.models[0]
        return replace(step, usage=usage, model=request.model.name or "" if fallback else "")

    def show(self, question: Question, shown: Sequence[Event]) -> None:
        """Show events to watchers, unless the question is quiet."""
        if not question.quiet:
            self._publisher.publish(question.turn, shown)

    async def _read(self, question: Question, request: ModelRequest, assembly: StepAssembly) -> None:
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(None) as tail, aclosing(self._client.stream(request)) as chunks:
                async for chunk in chunks:
                    self.show(question, assembly.feed(chunk))
                    if assembly.complete and tail.when() is None:
                        tail.reschedule(clock() + TAIL_SECONDS)
        except (TimeoutError, TransientModelError):
            # What breaks behind the end breaks nothing.
            if not assembly.complete:
                raise


def _may_have_read(error: ModelError) -> bool:
    """Whether the server may charge for the prompt: it took the request and then said nothing."""
    return isinstance(error, TransientModelError) and error.silent


def _usage(assembly: StepAssembly, request: ModelRequest) -> TokenUsage:
    if assembly.usage is not None:
        return assembly.usage
    return {"prompt": request.prompt_tokens, "completion": assembly.completion_tokens(), "estimated": True}
