"""The one door to the API server, for the operator (in its pod) and the `horos` command (kubeconfig)."""

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import orjson
import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import incluster_config, kube_config
from kubernetes.aio.config.config_exception import ConfigException

from horos_operator.kube.session import rest_client
from horos_operator.supervision import told_to_end

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY: Final = "application/apply-patch+yaml"
"""Server-side apply; JSON is YAML, so the body is a dict like any other."""

_ANSWER = aiohttp.ClientTimeout(total=30, sock_connect=10)
_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=None)
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

# The library has no annotations here.
_load_kube_config: Any = kube_config.load_kube_config
_load_incluster_config: Any = incluster_config.load_incluster_config

_BAD_CONFIG = (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError)
"""What the loader raises for a kubeconfig that cannot be used; it has no single base for them."""


class KubeError(Exception):
    """The API server said no, or was not reached.

    `status` is the HTTP status, or 0 when there was no answer; `reason` is Kubernetes' CamelCase reason
    (`NotFound`, `AlreadyExists`, `Conflict`, …), with `Unreachable`, `Interrupted` and `BadConfig` of our
    own for status 0, and empty when something behind the API server answered; `message` is for a person;
    `body` is the raw answer. `retry_after` is for how many seconds the server asked to be left alone, else 0.
    """

    retry_after: float = 0.0

    def __init__(self, status: int, reason: str, message: str, body: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.body = body


@dataclass(frozen=True)
class _Source:
    """Where the credentials came from, kept so that they can be fetched again when they expire."""

    namespace: str
    kubeconfig: str | None
    context: str | None


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: object
    limits: aiohttp.ClientTimeout


class KubeConnection:
    """Requests to one API server as one user. Make it with `open`, end it with `aclose`."""

    def __init__(self, configuration: Configuration, source: _Source) -> None:
        self._configuration = configuration
        self._source = source
        self._rest = _rest_client(configuration)

    @classmethod
    async def open(cls, context: str | None = None, kubeconfig: str | None = None) -> Self:
        """Load credentials without asking the server: from KUBECONFIG, ~/.kube/config, or the pod itself.

        Raises KubeError with reason `BadConfig` when there are none or they cannot be read.
        """
        path = kubeconfig or _kubeconfig_path()
        if path is None and context is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
            return cls(*_from_pod())
        if path is None:
            raise KubeError(
                0,
                "BadConfig",
                "no kubeconfig found: set KUBECONFIG or create ~/.kube/config, or run inside a cluster",
            )
        return cls(*await _from_kubeconfig(path, context))

    @property
    def namespace(self) -> str:
        """The namespace of the context, or of the pod; `default` when neither says one."""
        return self._source.namespace

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self._configuration.host)

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request (`path` with its query) and return the decoded JSON, or text when it is not JSON.

        Raises KubeError for every status of 400 and above and when the server is not reached within 30 s.
        """
        sent = {"Content-Type": content_type, **(headers or {})}
        response = await self._send(_Request(method, path, sent, body, _ANSWER))
        return _decoded(await self._whole(response))

    async def stream(
        self, method: str, path: str, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[bytes]:
        """Send one request and yield the answer's bytes as they come, for as long as the server sends.

        Ends when the server ends it; raises KubeError like `request`, with reason `Interrupted` when the
        connection broke half-way. Close the generator (`aclosing`) to end it from here.
        """
        response = await self._send(_Request(method, path, headers or {}, None, _STREAM))
        try:
            async for chunk in response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._interrupted(error) from error
        finally:
            response.close()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._rest.close()

    async def _send(self, asked: _Request) -> aiohttp.ClientResponse:
        response = await self._send_once(asked)
        if response.status == 401 and self._source.kubeconfig is not None:
            # A token of an exec plugin lives for minutes; ask for another one, once.
            response.release()
            await self._reload()
            response = await self._send_once(asked)
        if response.status >= 400:
            refusal = _refusal(response.status, await self._whole(response))
            refusal.retry_after = _seconds(response.headers.get("Retry-After", ""))
            raise refusal
        return response

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        try:
            return await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._interrupted(error) from error
        finally:
            response.release()

    async def _send_once(self, asked: _Request) -> aiohttp.ClientResponse:
        headers = {**asked.headers, **await self._credentials()}
        url = self.server + asked.path
        try:
            answer = await self._rest.request(
                asked.method, url, headers=headers, body=asked.body, _request_timeout=asked.limits
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error
        except asyncio.CancelledError as error:
            if told_to_end():
                raise
            # Kopf, at its end, cancels all that began after it: also the look-up of a name for this request.
            raise self._unreachable(error) from error
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _credentials(self) -> dict[str, str]:
        try:
            token = await self._configuration.get_api_key_with_prefix("BearerToken")
        except _BAD_CONFIG as error:
            # In a pod it is read from a file again and again.
            raise KubeError(0, "BadConfig", f"the token cannot be read: {error}") from error
        return {"Authorization": token} if token else {}

    async def _reload(self) -> None:
        assert self._source.kubeconfig is not None
        fresh = await _from_kubeconfig(self._source.kubeconfig, self._source.context)
        # Another request may begin at any moment, and must not meet a client that is closed.
        old, (self._configuration, self._source) = self._rest, fresh
        self._rest = _rest_client(self._configuration)
        await old.close()

    def _unreachable(self, error: BaseException) -> KubeError:
        cause = str(error) or type(error).__name__
        return KubeError(0, "Unreachable", f"the API server {self.server} cannot be reached: {cause}")

    def _interrupted(self, error: BaseException) -> KubeError:
        cause = str(error) or type(error).__name__
        return KubeError(0, "Interrupted", f"the connection to {self.server} broke: {cause}")


def _kubeconfig_path() -> str | None:
    named = os.environ.get("KUBECONFIG")
    if named:
        return named
    default = Path.home() / ".kube" / "config"
    return str(default) if default.exists() else None


def _from_pod() -> tuple[Configuration, _Source]:
    configuration = Configuration()
    try:
        _load_incluster_config(client_configuration=configuration)
        namespace = (_SERVICE_ACCOUNT / "namespace").read_text().strip()
    except _BAD_CONFIG as error:
        raise KubeError(0, "BadConfig", f"the pod's service account cannot be used: {error}") from error
    return configuration, _Source(namespace or "default", None, None)


async def _from_kubeconfig(path: str, context: str | None) -> tuple[Configuration, _Source]:
    if not _any_exists(path):
        raise KubeError(0, "BadConfig", f"kubeconfig {path} does not exist")
    configuration = Configuration()
    try:
        with _complaints() as complaints:
            loader = await _load_kube_config(
                config_file=path, context=context, client_configuration=configuration, persist_config=False
            )
        namespace = loader.current_context["context"].get("namespace") or "default"
    except _BAD_CONFIG as error:
        cause = " ".join(str(error).split())
        raise KubeError(0, "BadConfig", f"kubeconfig {path} cannot be used: {cause}") from error
    if complaints:
        raise KubeError(0, "BadConfig", f"kubeconfig {path} gives no credentials: {'; '.join(complaints)}")
    return configuration, _Source(namespace, path, context)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what the loader logs as errors: it goes on without credentials when an exec plugin fails."""
    said: list[str] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            said.append(" ".join(record.getMessage().split()))
        return False

    logger = logging.getLogger(kube_config.__name__)
    logger.addFilter(collect)
    try:
        yield said
    finally:
        logger.removeFilter(collect)


def _any_exists(paths: str) -> bool:
    """KUBECONFIG may name several files; kubectl, too, skips those that are missing."""
    return any(Path(part).expanduser().exists() for part in paths.split(os.pathsep) if part)


def _rest_client(configuration: Configuration) -> Any:
    try:
        return rest_client(configuration)
    except (ssl.SSLError, OSError) as error:
        message = f"the certificates for {configuration.host} cannot be used: {error}"
        raise KubeError(0, "BadConfig", message) from error


def _decoded(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")


def _seconds(text: str) -> float:
    """Read a Retry-After; Kubernetes writes whole seconds, a proxy's date is not worth a parser."""
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _refusal(status: int, raw: bytes) -> KubeError:
    answer = _decoded(raw)
    if isinstance(answer, dict) and answer.get("kind") == "Status":
        return KubeError(status, str(answer.get("reason", "")), str(answer.get("message", "")), raw)
    return KubeError(status, "", raw.decode(errors="replace").strip() or f"HTTP status {status}", raw)
