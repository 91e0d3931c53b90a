"""A scripted OpenAI-compatible model server: it answers what a file says, as slowly and as badly as asked.

`POST /v1/chat/completions` and `GET /v1/models` are the model; `/control/...` is for the test that drives it.
"""

import asyncio
import contextlib
import hmac
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from horos_model import scripted_answers as answers
from horos_model.scripted_script import Fault, Reply, Script, ScriptError, parse_script
from horos_model.scripted_stage import AbandonedError, Outcome, Received, Stage

USED_UP = "the script is used up: no reply is left for request {number} ({text!r})"


class CutError(Exception):
    """The stream ends here without its end."""


class _CuttableStream(StreamingResponse):
    """A stream that ends in a broken connection when its source raises CutError."""

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        source: Any = self.body_iterator
        async with contextlib.aclosing(source):
            try:
                async for chunk in source:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except CutError:
                return  # without the last chunk the server closes the connection, as a crash would
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Answer:
    """One answer on its way to the client."""

    def __init__(self, stage: Stage, received: Received, reply: Reply) -> None:
        self.stage, self.received, self.reply = stage, received, reply
        self.life = stage.life
        self.steps = answers.steps(stage.script, reply, received.body, received.number)
        self.usage = answers.usage(reply, received.body, self.steps)

    async def perform(self) -> AsyncIterator[dict[str, Any]]:
        """Yield each delta when its time has come; raises CutError where the script cuts."""
        for index, step in enumerate(self.steps):
            if index == self.reply.cut_after or self.stage.life != self.life:
                raise CutError
            try:
                if step.hold:
                    await self.stage.hold(self.life)
            except AbandonedError:
                raise CutError from None
            if step.pace_seconds:
                await asyncio.sleep(step.pace_seconds)
            yield step.delta
            self.stage.note_sent(self.received)
        if self.reply.cut_after is not None:
            raise CutError

    async def stream(self) -> AsyncIterator[bytes]:
        """The server-sent events of the answer; notes how it ended, also when the client leaves."""
        outcome: Outcome = "left"
        try:
            yield self._event({"role": "assistant", "content": ""})
            async for delta in self.perform():
                yield self._event(delta)
            yield self._event({}, finish=answers.finish_reason(self.reply))
            if self.usage and (self.received.body.get("stream_options") or {}).get("include_usage"):
                yield _sse(self._envelope("chat.completion.chunk") | {"choices": [], "usage": self.usage})
            yield b"data: [DONE]\n\n"
            outcome = "complete"
        except CutError:
            outcome = "cut"
            raise
        finally:
            self.stage.note_end(self.received, outcome)

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
        return _sse(self._envelope("chat.completion.chunk") | {"choices": [choice]})


def _sse(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def _key(request: Request) -> str | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else None


async def _garbage(stage: Stage, received: Received, text: str) -> AsyncIterator[bytes]:
    yield text.encode()
    stage.note_end(received, "complete")


def _refuse(stage: Stage, received: Received, fault: Fault) -> Response:
    stage.note_end(received, "fault", fault.status)
    headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
    return JSONResponse(answers.error_body(fault), fault.status, headers)


def _used_up(received: Received) -> Fault:
    text = answers.last_user_text(received.body["messages"])
    return Fault(status=500, message=USED_UP.format(number=received.number, text=text[:80]))


def _objection(script: Script, received: Received) -> Fault | None:
    """What a real server would object to before it thinks about an answer."""
    if script.api_key is not None and not hmac.compare_digest(
        (received.key or "").encode(), script.api_key.encode()
    ):
        return Fault(status=401)
    wrong = answers.history_error(received.body.get("messages"))
    return Fault(status=400, message=wrong) if wrong else None


async def _chat(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        fault = Fault(status=400, message="We could not parse the JSON body of your request.")
        return JSONResponse(answers.error_body(fault), 400)
    received = stage.receive(body, _key(request))
    objection = _objection(stage.script, received)
    reply = None if objection else stage.choose(received)
    if reply is None:
        return _refuse(stage, received, objection or _used_up(received))
    if reply.fault:
        return _refuse(stage, received, reply.fault)
    return await _answer(stage, received, reply)


async def _answer(stage: Stage, received: Received, reply: Reply) -> Response:
    if reply.garbage is not None:
        stream = _garbage(stage, received, reply.garbage)
        return _CuttableStream(stream, media_type="text/event-stream")
    answer = _Answer(stage, received, reply)
    if received.body.get("stream"):
        return _CuttableStream(answer.stream(), media_type="text/event-stream")
    return await _whole(answer)


async def _whole(answer: _Answer) -> Response:
    try:
        return JSONResponse(await answer.whole())
    except CutError:
        answer.stage.note_end(answer.received, "cut")
        return _CuttableStream(_cut_at_once(), media_type="application/json")


async def _cut_at_once() -> AsyncIterator[bytes]:
    raise CutError
    yield b""


async def _models(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    if stage.script.api_key is not None and _key(request) != stage.script.api_key:
        return JSONResponse(answers.error_body(Fault(status=401)), 401)
    listed = [
        {"id": name, "object": "model", "created": answers.CREATED, "owned_by": "horos"}
        for name in stage.script.models
    ]
    return JSONResponse({"object": "list", "data": listed})


async def _requests(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    try:
        wanted = {name: int(request.query_params.get(name, "0")) for name in ("at_least", "ended", "held")}
        seconds = float(request.query_params.get("seconds", "5"))
    except ValueError:
        return _wrong("at_least, ended, held and seconds must be numbers")
    met = await stage.wait(seconds, **wanted)
    return JSONResponse({"met": met} | stage.requests())


async def _step(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    text = request.query_params.get("chunks", "1")
    if not text.isdecimal():
        return _wrong(f"chunks must be a whole number, not {text!r}")
    stage.step(int(text))
    return JSONResponse({})


async def _replace(request: Request) -> Response:
    stage: Stage = request.app.state.stage
    try:
        script = parse_script(json.loads(await request.body()))
    except ScriptError as error:
        return _wrong(str(error))
    except ValueError as error:
        return _wrong(f"the script is not JSON: {error}")
    stage.load(script)
    return JSONResponse({})


async def _reset(request: Request) -> Response:
    request.app.state.stage.load()
    return JSONResponse({})


def _wrong(message: str) -> Response:
    return JSONResponse({"error": message}, 400)


def scripted_app(script: Script) -> Starlette:
    """Build the server's application; its state lives as long as the object."""
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", _chat, methods=["POST"]),
            Route("/v1/models", _models),
            Route("/control/requests", _requests),
            Route("/control/step", _step, methods=["POST"]),
            Route("/control/script", _replace, methods=["POST"]),
            Route("/control/reset", _reset, methods=["POST"]),
        ]
    )
    app.state.stage = Stage(script)
    return app


class _Server(uvicorn.Server):
    """Tells when it can be asked, so that nobody has to guess."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(
    script: Script, host: str = "127.0.0.1", port: int = 8081, ready: Callable[[], None] = lambda: None
) -> None:
    """Serve the script until SIGINT or SIGTERM, and call `ready` once it listens.

    Raises SystemExit when the port cannot be used.
    """
    config = uvicorn.Config(
        scripted_app(script), host=host, port=port, log_level="warning", timeout_graceful_shutdown=1
    )
    _Server(config, ready).run()
