"""A scripted OpenAI-compatible model server: it answers what a file says, as slowly and as badly as asked.

`POST /v1/chat/completions` and `GET /v1/models` are the model; `/control/...` is for the test that drives it.
"""

import hmac
import json
import socket
from collections.abc import AsyncIterator, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from horos_model import scripted_answers as answers
from horos_model.scripted_control import ROUTES
from horos_model.scripted_script import Fault, Reply, Script
from horos_model.scripted_stage import Received, Stage
from horos_model.scripted_stream import Answer, CutError, CuttableStream

USED_UP = "the script is used up: no reply is left for request {number} ({text!r})"


def _key(request: Request) -> str | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else None


async def _garbage(stage: Stage, received: Received, text: str) -> AsyncIterator[bytes]:
    yield text.encode()
    stage.note_end(received, "complete")


def _refuse(stage: Stage, received: Received, fault: Fault) -> Response:
    stage.note_end(received, "fault", fault.status)
    after = fault.retry_after
    said = f"{after:g}" if isinstance(after, float) else after
    return JSONResponse(
        answers.error_body(fault), fault.status, {} if said is None else {"retry-after": said}
    )


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
    client = f"{request.client.host}:{request.client.port}" if request.client else ""
    received = stage.receive(body, _key(request), client)
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
        return CuttableStream(stream, media_type=reply.content_type)
    answer = Answer(stage, received, reply)
    if received.body.get("stream") and not reply.whole:
        return CuttableStream(answer.stream(), media_type="text/event-stream")
    return await _whole(answer)


async def _whole(answer: Answer) -> Response:
    try:
        return JSONResponse(await answer.whole())
    except CutError:
        answer.stage.note_end(answer.received, "cut")
        return CuttableStream(_cut_at_once(), media_type="application/json")


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


def scripted_app(script: Script) -> Starlette:
    """Build the server's application; its state lives as long as the object."""
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", _chat, methods=["POST"]),
            Route("/v1/models", _models),
            *ROUTES,
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
