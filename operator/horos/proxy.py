"""The gateway through the API server's service proxy: whoever has a kubeconfig needs no port-forward."""

import base64
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final
from urllib.parse import quote

from horos.errors import (
    CannotReachError,
    HorosError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from horos.transport import API, gateway_refusal
from horos_api.names import GROUP, POOL, SECRET_GATEWAY, VERSION
from horos_operator.kube.connection import KubeConnection, KubeError

DEFAULT_RELEASE_NAMESPACE: Final = "horos-system"
_SELECTOR: Final = quote("app.kubernetes.io/name=horos,app.kubernetes.io/component=gateway")


class ProxyTransport:
    """Speaks to one release's gateway with the credentials of a kubeconfig; make it with `find`."""

    def __init__(self, kube: KubeConnection, path: str, token: str) -> None:
        self._kube = kube
        self._path = path
        # The API server strips Authorization before it passes a request on.
        self._token = {"X-Horos-Authorization": f"Bearer {token}"}

    @classmethod
    async def find(cls, kube: KubeConnection, release_namespace: str | None, token: str) -> "ProxyTransport":
        """Find the gateway's Service, and its token in the release's Secret unless `token` is given.

        Raises NotFoundError when horos is not installed (there), UsageError when it is installed twice.
        """
        service = await _find_service(kube, release_namespace)
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        port = service["spec"]["ports"][0]
        scheme = "https" if port.get("name") == "https" else "http"
        target = f"{scheme}:{name}:{port.get('name') or port['port']}"
        path = f"/api/v1/namespaces/{namespace}/services/{target}/proxy{API}"
        return cls(kube, path, token or await _read_token(kube, namespace))

    async def request(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Any:
        """See Transport."""
        try:
            return await self._kube.request(
                method, self._path + path, body, headers={**self._token, **headers}
            )
        except KubeError as error:
            raise _told(error, "reach the gateway through services/proxy") from error

    async def stream(self, path: str, headers: Mapping[str, str]) -> AsyncGenerator[bytes]:
        """See Transport."""
        try:
            async for chunk in self._kube.stream("GET", self._path + path, {**self._token, **headers}):
                yield chunk
        except KubeError as error:
            raise _told(error, "reach the gateway through services/proxy") from error

    async def aclose(self) -> None:
        """Close the connections to the API server."""
        await self._kube.aclose()


async def open_kube(context: str | None) -> KubeConnection:
    """Load the kubeconfig. Raises CannotReachError when there is none that can be used."""
    try:
        return await KubeConnection.open(context=context)
    except KubeError as error:
        raise CannotReachError(f"{error.message}; or reach a gateway directly with --gateway URL") from error


async def read_agent(kube: KubeConnection, namespace: str, name: str) -> dict[str, Any]:
    """Read the Agent itself from the API server."""
    try:
        agent: dict[str, Any] = await kube.request("GET", f"{_agents_path(namespace)}/{quote(name)}")
    except KubeError as error:
        if error.status == 404 and error.reason == "NotFound":
            raise NotFoundError(f"there is no agent {name} in namespace {namespace}") from error
        raise _agents_refused(error, namespace) from error
    return agent


async def read_agents(kube: KubeConnection, namespace: str) -> list[dict[str, Any]]:
    """Read all Agents of a namespace from the API server."""
    try:
        listed = await kube.request("GET", _agents_path(namespace))
    except KubeError as error:
        raise _agents_refused(error, namespace) from error
    items: list[dict[str, Any]] = listed["items"]
    return items


async def read_agent_pool(kube: KubeConnection, namespace: str) -> dict[str, Any] | None:
    """Read the AgentPool of a namespace from the API server; None when there is none."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace)}/agentpools/{POOL}"
    try:
        pool: dict[str, Any] = await kube.request("GET", path)
    except KubeError as error:
        if error.status == 404:
            return None
        raise _told(error, f"read agentpools in namespace {namespace}") from error
    return pool


async def read_groups(kube: KubeConnection, namespace: str) -> list[dict[str, Any]]:
    """Read all Groups of a namespace; none where the cluster does not know the kind."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace)}/groups"
    try:
        listed = await kube.request("GET", path)
    except KubeError as error:
        if error.status == 404:
            return []
        raise _told(error, f"read groups in namespace {namespace}") from error
    items: list[dict[str, Any]] = listed["items"]
    return items


async def user_name(kube: KubeConnection) -> str:
    """Ask the API server who this is; '' when it does not say (it is older than 1.28)."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        told = await kube.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    except KubeError:
        return ""
    return str(told["status"]["userInfo"].get("username", ""))


def _agents_path(namespace: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace)}/agents"


def _agents_refused(error: KubeError, namespace: str) -> HorosError:
    if error.status == 404:
        return NotFoundError("this cluster has no agents: install horos with its chart first")
    return _told(error, f"read agents in namespace {namespace}")


async def _find_service(kube: KubeConnection, release_namespace: str | None) -> dict[str, Any]:
    places = [release_namespace] if release_namespace else [DEFAULT_RELEASE_NAMESPACE, None]
    for place in places:
        found = await _services(kube, place)
        if len(found) > 1:
            where = ", ".join(sorted(item["metadata"]["namespace"] for item in found))
            raise UsageError(f"horos is installed more than once ({where}); choose with --release-namespace")
        if found:
            return found[0]
    where = f"namespace {release_namespace}" if release_namespace else "this cluster"
    raise NotFoundError(
        f"no horos gateway in {where}: install the chart (helm install horos charts/horos "
        f"-n {DEFAULT_RELEASE_NAMESPACE} --create-namespace) or choose another --context"
    )


async def _services(kube: KubeConnection, namespace: str | None) -> list[dict[str, Any]]:
    scope = f"namespaces/{quote(namespace)}/" if namespace else ""
    try:
        listed = await kube.request("GET", f"/api/v1/{scope}services?labelSelector={_SELECTOR}")
    except KubeError as error:
        if error.status == 403 and namespace == DEFAULT_RELEASE_NAMESPACE:
            return []
        raise _told(error, "look for the gateway's Service (or choose --release-namespace)") from error
    items: list[dict[str, Any]] = listed["items"]
    return items


async def _read_token(kube: KubeConnection, namespace: str) -> str:
    place = f"Secret {SECRET_GATEWAY} in namespace {namespace}"
    try:
        secret = await kube.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{SECRET_GATEWAY}")
    except KubeError as error:
        if error.status == 404:
            waiting = f"there is no {place} yet: the operator makes it when it starts; look at its pod"
            raise CannotReachError(waiting) from error
        raise _told(error, f"read {place} (or set HOROS_TOKEN to the token)") from error
    encoded = (secret.get("data") or {}).get("token")
    if not encoded:
        raise CannotReachError(f"{place} has no key `token`: delete it and the operator makes it anew")
    return base64.b64decode(encoded).decode()


def _told(error: KubeError, what: str) -> HorosError:
    """Turn a failure on the way into an error for a person; `what` says what was tried."""
    if error.status == 0:
        return CannotReachError(error.message)
    if not error.reason:
        return gateway_refusal(error.status, error.body)
    if error.status == 401:
        return NotAllowedError(f"the cluster does not accept the kubeconfig's credentials: {error.message}")
    if error.status == 403:
        return NotAllowedError(f"you may not {what}: {error.message}")
    return _cluster_said_no(error)


def _cluster_said_no(error: KubeError) -> HorosError:
    if error.status == 404:
        return NotFoundError(error.message)
    if error.status >= 500:
        return CannotReachError(f"the gateway is not ready: {error.message}; look at its pods")
    return RefusedError(error.message)
