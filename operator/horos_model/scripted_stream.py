"""How a scripted answer goes over the wire: chunk by chunk, held back, cut, or whole."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Send

from horos_model import scripted_answers as answers
from horos_model.scripted_answers import Step, event
from horos_model.scripted_script import Reply
from horos_model.scripted_stage import AbandonedError, Outcome, Received, Stage


class CutError(Exception):
    """The stream ends here without its end."""


class CuttableStream(StreamingResponse):
    """A stream that ends in a broken connection when its source raises CutError."""

    async def stream_response(self, send: Send) -> None:
        """Send the head of the answer with its first chunk, not before."""
        head = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        begun = False
        source: Any = self.body_iterator
        async with contextlib.aclosing(source):
            try:
                async for chunk in source:
                    if not begun:
                        await send(head)
                    begun = True
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except CutError:
                if not begun:
                    await send(head)
                return  # without the last chunk the server closes the connection, as a crash would
        if not begun:
            await send(head)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Answer:
    """One answer on its way to the client."""

    def __init__(self, stage: Stage, received: Received, reply: Reply) -> None:
        self.stage, self.received, self.reply = stage, received, reply
        self.life = stage.life
        self.steps = answers.steps(stage.script, reply, received.body, received.number)
        self.usage = answers.usage(reply, received.body, self.steps)

    async def perform(self) -> AsyncIterator[Step]:
        """Yield each step when its time has come; raises CutError where the script cuts."""
        for index, step in enumerate(self.steps):
            if index == self.reply.cut_after or self.stage.life != self.life:
                raise CutError
            if step.hold:
                await self._hold()
            if step.pace_seconds:
                await asyncio.sleep(step.pace_seconds)
            yield step
            self.stage.note_sent(self.received)
        if self.reply.cut_after is not None:
            raise CutError

    async def stream(self) -> AsyncIterator[bytes]:
        """The server-sent events of the answer; notes how it ended, also when the client leaves."""
        outcome: Outcome = "left"
        try:
            if self.reply.hold_start:
                await self._hold()
            if not self.reply.raw:
                yield self._event({"role": "assistant", "content": ""})
            async for step in self.perform():
                yield step.raw or self._event(step.delta)
            if not self.reply.raw and not self.reply.error:
                for last in self._last_events():
                    yield last
            if self.reply.hold_end:
                await self._hold()
            outcome = "complete"
        except CutError:
            outcome = "cut"
            raise
        finally:
            self.stage.note_end(self.received, outcome)

    async def _hold(self) -> None:
        try:
            await self.stage.hold(self.life)
        except AbandonedError:
            raise CutError from None

    def _last_events(self) -> Iterator[bytes]:
        yield self._event({}, finish=answers.finish_reason(self.reply))
        wanted = (self.received.body.get("stream_options") or {}).get("include_usage")
        if self.usage and wanted and self.reply.usage_in == "end":
            yield event(self._envelope("chat.completion.chunk") | {"choices": [], "usage": self.usage})
        if self.reply.done:
            yield b"data: [DONE]\n\n"

    async def whole(self) -> dict[str, Any]:
        """The answer of a request that asked for no stream."""
        async for _ in self.perform():
            pass
        self.stage.note_end(self.received, "complete")
        message = answers.complete_message(self.steps)
        choice = {"index": 0, "message": message, "finish_reason": answers.finish_reason(self.reply)}
        usage = {"usage": self.usage} if self.usage else {}
        return self._envelope("chat.completion") | {"choices": [choice]} | usage

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.received.number}",
            "object": kind,
            "created": answers.CREATED,
            "model": self.received.body.get("model") or self.stage.script.models[0],
        }

    def _event(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        told = self.reply.usage_in == "every" or (self.reply.usage_in == "last" and finish)
        usage = {"usage": self.usage} if self.usage and told else {}
        return event(self._envelope("chat.completion.chunk") | {"choices": [choice]} | usage)
