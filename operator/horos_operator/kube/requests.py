"""Requests to the API server: lists in pages, deletions of one uid, and what its answers mean."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from horos_operator.cluster import ClusterError, NameTakenError, OutdatedError, RefusedError
from horos_operator.kube.connection import JSON, KubeConnection, KubeError

PAGE: Final = 500


class KubeRequests:
    """An API server behind a connection. `namespaces` empty means all of them.

    `may_write` is called right before each request that changes something; what it raises, the caller gets.
    """

    def __init__(
        self,
        connection: KubeConnection,
        namespaces: Sequence[str] = (),
        may_write: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._may_write = may_write
        self._scopes = [f"/namespaces/{namespace}" for namespace in namespaces] or [""]

    async def _list(self, path: str) -> AsyncIterator[Mapping[str, Any]]:
        """Page through a list, so that ten thousand objects are never in memory at once."""
        joint = "&" if "?" in path else "?"
        after = ""
        while True:
            page = await self._send("GET", f"{path}{joint}limit={PAGE}{after}")
            for item in page.get("items") or ():
                yield item
            following = page["metadata"].get("continue")
            if not following:
                return
            after = f"&continue={quote(following)}"

    async def _get(self, path: str) -> Mapping[str, Any] | None:
        try:
            return _checked(path, await self._connection.request("GET", path))
        except KubeError as error:
            if error.status == 404:
                return None
            raise translated(error) from error

    async def _send(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = JSON,
        meant: Callable[[KubeError], ClusterError] | None = None,
    ) -> Any:
        if method != "GET":
            self._may_write()
        try:
            return _checked(path, await self._connection.request(method, path, body, content_type))
        except KubeError as error:
            raise (meant or translated)(error) from error

    async def _delete(self, path: str, uid: str, *, force: bool = False) -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            **({"gracePeriodSeconds": 0} if force else {}),
        }
        try:
            await self._send("DELETE", path, options)
        except OutdatedError:
            # Gone, or another one has the name: this one is no more. Or somebody wrote it at that moment.
            there = await self._get(path)
            if there is not None and there["metadata"]["uid"] == uid:
                raise


def _checked(path: str, answer: Any) -> Mapping[str, Any]:
    """Take nothing for an answer of Kubernetes that some proxy before it has made up."""
    if not isinstance(answer, dict) or "metadata" not in answer:
        raise ClusterError(f"{path}: expected an object of Kubernetes, found {str(answer)[:200]!r}")
    return answer


def translated(error: KubeError) -> ClusterError:
    """Say what an answer of the API server means to the operator."""
    if error.reason == "AlreadyExists":
        return NameTakenError(error.message)
    if error.status in {404, 409}:
        return OutdatedError(error.message)
    if error.status in {400, 403, 422}:
        return RefusedError(error.message)
    return ClusterError(error.message, error.retry_after)
