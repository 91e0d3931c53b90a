"""What the operator counts: each metric moves when the thing happens, and can be scraped."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from horos_api.metrics import OPERATOR_METRICS
from horos_operator.cluster import ClusterError
from horos_operator.kube.cluster import KubeCluster
from horos_operator.kube.connection import KubeError
from horos_operator.kube.counted import CountedConnection, verb_and_kind
from horos_operator.metrics import Metrics
from tests.controller.facts import agent, pod
from tests.controller.lease_server import kubeconfig, serving
from tests.controller.test_only_the_leader import everything
from tests.controller.test_process_without_end import AGENT, ApiServer, Process, running
from tests.exposition import Scraped, listed, scraped, strict
from tests.redis_fixtures import RedisProcess


def read(metrics: Metrics) -> Scraped:
    return scraped(metrics.exposition("")[1].decode())


@pytest.mark.parametrize(
    ("method", "path", "named"),
    [
        ("GET", "/api/v1/pods?labelSelector=a%2Fb&limit=500", ("list", "pods")),
        ("GET", "/api/v1/namespaces/a/pods?limit=500", ("list", "pods")),
        ("GET", "/api/v1/namespaces/a/pods/ada-1", ("get", "pods")),
        ("POST", "/api/v1/namespaces/a/pods?fieldManager=horos", ("create", "pods")),
        ("DELETE", "/api/v1/namespaces/a/pods/ada-1", ("delete", "pods")),
        ("GET", "/apis/horos.dev/v1alpha1/agents", ("list", "agents")),
        ("PATCH", "/apis/horos.dev/v1alpha1/namespaces/a/agents/ada", ("patch", "agents")),
        ("PATCH", "/apis/horos.dev/v1alpha1/namespaces/a/agents/ada/status?x=1", ("patch", "agents/status")),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/l", ("update", "leases")),
        ("GET", "/api/v1/namespaces/a", ("get", "namespaces")),
        ("GET", "/version", ("list", "other")),
    ],
)
def test_requests_are_named_as_rbac_does(method: str, path: str, named: tuple[str, str]) -> None:
    assert verb_and_kind(method, path) == named


async def counted(folder: Path, metrics: Metrics) -> CountedConnection:
    connection = await CountedConnection.open(kubeconfig=str(kubeconfig(folder)))
    connection.listen(metrics.asked)
    return connection


async def test_each_write_to_the_api_server_is_counted_once(tmp_path: Path) -> None:
    metadata = {"namespace": "a", "name": "ada-1", "uid": "u", "resourceVersion": "1"}
    async with serving(everything([], {"items": [], "metadata": metadata}), tmp_path):
        metrics = Metrics()
        connection = await counted(tmp_path, metrics)
        cluster = KubeCluster(connection)
        await cluster.agents()
        await cluster.create_pod({"metadata": {"namespace": "a"}})
        await cluster.create_pod({"metadata": {"namespace": "a"}})
        await cluster.delete_pod(pod())
        await cluster.write_status(agent(), {})
        await connection.aclose()
    seen = read(metrics)
    assert seen.labelled("horos_api_writes_total") == {
        ("pods", "ok", "create"): 2,
        ("pods", "ok", "delete"): 1,
        ("agents/status", "ok", "patch"): 1,
    }
    assert seen.labelled("horos_api_seconds_count") == {
        ("agents", "list"): 1,
        ("pods", "create"): 2,
        ("pods", "delete"): 1,
        ("agents/status", "patch"): 1,
    }


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(403, "refused"), (409, "conflict"), (404, "gone"), (429, "throttled"), (500, "failed")],
)
async def test_a_write_that_fails_is_counted_by_what_became_of_it(
    tmp_path: Path, status: int, outcome: str
) -> None:
    metrics = Metrics()
    async with serving(everything([], {"kind": "Status"}, status=status), tmp_path):
        connection = await counted(tmp_path, metrics)
        with pytest.raises(ClusterError):
            await KubeCluster(connection).create_pod({"metadata": {"namespace": "a"}})
        await connection.aclose()
    assert read(metrics).labelled("horos_api_writes_total") == {("pods", outcome, "create"): 1}


async def test_writes_without_an_answer_are_told_apart_from_those_given_up_here(tmp_path: Path) -> None:
    metrics = Metrics()
    waits, asked = asyncio.Event(), asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        asked.set()
        await waits.wait()
        return web.json_response({})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", silent)
    async with serving(application, tmp_path):
        connection = await counted(tmp_path, metrics)
        writing = asyncio.ensure_future(connection.request("DELETE", "/api/v1/namespaces/a/pods/b"))
        await asyncio.wait_for(asked.wait(), 10)
        writing.cancel()
        await asyncio.wait([writing])
    with pytest.raises(KubeError):
        await connection.request("DELETE", "/api/v1/namespaces/a/pods/b")
    await connection.aclose()
    assert read(metrics).labelled("horos_api_writes_total") == {
        ("pods", "cut-off", "delete"): 1,
        ("pods", "unreachable", "delete"): 1,
    }


async def page(operator: Process, accept: str = "") -> tuple[dict[str, str], str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", operator.port)
    writer.write(f"GET /metrics HTTP/1.1\r\nHost: here\r\nAccept: {accept}\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:]), body


async def until(operator: Process, what: str, true: Callable[[Scraped], bool]) -> Scraped:
    """Scrape until it is so."""
    found = Scraped({}, {})
    try:
        async with asyncio.timeout(30):
            while not true(found):
                await asyncio.sleep(0.05)
                found = scraped((await page(operator))[1])
    except TimeoutError:
        raise AssertionError(f"not in time: {what}; {found}") from None
    return found


async def test_a_running_operator_can_be_scraped(redis_server: RedisProcess, tmp_path: Path) -> None:
    server = ApiServer()
    async with running(server, redis_server, tmp_path) as operator:
        server.tell({"type": "ADDED", "object": AGENT})
        seen = await until(operator, "a pass", lambda seen: bool(seen.value("horos_reconcile_seconds_count")))
        assert seen.value("horos_api_writes_total", verb="patch", kind="agents", outcome="ok") == 1
        assert seen.told == listed(OPERATOR_METRICS)
        assert seen.value("horos_leader") == 1
        assert (seen.value("horos_sweep_age_seconds") or 0) < 10
        assert (seen.value("horos_watch_events_total", kind="agents") or 0) >= 1
        assert seen.value("horos_queue_keys") is not None
        assert (seen.value("process_resident_memory_bytes") or 0) > 1e6
        headers, _ = await page(operator)
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        open_metrics = "application/openmetrics-text;version=1.0.0"
        headers, text = await page(operator, f"{open_metrics},text/plain;version=0.0.4;q=0.5")
        assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert {"horos_api_writes", "horos_agents", "horos_reconcile_seconds"} <= strict(text)


async def test_a_running_operator_tells_of_its_agents_until_they_are_gone(
    redis_server: RedisProcess, tmp_path: Path
) -> None:
    server = ApiServer()
    async with running(server, redis_server, tmp_path) as operator:
        server.listed = [AGENT]
        server.tell({"type": "ADDED", "object": AGENT})
        there = {("research", "suspended"): 1}
        await until(operator, "it is there", lambda seen: seen.labelled("horos_agents") == there)
        server.listed = []
        server.tell({"type": "DELETED", "object": AGENT})
        await until(operator, "it is gone", lambda seen: seen.labelled("horos_agents") == {})
