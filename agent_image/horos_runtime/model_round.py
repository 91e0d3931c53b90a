"""One round's question to the model: asked again, or another model, until there is an answer that fits."""

import asyncio
import logging
from dataclasses import replace
from typing import Final

import orjson

from horos_api import events
from horos_runtime.delta_publisher import DeltaPublisher
from horos_runtime.health import Pulse
from horos_runtime.llm_client import LLMClient
from horos_runtime.model_errors import (
    ContextLengthError,
    ModelRefusedError,
    OutOfTimeError,
    TransientModelError,
    UnfitAnswerError,
)
from horos_runtime.model_lineup import Contender, Lineup, Standings, prompt_window
from horos_runtime.model_request import SCHEMA_INSTRUCTION, ModelRequest, Schema
from horos_runtime.model_try import ModelTry, Question
from horos_runtime.pace import Backoff
from horos_runtime.stream_assembly import Step, is_json
from horos_runtime.structured_answer import AnswerSchema

log: Final = logging.getLogger(__name__)

UNFIT: Final = "Your answer cannot be used: {problem}\n\n"
STILL_UNFIT: Final = (
    "the model's answer does not satisfy spec.model.responseSchema, also when asked anew: {problem}"
)
TOO_LARGE_CALL: Final = (
    "Your answer was cut off at the most tokens you may write, inside the arguments of a call of {name}; "
    "nothing of it was carried out. Try again with shorter arguments, in several calls if need be."
)
CLEANED: Final = "the answer follows once more, without what the model wrote around it"
CUT_ANSWER: Final = "it was cut off at the most tokens you may write; answer more briefly; "


class ModelRound:
    """Asks the models until one answers, all refuse, or the turn's time is over."""

    def __init__(self, client: LLMClient, publisher: DeltaPublisher, backoff: Backoff, pulse: Pulse) -> None:
        self._client = client
        self._publisher = publisher
        self._backoff = backoff
        self._pulse = pulse
        self._try = ModelTry(client, publisher)
        self._standings = Standings()
        self._schema: AnswerSchema | None = None

    async def ask(self, question: Question) -> Step:
        """Return the model's step; all its events are written by then.

        An answer that cannot be used is repaired once: the model is told what is wrong. Raises
        ModelRefusedError, ContextLengthError, BudgetExhaustedError, OutOfTimeError, UnfitAnswerError.
        """
        self._pulse.beat(max(0.0, question.deadline - asyncio.get_running_loop().time()))
        schema = await self._schema_of(question.response_schema)
        step = await self._answered(question)
        if problem := _too_large_call(step):
            self._take_back(question, problem)
            step = await self._answered(_with_hint(question, step, problem))
        if schema is not None and not step.tool_calls:
            step = await self._fitting(question, step, schema)
        if not question.quiet:
            await self._publisher.flush()
        return step

    async def _fitting(self, question: Question, step: Step, schema: AnswerSchema) -> Step:
        try:
            return self._cleaned(question, step, schema)
        except UnfitAnswerError as error:
            problem = f"{CUT_ANSWER if step.cut else ''}{error}"
            self._take_back(question, problem)
        hint = UNFIT.format(problem=problem) + SCHEMA_INSTRUCTION + orjson.dumps(schema.schema).decode()
        step = await self._answered(_with_hint(question, step, hint))
        if step.tool_calls:
            return step
        try:
            return self._cleaned(question, step, schema)
        except UnfitAnswerError as error:
            self._try.show(question, [events.discard(question.message_id)])
            raise UnfitAnswerError(STILL_UNFIT.format(problem=error)) from error

    def _cleaned(self, question: Question, step: Step, schema: AnswerSchema) -> Step:
        """Check an answer, and show it once more when what was streamed is not what is kept."""
        text = schema.checked(step.text)
        if text != step.text:
            message_id = question.message_id
            shown = [
                events.discard(message_id, CLEANED),
                events.text_start(message_id),
                events.text_delta(message_id, text),
                events.text_end(message_id),
            ]
            self._try.show(question, shown)
        return replace(step, text=text)

    async def _schema_of(self, schema: Schema | None) -> AnswerSchema | None:
        if schema is None:
            return None
        if self._schema is None or self._schema.schema != schema:
            self._schema = await asyncio.to_thread(AnswerSchema, schema)
        return self._schema

    async def _answered(self, question: Question) -> Step:
        clock = asyncio.get_running_loop().time
        lineup = Lineup(question.models, self._standings, self._backoff, clock())
        asked = lineup.contenders[0]
        while True:
            contender = lineup.next()
            request = question.to(contender.model)
            if contender is not lineup.contenders[0] and (error := _too_long(question, request)):
                lineup.too_long(contender, error)
                continue
            await self._ready(question, contender, lineup.trouble)
            if contender is not asked:
                self._tell(question, contender, asked.trouble)
            asked = contender
            try:
                async with asyncio.timeout_at(question.deadline):
                    step = await self._try(question, request)
            except TimeoutError:
                raise OutOfTimeError(lineup.trouble) from None
            except TransientModelError as error:
                lineup.failed(contender, error, clock())
            except ContextLengthError as error:
                lineup.too_long(contender, error)
            except ModelRefusedError as error:
                if not self._client.concede(request, error):
                    lineup.refused(contender, error, clock())
            else:
                lineup.answered(contender)
                return step

    async def _ready(self, question: Question, contender: Contender, trouble: str) -> None:
        """Wait until a model may be asked; raises OutOfTimeError when that is too late."""
        seconds = max(0.0, contender.ready_at - asyncio.get_running_loop().time())
        if not seconds and not contender.tries:
            return
        if contender.ready_at >= question.deadline:
            raise OutOfTimeError(trouble)
        log.warning("the model did not answer, trying again in %.1f s: %s", seconds, trouble)
        self._try.show(question, [events.retry(trouble, seconds)])
        if not question.quiet:
            await self._publisher.flush()
        await asyncio.sleep(seconds)

    def _tell(self, question: Question, contender: Contender, trouble: str) -> None:
        name = contender.model.name or ""
        log.warning("asking the model %s instead: %s", name, trouble)
        self._try.show(question, [events.fallback(name, trouble)])

    def _take_back(self, question: Question, problem: str) -> None:
        log.warning("the model's answer cannot be used, asking anew: %s", problem)
        self._try.show(question, [events.discard(question.message_id), events.repair(problem)])


def _too_long(question: Question, request: ModelRequest) -> ContextLengthError | None:
    """Say that what was made to fit the agent's own model is too long for a fallback, before it is asked."""
    model, tokens = request.model, int(request.prompt_tokens * question.factor)
    if tokens <= prompt_window(model):
        return None
    return ContextLengthError(
        f"about {tokens} tokens are too many for the model {model.name}, which takes {prompt_window(model)} "
        "beside its answer"
    )


def _too_large_call(step: Step) -> str:
    """Say what the model must know when its limit of output ended inside a call; empty when it did not."""
    calls = [call["function"] for call in step.tool_calls]
    broken = next((call["name"] for call in calls if not is_json(call["arguments"])), "")
    return TOO_LARGE_CALL.format(name=broken) if step.cut and broken else ""


def _with_hint(question: Question, step: Step, hint: str) -> Question:
    said = [{"role": "assistant", "content": step.text}] if step.text else []
    return replace(question, messages=[*question.messages, *said, {"role": "user", "content": hint}])
