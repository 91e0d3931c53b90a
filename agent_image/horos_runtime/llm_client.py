"""The one door to language models: Chat Completions, streamed, from any OpenAI-compatible server.

It speaks HTTP itself. The SDK would take a third of a cold start and 15 MiB of each agent's memory, for types
of answers that are not used here. The HTTP client is imported in a thread when the first request is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import orjson

from horos_api.conditions import Reason
from horos_runtime.heard_text import storable
from horos_runtime.model_dialect import Concession, concession_for
from horos_runtime.model_errors import (
    ModelError,
    ModelRefusedError,
    TransientModelError,
    error_in_answer,
    error_of_status,
)
from horos_runtime.model_request import no_address
from horos_runtime.retry_after import seconds_to_wait
from horos_runtime.server_events import EventReader
from horos_runtime.settings import NO_KEY

if TYPE_CHECKING:
    import httpx2

    from horos_api.model_choice import ModelChoice
    from horos_runtime.model_request import ModelRequest

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 300.0
"""How long a server may think between two chunks; the turn's own limit is usually shorter."""
DRAIN_SECONDS: Final = 0.05
"""How long the end of an answer is waited for behind its last chunk; else its connection is given up."""
CONNECTIONS: Final = 1000
KEPT_CONNECTIONS: Final = 100
SAID_CHARACTERS: Final = 500
"""How much of a server's refusal is passed on; some answer with a whole page."""
SHORTEST_KEY: Final = 8
"""Anything shorter is no key that must be hidden (`none`)."""
_LAST: Final = "[DONE]"


class LLMClient:
    """Streams completions of all models over one pool of connections, kept open between calls.

    `keys` are the API keys by `ModelChoice.key_variable`; a variable without one is a server that needs none.
    `silence_seconds` is how long a server may say nothing.
    """

    def __init__(self, keys: Mapping[str, str], silence_seconds: float = SILENCE_SECONDS) -> None:
        self._keys = dict(keys)
        self._silence_seconds = silence_seconds
        self._pool: httpx2.AsyncClient | None = None
        self._opening = asyncio.Lock()
        self._concessions: dict[ModelChoice, set[Concession]] = {}

    async def stream(self, request: ModelRequest) -> AsyncGenerator[object]:
        """Yield the chunks of one completion as decoded JSON; closing the generator closes the connection.

        Raises ModelError and nothing else: ModelRefusedError when there is no model to ask, the key cannot be
        sent or the server refuses, ContextLengthError for too much text, else TransientModelError.
        """
        model, key = request.model, self._key(request.model)
        conceded = self._concessions.setdefault(model, set())
        body = orjson.dumps(request.body(conceded))
        base_url = model.base_url or ""
        pool, server = await self._opened(), _server(base_url)
        url = f"{base_url.rstrip('/')}/chat/completions"
        with self._translated(server, base_url):
            async with pool.stream("POST", url, headers=_headers(key), content=body) as response:
                if not response.is_success:
                    raise await self._refused(server, response)
                kind = _content_type(response)
                if kind == "application/json":
                    yield await self._whole(server, response)
                    return
                if kind == "text/html":
                    raise TransientModelError(
                        f"{server} sent a web page, no answer; check spec.model.baseUrl"
                    )
                async for chunk in _chunks(response):
                    if (error := _error(chunk)) is not None:
                        raise self._in_answer(server, error)
                    yield chunk

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
        """Make the pool ready, so that what follows is sent at once; `stream` does it too.

        Raises ModelRefusedError when the environment names a proxy that cannot be used.
        """
        await self._opened()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    async def _opened(self) -> httpx2.AsyncClient:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncio.to_thread(_new_pool, self._silence_seconds)
            return self._pool

    def _key(self, model: ModelChoice) -> str:
        key = self._keys.get(model.key_variable) or NO_KEY
        if not (key.isascii() and key.isprintable()):
            raise ModelRefusedError(
                Reason.MODEL_REFUSES_KEY,
                f"the API key of {model.name} (spec.model.apiKeySecretRef) holds characters that "
                "no HTTP header can",
            )
        return key

    async def _whole(self, server: str, response: httpx2.Response) -> object:
        """Read an answer that is no stream: the server does not know how to, or it is an error after all."""
        answer = orjson.loads(await response.aread())
        if not isinstance(answer, dict) or "choices" not in answer:
            found = answer.get("error", answer) if isinstance(answer, dict) else answer
            raise self._in_answer(server, found)
        return answer

    def _in_answer(self, server: str, error: object) -> ModelError:
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            return error_in_answer(server, {**error, "message": self._said(error["message"] or _json(error))})
        return error_in_answer(server, self._said(error if isinstance(error, str) else _json(error)))

    async def _refused(self, server: str, response: httpx2.Response) -> ModelError:
        """Read what came with a status that is no success: OpenAI's error object, or whatever it is."""
        text = (await response.aread()).decode(errors="replace").strip()
        said: object = text
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(text)
        fields = said.get("error", said) if isinstance(said, dict) else said
        code = ""
        if isinstance(fields, dict):
            text = fields["message"] if isinstance(fields.get("message"), str) else text
            code = next((fields[key] for key in ("code", "type") if isinstance(fields.get(key), str)), "")
        wait = seconds_to_wait(response.headers, datetime.now(UTC))
        return error_of_status(server, response.status_code, code, self._said(text), wait)

    @contextlib.contextmanager
    def _translated(self, server: str, base_url: str) -> Iterator[None]:
        """Turn what can go wrong on the way into ModelError."""
        import httpx2  # noqa: PLC0415 - see the module's docstring

        try:
            yield
        except httpx2.TimeoutException as error:
            raise TransientModelError(
                f"{server} could not be read: Request timed out.", silent=True
            ) from error
        except httpx2.InvalidURL as error:
            raise no_address(base_url, str(error)) from error
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
            cause = f": {error}" if str(error) else ""
            raise TransientModelError(
                f"{server} could not be read: Connection error.{self._said(cause)}"
            ) from error
        except (ValueError, RecursionError) as error:
            raise TransientModelError(
                f"{server} sent something unreadable: {self._said(str(error))}"
            ) from error

    def _said(self, text: str) -> str:
        """Make what a server said fit for conditions and events: one short line, never with a key."""
        line = storable(" ".join(text.split()))
        for key in self._keys.values():
            if len(key) >= SHORTEST_KEY:
                line = line.replace(key, "(the API key)")
        return line if len(line) <= SAID_CHARACTERS else line[: SAID_CHARACTERS - 1] + "…"


def _new_pool(silence_seconds: float) -> httpx2.AsyncClient:
    import httpx2  # noqa: PLC0415 - see the module's docstring

    from horos_runtime.late_trust import LateTrust  # noqa: PLC0415 - it imports the client, too

    try:
        return httpx2.AsyncClient(
            verify=LateTrust(),
            timeout=httpx2.Timeout(silence_seconds, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=KEPT_CONNECTIONS),
            follow_redirects=True,
        )
    except (httpx2.InvalidURL, ValueError, ImportError) as error:
        # All else that it is made of is ours: these it reads from the environment.
        raise ModelRefusedError(
            Reason.MODEL_MISCONFIGURED,
            "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY of the agent (spec.env) names no proxy that can be used, "
            f"expected one as in http://proxy.example:3128: {error}",
        ) from error


def _headers(key: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "horos",
    }


async def _chunks(response: httpx2.Response) -> AsyncIterator[object]:
    """Decode the events of a stream as they are: no model per chunk, and quirks of servers stay readable."""
    events, parts = EventReader(), response.aiter_bytes()
    async for part in parts:
        for data in events.feed(part):
            if data.startswith(_LAST):
                await _read_to_the_end(parts)
                return
            # Not orjson: half of a character beyond the first 65,536 may come in each of two chunks.
            yield json.loads(data)


async def _read_to_the_end(parts: AsyncIterator[bytes]) -> None:
    import httpx2  # noqa: PLC0415 - see the module's docstring

    with contextlib.suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in parts:
                pass


def _server(base_url: str) -> str:
    parts = urlsplit(base_url)
    return f"the model server {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _content_type(response: httpx2.Response) -> str:
    kind, _, _ = str(response.headers.get("content-type", "")).partition(";")
    return kind.strip().lower()


def _error(chunk: object) -> object | None:
    """Return what a chunk tells of an error, under the key `error` or as older vLLM spells it."""
    if not isinstance(chunk, dict):
        return None
    return chunk if chunk.get("object") == "error" else chunk.get("error") or None


def _json(value: object) -> str:
    # Not orjson: it refuses halves of characters and long numbers, which `_chunks` lets in.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
