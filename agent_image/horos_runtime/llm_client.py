"""The one door to language models: Chat Completions, streamed, from any OpenAI-compatible server.

The SDK costs half a second and 20 MiB, so it is imported in a thread when the first request is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

from horos_api.conditions import Reason
from horos_runtime.model_dialect import Concession, concession_for
from horos_runtime.model_errors import (
    ModelError,
    ModelRefusedError,
    TransientModelError,
    error_in_answer,
    error_of_status,
)
from horos_runtime.retry_after import seconds_to_wait
from horos_runtime.settings import NO_KEY

if TYPE_CHECKING:
    from openai import APIError, AsyncOpenAI, AsyncStream, DefaultAsyncHttpxClient

    from horos_api.model_choice import ModelChoice
    from horos_runtime.model_request import ModelRequest

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 300.0
"""How long a server may think between two chunks; the turn's own limit is usually shorter."""
SAID_CHARACTERS: Final = 500
"""How much of a server's refusal is passed on; some answer with a whole page."""
SHORTEST_KEY: Final = 8
"""Anything shorter is no key that must be hidden (`none`)."""


class LLMClient:
    """Streams completions of all models over one pool of connections, kept open between calls.

    `keys` are the API keys by `ModelChoice.key_variable`; a variable without one is a server that needs none.
    `silence_seconds` is how long a server may say nothing.
    """

    def __init__(self, keys: Mapping[str, str], silence_seconds: float = SILENCE_SECONDS) -> None:
        self._keys = dict(keys)
        self._silence_seconds = silence_seconds
        self._pool: DefaultAsyncHttpxClient | None = None
        self._opening = asyncio.Lock()
        self._clients: dict[tuple[str, str], AsyncOpenAI] = {}
        self._concessions: dict[ModelChoice, set[Concession]] = {}

    async def stream(self, request: ModelRequest) -> AsyncGenerator[object]:
        """Yield the chunks of one completion as decoded JSON; closing the generator closes the connection.

        Raises ModelError and nothing else: ModelRefusedError when there is no model to ask, the key cannot be
        sent or the server refuses, ContextLengthError for too much text, else TransientModelError.
        """
        model, key = request.model, self._key(request.model)
        conceded = self._concessions.setdefault(model, set())
        body = request.body(conceded)
        client = await self._client_for(model.base_url or "", key)
        from openai import APIError, OpenAIError  # noqa: PLC0415 - see the module's docstring

        server = _server(model)
        try:
            async with await _open(client, body) as chunks:
                kind = _content_type(chunks)
                if kind == "application/json":
                    yield await self._whole(server, chunks)
                    return
                if kind == "text/html":
                    raise TransientModelError(
                        f"{server} sent a web page, no answer; check spec.model.baseUrl"
                    )
                async for chunk in chunks:
                    if _is_error(chunk):
                        raise self._in_answer(server, chunk)
                    yield chunk
        except APIError as error:
            raise self._model_error(server, error) from error
        except (OpenAIError, ValueError) as error:
            raise TransientModelError(
                f"{server} sent something unreadable: {self._said(str(error))}"
            ) from error

    def concede(self, request: ModelRequest, refusal: ModelRefusedError) -> bool:
        """Ask this model differently from now on, if that is what it refused; False when nothing helps."""
        if refusal.status is None:
            return False
        conceded = self._concessions.setdefault(request.model, set())
        concession = concession_for(refusal, request.body(conceded).keys())
        if concession is None or concession in conceded:
            return False
        conceded.add(concession)
        return True

    async def open(self) -> None:
        """Make the pool ready, so that what follows is sent at once; `stream` does it too."""
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncio.to_thread(_new_pool, self._silence_seconds)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None
            self._clients.clear()

    async def _client_for(self, base_url: str, key: str) -> AsyncOpenAI:
        await self.open()
        if (base_url, key) not in self._clients:
            from openai import AsyncOpenAI  # noqa: PLC0415 - see the module's docstring

            # A view of the pool. Retries are ours: they must be seen, and end with the turn.
            self._clients[base_url, key] = AsyncOpenAI(
                base_url=base_url, api_key=key, http_client=self._pool, max_retries=0
            )
        return self._clients[base_url, key]

    def _key(self, model: ModelChoice) -> str:
        key = self._keys.get(model.key_variable) or NO_KEY
        if not (key.isascii() and key.isprintable()):
            raise ModelRefusedError(
                Reason.MODEL_REFUSES_KEY,
                f"the API key of {model.name} (spec.model.apiKeySecretRef) holds characters that "
                "no HTTP header can",
            )
        return key

    async def _whole(self, server: str, stream: AsyncStream[object]) -> object:
        """Read an answer that is no stream: the server does not know how to, or it is an error after all."""
        content = await stream.response.aread()
        answer = orjson.loads(content)
        if not isinstance(answer, dict) or "choices" not in answer:
            found = answer.get("error", answer) if isinstance(answer, dict) else answer
            raise self._in_answer(server, found)
        return answer

    def _in_answer(self, server: str, error: object) -> ModelError:
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            return error_in_answer(server, {**error, "message": self._said(error["message"])})
        return error_in_answer(server, self._said(error if isinstance(error, str) else _json(error)))

    def _model_error(self, server: str, error: APIError) -> ModelError:
        from openai import APIConnectionError, APIStatusError, APITimeoutError  # noqa: PLC0415 - see above

        said = self._said(error.message)
        if isinstance(error, APIStatusError):
            said = said.removeprefix(f"Error code: {error.status_code} - ")
            wait = seconds_to_wait(error.response.headers, datetime.now(UTC))
            return error_of_status(server, error.status_code, error.code or error.type or "", said, wait)
        if isinstance(error, APIConnectionError):
            cause = f": {error.__cause__}" if error.__cause__ and str(error.__cause__) else ""
            text = f"{server} could not be read: {said}{self._said(cause)}"
            return TransientModelError(text, silent=isinstance(error, APITimeoutError))
        return self._in_answer(server, error.body)

    def _said(self, text: str) -> str:
        """Make what a server said fit for conditions and events: one short line, never with a key."""
        line = " ".join(text.split())
        for key in self._keys.values():
            if len(key) >= SHORTEST_KEY:
                line = line.replace(key, "(the API key)")
        return line if len(line) <= SAID_CHARACTERS else line[: SAID_CHARACTERS - 1] + "…"


async def _open(client: AsyncOpenAI, body: dict[str, Any]) -> AsyncStream[object]:
    from openai import AsyncStream  # noqa: PLC0415 - see the module's docstring

    # `object` leaves the chunks as they are: no model per chunk, and quirks of servers stay readable.
    return await client.post(
        "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
    )


def _new_pool(silence_seconds: float) -> DefaultAsyncHttpxClient:
    from openai import DefaultAsyncHttpxClient, Timeout  # noqa: PLC0415 - see the module's docstring

    return DefaultAsyncHttpxClient(timeout=Timeout(silence_seconds, connect=CONNECT_SECONDS))


def _server(model: ModelChoice) -> str:
    parts = urlsplit(model.base_url or "")
    return f"the model server {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _content_type(stream: AsyncStream[object]) -> str:
    kind, _, _ = str(stream.response.headers.get("content-type", "")).partition(";")
    return kind.strip().lower()


def _is_error(chunk: object) -> bool:
    """Whether a chunk is an error as older vLLM spells it; the SDK sees those under the key `error`."""
    return isinstance(chunk, dict) and chunk.get("object") == "error"


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
