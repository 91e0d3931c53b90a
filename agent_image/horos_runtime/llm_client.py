"""The one door to language models: Chat Completions, streamed, from any OpenAI-compatible server.

The SDK costs half a second and 20 MiB, so it is imported in a thread when the first request is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from horos_api.conditions import Reason
from horos_runtime.model_errors import (
    ContextLengthError,
    ModelError,
    ModelRefusedError,
    TransientModelError,
    error_of_status,
)

if TYPE_CHECKING:
    from openai import APIError, AsyncOpenAI, AsyncStream

    from horos_api.resources import ModelSpec
    from horos_runtime.projection import ChatMessage

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 300.0
"""How long a server may think between two chunks; the turn's own limit is usually shorter."""
SAID_CHARACTERS: Final = 500
"""How much of a server's refusal is passed on; some answer with a whole page."""
SHORTEST_KEY: Final = 8
"""Anything shorter is no key that must be hidden (`none`)."""
_OPENAI_HOST: Final = "api.openai.com"


@dataclass(frozen=True)
class ModelRequest:
    """One round's question: which model, what it sees, what it may call."""

    model: ModelSpec
    messages: list[ChatMessage]
    tools: list[ChatMessage]

    def body(self) -> dict[str, object]:
        """Build the JSON body; raises ModelRefusedError when no model is configured."""
        model = self.model
        if not model.name or not model.base_url:
            missing = "name" if not model.name else "baseUrl"
            raise ModelRefusedError(
                Reason.MODEL_MISCONFIGURED, f"no model is configured: spec.model.{missing} is not set"
            )
        body: dict[str, object] = {
            "model": model.name,
            "messages": self.messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.tools:
            body["tools"] = self.tools
        if model.temperature is not None:
            body["temperature"] = float(model.temperature)
        if model.max_output_tokens is not None:
            # OpenAI's newer models refuse the name that all other servers understand.
            openai = urlsplit(model.base_url).hostname == _OPENAI_HOST
            body["max_completion_tokens" if openai else "max_tokens"] = model.max_output_tokens
        return body


class LLMClient:
    """Streams completions; one HTTP client per server address, kept open between calls."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._base_url = ""
        self._client: AsyncOpenAI | None = None

    async def stream(self, request: ModelRequest) -> AsyncGenerator[object]:
        """Yield the chunks of one completion as decoded JSON.

        Raises ModelError and nothing else: ModelRefusedError when there is no model to ask, the key cannot be
        sent or the server refuses, ContextLengthError for too much text, else TransientModelError.
        """
        body = request.body()
        if not (self._api_key.isascii() and self._api_key.isprintable()):
            raise ModelRefusedError(
                Reason.MODEL_REFUSES_KEY,
                "the API key (spec.model.apiKeySecretRef) holds characters that no HTTP header can",
            )
        client = await self._client_for(request.model.base_url or "")
        from openai import APIError, OpenAIError  # noqa: PLC0415 - see the module's docstring

        try:
            async with await _open(client, body) as chunks:
                async for chunk in chunks:
                    yield chunk
        except APIError as error:
            raise self._model_error(error) from error
        except (OpenAIError, ValueError) as error:
            raise TransientModelError(f"{self._server} sent something unreadable: {error}") from error

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _client_for(self, base_url: str) -> AsyncOpenAI:
        if self._client is None or self._base_url != base_url:
            await self.aclose()
            self._client = await asyncio.to_thread(_new_client, base_url, self._api_key)
            self._base_url = base_url
        return self._client

    @property
    def _server(self) -> str:
        parts = urlsplit(self._base_url)
        return f"the model server {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def _model_error(self, error: APIError) -> ModelError:
        from openai import APIStatusError  # noqa: PLC0415 - see the module's docstring

        said = self._said(error.message)
        if isinstance(error, APIStatusError):
            wait = _seconds(error.response.headers.get("retry-after"))
            return error_of_status(self._server, error.status_code, error.code or "", said, wait)
        if error.code == "context_length_exceeded":
            return ContextLengthError(said)
        cause = f": {error.__cause__}" if error.__cause__ and str(error.__cause__) else ""
        return TransientModelError(f"{self._server} could not be read: {said}{cause}")

    def _said(self, text: str) -> str:
        """Make what a server said fit for conditions and events: one short line, never with the key."""
        line = " ".join(text.split())
        if len(self._api_key) >= SHORTEST_KEY:
            line = line.replace(self._api_key, "(the API key)")
        return line if len(line) <= SAID_CHARACTERS else line[: SAID_CHARACTERS - 1] + "…"


async def _open(client: AsyncOpenAI, body: dict[str, object]) -> AsyncStream[object]:
    from openai import AsyncStream  # noqa: PLC0415 - see the module's docstring

    # `object` leaves the chunks as they are: no model per chunk, and quirks of servers stay readable.
    return await client.post(
        "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
    )


def _new_client(base_url: str, api_key: str) -> AsyncOpenAI:
    from openai import AsyncOpenAI, Timeout  # noqa: PLC0415 - see the module's docstring

    timeout = Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    # Retries are ours: they must be seen by watchers and end with the turn.
    return AsyncOpenAI(base_url=base_url, api_key=api_key, timeout=timeout, max_retries=0)


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
