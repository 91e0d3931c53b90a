"""What the command meets of an API server: Services, Secrets, Agents and the proxy to a real gateway.

The same requests go to a real one in tests/e2e; here an Agent's status can be what a test needs.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from tests.model_fixtures import served

SERVICE = {
    "metadata": {"name": "horos-gateway", "namespace": "horos-system"},
    "spec": {"ports": [{"name": "http", "port": 80}]},
}

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass
class FrontDoor:
    """One API server with one release; the test says which Agents there are and what they say."""

    gateway: Starlette
    token: str
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups_listed: int = 0
    """How often somebody has asked for the Groups."""
    may_read_agents: bool = True
    pool: dict[str, Any] | None = None
    """The AgentPool of the namespace."""
    may_read_pools: bool = True
    user: str = "alice@example.org"
    """Whom the API server takes the kubeconfig's user for; '' = it is too old to say."""

    def says(self, name: str, **conditions: tuple[str, str, str]) -> None:
        """Let there be an Agent with these conditions, each with status, reason and message."""
        told = [
            {"type": kind, "status": status, "reason": reason, "message": message}
            for kind, (status, reason, message) in conditions.items()
        ]
        metadata = {"name": name, "namespace": "here"}
        self.agents[name] = {"metadata": metadata, "spec": {}, "status": {"conditions": told}}

    @contextmanager
    def kubeconfig(self, folder: Path) -> Iterator[str]:
        """Serve, and write the kubeconfig that leads here."""
        with served(self._app()) as url:
            document = {
                "current-context": "here",
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
            }
            (folder / "config").write_text(yaml.safe_dump(document))
            yield str(folder / "config")
            self.gateway.state.hub.end()

    def _app(self) -> Starlette:
        proxy = "/api/v1/namespaces/horos-system/services/http:horos-gateway:http/proxy"
        agents = "/apis/horos.dev/v1alpha1/namespaces/{namespace}/agents"
        return Starlette(
            routes=[
                Mount(proxy, self.gateway),
                Route("/api/v1/namespaces/horos-system/services", self._services),
                Route("/api/v1/namespaces/horos-system/secrets/horos-gateway", self._secret),
                Route(REVIEWS, self._review, methods=["POST"]),
                Route("/apis/horos.dev/v1alpha1/namespaces/here/agentpools/default", self._pool),
                Route(agents, self._list_agents),
                Route("/apis/horos.dev/v1alpha1/namespaces/{namespace}/groups", self._list_groups),
                Route(agents + "/{name}", self._agent),
            ],
            lifespan=self.gateway.router.lifespan_context,
        )

    async def _services(self, request: Request) -> Response:
        return JSONResponse({"items": [SERVICE]})

    async def _secret(self, request: Request) -> Response:
        return JSONResponse({"data": {"token": base64.b64encode(self.token.encode()).decode()}})

    async def _review(self, request: Request) -> Response:
        if not self.user:
            return _status(404, "NotFound", "the server could not find the requested resource")
        return JSONResponse({"status": {"userInfo": {"username": self.user}}}, 201)

    async def _pool(self, request: Request) -> Response:
        if not self.may_read_pools:
            return _status(403, "Forbidden", "agentpools.horos.dev is forbidden")
        return JSONResponse(self.pool) if self.pool else _status(404, "NotFound", "not found")

    async def _list_agents(self, request: Request) -> Response:
        if not self.may_read_agents:
            return _status(403, "Forbidden", "agents.horos.dev is forbidden")
        return JSONResponse({"items": list(self.agents.values())})

    async def _list_groups(self, request: Request) -> Response:
        self.groups_listed += 1
        return JSONResponse({"items": list(self.groups.values())})

    async def _agent(self, request: Request) -> Response:
        if not self.may_read_agents:
            return _status(403, "Forbidden", "agents.horos.dev is forbidden")
        found = self.agents.get(request.path_params["name"])
        return JSONResponse(found) if found else _status(404, "NotFound", "not found")


def _status(code: int, reason: str, message: str) -> Response:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}
    return JSONResponse(body, code)
