"""What a model's server says of an error with HTTP 200: sorted, fit to be stored, and never with the key."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from horos_api.model_choice import ModelChoice
from horos_api.names import Env
from horos_api.resources import AgentSpec, ModelSpec
from horos_runtime.llm_client import LLMClient
from horos_runtime.model_errors import ModelError, ModelRefusedError
from horos_runtime.model_request import ModelRequest
from tests.runtime.stage import Stage
from tests.runtime.test_trouble_with_the_model import SLOW_ERRORS

KEY = "sk-very-secret"
HALF = rb"\ud83d"
DEEP = b"[" * 100_000


@contextlib.asynccontextmanager
async def answering(
    body: bytes, media_type: str = "text/event-stream", status: str = "200 OK"
) -> AsyncIterator[str]:
    """A server that answers every request with this body; yields its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"content-type: {media_type}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
            writer.write(f"HTTP/1.1 {status}\r\n{head}".encode() + b"\r\n" + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await server.wait_closed()


async def raised(error: bytes, media_type: str = "text/event-stream", status: str = "200 OK") -> ModelError:
    """The ModelError that comes of a server's error."""
    body = b"data: %b\n\n" % error if media_type == "text/event-stream" else error
    client = LLMClient({Env.MODEL_API_KEY: KEY})
    async with answering(body, media_type, status) as url:
        request = ModelRequest(ModelChoice(name="m", base_url=url), [{"role": "user", "content": "?"}], [])
        with pytest.raises(ModelError) as caught:
            async for _ in client.stream(request):
                pass
        await client.aclose()
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        b'{"error": {"message": "' + HALF + b' bad"}}',
        b'{"error": {"code": "' + HALF + b'"}}',
        b'{"error": {"code": 400, "message": "' + HALF + b'"}}',
        b'{"error": {"code": 99999999999999999999999}}',
        DEEP,
    ],
    ids=["half in the message", "half in the code", "half in a refusal", "long number", "deep"],
)
async def test_whatever_it_says_is_a_model_error_that_can_be_stored(error: bytes) -> None:
    assert str(await raised(error)).encode()


@pytest.mark.parametrize("media_type", ["text/event-stream", "application/json"])
async def test_an_error_without_words_is_shown_without_the_key_and_in_short(media_type: str) -> None:
    error = b'{"error": {"message": "", "raw": "key %b is bad %b"}}' % (KEY.encode(), b"x" * 5000)
    text = str(await raised(error, media_type))
    assert "key (the API key) is bad" in text
    assert KEY not in text
    assert len(text) < 700


async def test_half_a_character_in_a_refusal_hides_no_code() -> None:
    error = b'{"error": {"code": "insufficient_quota", "message": "' + HALF + b' bad"}}'
    refusal = await raised(error, "application/json", "429 Too Many Requests")
    assert isinstance(refusal, ModelRefusedError)
    assert " answered 429: \ufffd bad; " in str(refusal)


async def test_half_a_character_in_an_error_does_not_end_the_runtime(stage: Stage) -> None:
    body = b'data: {"error": {"code": 400, "message": "' + HALF + b' bad"}}\n\n'
    async with answering(body) as url:
        await stage.agent(spec=AgentSpec(instructions="x", model=ModelSpec(name="m", base_url=url)))
        async with stage.running(pace=SLOW_ERRORS):
            await stage.say("hello")
            view = await stage.becomes("error")
    assert " answered 400: \ufffd bad; " in view.message
