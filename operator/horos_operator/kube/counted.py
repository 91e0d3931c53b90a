"""A connection to the API server that tells what became of each request: the one place that counts them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from horos_operator.kube.connection import JSON, KubeConnection, KubeError

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OUTCOMES: Final = {
    0: "unreachable",
    400: "refused",
    403: "refused",
    404: "gone",
    409: "conflict",
    422: "refused",
    429: "throttled",
}
CUT_OFF: Final = "cut-off"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and what became of it, in the words of metric `horos_api_writes_total`."""

    verb: str
    kind: str
    outcome: str
    seconds: float

    @property
    def writes(self) -> bool:
        """Whether it was to change something."""
        return self.verb not in {"get", "list"}


class CountedConnection(KubeConnection):
    """Requests as of any connection; whoever `listen`s is told of each."""

    _told: Callable[[Asked], None] | None = None

    def listen(self, told: Callable[[Asked], None]) -> None:
        """Let this one be told from now on."""
        self._told = told

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request. Raises as any connection does."""
        begun = time.monotonic()
        outcome = CUT_OFF  # what stays when this task is cancelled
        try:
            answer = await super().request(method, path, body, content_type, headers)
            outcome = "ok"
        except KubeError as error:
            outcome = _OUTCOMES.get(error.status, "failed")
            raise
        finally:
            if self._told is not None:
                self._told(Asked(*verb_and_kind(method, path), outcome, time.monotonic() - begun))
        return answer


def verb_and_kind(method: str, path: str) -> tuple[str, str]:
    """Name a request as RBAC does: the verb, and the resource with its subresource."""
    parts = urlsplit(path).path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if len(parts) > 2 and parts[0] == "namespaces":
        parts = parts[2:]
    resource, name, subresource = (*parts, "", "", "")[:3]
    kind = f"{resource}/{subresource}" if subresource else resource or "other"
    return _VERBS.get(method) or ("get" if name else "list"), kind
