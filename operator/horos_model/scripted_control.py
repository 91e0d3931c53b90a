"""`/control/...` of the scripted model: for the test that drives it."""

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from horos_model.scripted_script import ScriptError, parse_script
from horos_model.scripted_stage import Stage


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


ROUTES = (
    Route("/control/requests", _requests),
    Route("/control/step", _step, methods=["POST"]),
    Route("/control/script", _replace, methods=["POST"]),
    Route("/control/reset", _reset, methods=["POST"]),
)
