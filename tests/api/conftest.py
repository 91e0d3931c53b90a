"""The API server as an oracle: a copy of the Agent resource in a group of the test's own."""

import asyncio
import contextlib
import copy
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import pytest

from horos_api.crd import KINDS, Kind, definition
from horos_operator.kube.connection import KubeConnection, KubeError

REFUSED: Final = (400, 422)
DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True)
class ApiServer:
    """Asks the API server about manifests by strict server-side dry run."""

    runner: asyncio.Runner
    connection: KubeConnection
    group: str

    def request(self, method: str, path: str, body: Any = None) -> Any:
        return self.runner.run(self.connection.request(method, path, body))

    def created(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Return what would be stored; raises KubeError with the API server's words."""
        return self.runner.run(self._created(manifest))

    def refusal(self, manifest: dict[str, Any]) -> str | None:
        return self.runner.run(self._refusal(manifest))

    def refusals(self, manifests: list[dict[str, Any]]) -> list[str | None]:
        """Ask about many at a time."""
        return self.runner.run(self._refusals(manifests))

    async def _created(self, manifest: dict[str, Any]) -> dict[str, Any]:
        plural = f"{manifest['kind'].lower()}s"
        path = f"/apis/{self.group}/v1alpha1/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict"
        body = manifest | {"apiVersion": f"{self.group}/v1alpha1"}
        stored: dict[str, Any] = await self.connection.request("POST", path, body)
        return stored

    async def _refusal(self, manifest: dict[str, Any]) -> str | None:
        try:
            await self._created(manifest)
        except KubeError as error:
            if error.status not in REFUSED:
                raise
            return error.message
        return None

    async def _refusals(self, manifests: list[dict[str, Any]]) -> list[str | None]:
        at_a_time = asyncio.Semaphore(8)

        async def one(manifest: dict[str, Any]) -> str | None:
            async with at_a_time:
                return await self._refusal(manifest)

        return list(await asyncio.gather(*map(one, manifests)))


def _definition(kind: Kind, group: str) -> dict[str, Any]:
    """A copy of ours under another group: an installed chart, or its absence, changes nothing."""
    copied = copy.deepcopy(definition(kind))
    copied["metadata"]["name"] = f"{kind.plural}.{group}"
    copied["spec"]["group"] = group
    # Short names and categories are shared by the whole cluster.
    del copied["spec"]["names"]["shortNames"], copied["spec"]["names"]["categories"]
    return copied


def _wait_until_served(server: ApiServer, kind: Kind, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    required = {
        "ModelConfig": {"name": "m", "baseUrl": "http://m/v1"},
        "ToolServer": {"url": "http://s/mcp"},
        "AgentPool": {"maxRunning": 1},
        "Group": {"members": ["m"]},
    }
    manifest = {"kind": kind.name, "metadata": {"name": "default"}, "spec": required.get(kind.name, {})}
    while True:
        try:
            server.created(manifest)
        except KubeError as error:
            if error.status != 404 or time.monotonic() > deadline:
                raise
        else:
            return


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    if not os.environ.get("KUBECONFIG"):
        pytest.fail(
            "KUBECONFIG is not set; `make test` brings the cluster up, `-m 'not cluster'` leaves this out"
        )
    group = f"test-{uuid4().hex[:8]}.horos.dev"
    with asyncio.Runner() as runner, contextlib.ExitStack() as cleanup:
        connection = runner.run(KubeConnection.open())
        cleanup.callback(lambda: runner.run(connection.aclose()))
        server = ApiServer(runner, connection, group)
        for kind in KINDS:
            server.request("POST", DEFINITIONS, _definition(kind, group))
            cleanup.callback(server.request, "DELETE", f"{DEFINITIONS}/{kind.plural}.{group}")
        for kind in KINDS:
            _wait_until_served(server, kind)
        yield server


def as_json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False)[:2000]
