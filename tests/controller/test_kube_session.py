"""The way to the API server: through a proxy of the environment, unless that says that it is not for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from horos_operator.kube.connection import KubeConnection, KubeError

SERVER = "http://api.cluster.invalid"


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """A proxy that the environment names; it answers by itself and remembers for whom."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(str(request.url))
        return web.json_response({"metadata": {}})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield asked
    await runner.cleanup()


async def opened(folder: Path) -> KubeConnection:
    config = {
        "clusters": [{"name": "it", "cluster": {"server": SERVER}}],
        "users": [{"name": "me", "user": {"token": "none"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
        "current-context": "it",
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return await KubeConnection.open(kubeconfig=str(file))


async def test_a_proxy_of_the_environment_is_used(proxy: list[str], tmp_path: Path) -> None:
    connection = await opened(tmp_path)
    try:
        assert await connection.request("GET", "/api/v1/pods") == {"metadata": {}}
    finally:
        await connection.aclose()
    assert proxy == [f"{SERVER}/api/v1/pods"]


async def test_a_server_that_needs_no_proxy_is_asked_directly(
    proxy: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", ".invalid")
    connection = await opened(tmp_path)
    try:
        with pytest.raises(KubeError) as error:
            await connection.request("GET", "/api/v1/pods")
    finally:
        await connection.aclose()
    assert error.value.reason == "Unreachable"
    assert proxy == []
