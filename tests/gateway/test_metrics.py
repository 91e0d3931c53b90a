"""What the gateway counts, read as a scraper does: from a port of its own, without a token."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx2
import pytest

from horos_api.metrics import GATEWAY_METRICS, REQUEST_SECONDS
from horos_bus.connection import Bus
from horos_gateway.metrics import Metrics
from tests.exposition import Scraped, listed, scraped, strict
from tests.gateway.conftest import TOKEN, Namespace, namespace_of, running_gateway
from tests.redis_fixtures import RedisProcess

AGENT = "/api/v1/namespaces/{namespace}/agents/{name}"


@dataclass
class Scraper:
    """A namespace behind a gateway that only this test uses, and its metrics."""

    space: Namespace
    metrics_url: str
    gateway_url: str

    async def read(self) -> Scraped:
        async with httpx2.AsyncClient(timeout=20) as nobody:
            answer = await nobody.get(f"{self.metrics_url}/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return scraped(answer.text)

    async def until(self, true: Callable[[Scraped], bool]) -> Scraped:
        found = await self.read()
        try:
            async with asyncio.timeout(20):
                while not true(found):
                    await asyncio.sleep(0.05)
                    found = await self.read()
        except TimeoutError:
            raise AssertionError(f"not in time: {found}") from None
        return found


@pytest.fixture
async def scraper(redis_server: RedisProcess, bus: Bus) -> AsyncIterator[Scraper]:
    port = socket.create_server(("127.0.0.1", 0))
    with running_gateway(redis_server.url, metrics=port) as address:
        async with namespace_of(address, bus) as space:
            yield Scraper(space, f"http://127.0.0.1:{port.getsockname()[1]}", address)


async def test_requests_are_counted_by_the_template_of_their_route(scraper: Scraper) -> None:
    space = scraper.space
    await space.agent()
    await space.http.get("/ada")
    await space.http.get("/ada")
    await space.http.get("/nobody")
    await space.http.delete("/ada")
    await space.http.request("PROPFIND", "/ada")
    async with httpx2.AsyncClient(base_url=scraper.gateway_url, timeout=20) as nobody:
        await nobody.get(f"/api/v1/namespaces/{'x' * 9}/agents/ada")
        await nobody.get("/no/such/path")
        await nobody.get("/healthz")
        await nobody.get("/console/")
    found = await scraper.read()
    assert found.told == listed(GATEWAY_METRICS)
    assert found.labelled("horos_gateway_requests_total") == {
        ("GET", AGENT, "200"): 2,
        ("GET", AGENT, "404"): 1,
        ("GET", AGENT, "401"): 1,
        ("DELETE", AGENT, "405"): 1,
        ("other", AGENT, "405"): 1,
        ("GET", "other", "404"): 1,
        ("GET", "/healthz", "200"): 1,
        ("GET", "/console", "200"): 1,
    }
    assert found.value("horos_gateway_request_seconds_count", route=AGENT) == 6
    bounds = [le for le, route in found.labelled("horos_gateway_request_seconds_bucket") if route == AGENT]
    assert len(bounds) == len(REQUEST_SECONDS.bounds) + 1


async def test_messages_are_counted_by_what_became_of_them(scraper: Scraper) -> None:
    space = scraper.space
    await space.agent()
    await space.say("one")
    again = {"Idempotency-Key": "0123456789abcdef"}
    for _ in range(2):
        await space.http.post("/ada/messages", json={"text": "two"}, headers=again)
    await space.http.post("/nobody/messages", json={"text": "three"})
    await space.http.post("/ada/messages", json={"txt": "four"})
    await space.http.post("/ada/messages", content=b"five")
    await space.http.post("/ada/messages", json={"text": "x" * 2_000_000})
    await space.control.terminate("ada", "uid-ada")
    await space.http.post("/ada/messages", json={"text": "six"})
    async with httpx2.AsyncClient(timeout=20) as nobody:
        await nobody.post(f"{space.agents_url}/ada/messages", json={"text": "seven"})
    assert (await scraper.read()).labelled("horos_gateway_messages_total") == {
        ("accepted",): 2,
        ("duplicate",): 1,
        ("not-found",): 1,
        ("bad-request",): 1,
        ("media-type",): 1,
        ("too-large",): 1,
        ("terminated",): 1,
    }


async def test_streams_are_counted_while_they_are_open_and_live_events_have_a_lag(scraper: Scraper) -> None:
    space = scraper.space
    turn = await space.turn(await space.agent())
    async with space.events(last="0-0") as first, space.events() as second:
        await first.caught_up()
        await second.caught_up()
        found = await scraper.read()
        assert found.value("horos_gateway_streams") == 2
        assert found.value("horos_gateway_event_lag_seconds_count") == 0, "what was kept is not late"
        assert await space.control.cancel("ada", turn.id) == "OK"
        await first.next()
        found = await scraper.until(
            lambda seen: (seen.value("horos_gateway_event_lag_seconds_count") or 0) >= 2
        )
        assert 0 <= (found.value("horos_gateway_event_lag_seconds_sum") or 0) < 20
    await scraper.until(lambda seen: seen.value("horos_gateway_streams") == 0)


def test_the_lag_is_what_the_clock_says_and_never_below_zero() -> None:
    metrics = Metrics(wall=lambda: 100.0)
    metrics.written("99750-3")
    metrics.written("100500-0")
    found = scraped(metrics.exposition("")[1].decode())
    assert found.value("horos_gateway_event_lag_seconds_count") == 2
    assert found.value("horos_gateway_event_lag_seconds_sum") == 0.25


async def test_errors_of_redis_are_counted(redis_process: RedisProcess) -> None:
    port = socket.create_server(("127.0.0.1", 0))
    with running_gateway(redis_process.url, metrics=port) as address:
        redis_process.stop()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=30) as http:
            answer = await http.post("/api/v1/namespaces/a/agents/ada/messages", json={"text": "hello"})
            assert answer.status_code == 503
            text = (await http.get(f"http://127.0.0.1:{port.getsockname()[1]}/metrics")).text
    found = scraped(text)
    assert found.labelled("horos_gateway_messages_total") == {("bus",): 1}
    assert (found.value("horos_bus_errors_total", kind="unavailable") or 0) >= 1


async def test_each_port_has_its_own_and_nothing_else(scraper: Scraper) -> None:
    metrics_host = scraper.metrics_url.removeprefix("http://")
    async with httpx2.AsyncClient(timeout=20, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        for path in ("/healthz", "/api/v1/openapi.json", "/console/"):
            answer = await http.get(scraper.metrics_url + path)
            assert (answer.status_code, answer.text) == (404, "try /metrics\n")
        # Whatever a caller says of the host.
        answer = await http.get(f"{scraper.gateway_url}/metrics", headers={"Host": metrics_host})
        assert answer.status_code == 404
        open_metrics = {"Accept": "application/openmetrics-text;version=1.0.0"}
        answer = await http.get(f"{scraper.metrics_url}/metrics", headers=open_metrics)
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert {"horos_gateway_requests", "horos_gateway_streams"} <= strict(answer.text)


def test_a_port_that_is_taken_is_named() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        environment = {
            **os.environ,
            "HOROS_GATEWAY_REDIS_URL": "redis://127.0.0.1:1/0",
            "HOROS_GATEWAY_INSTALL": "test",
            "HOROS_GATEWAY_TOKEN": TOKEN,
            "HOROS_GATEWAY_PORT": "0",
            "HOROS_GATEWAY_METRICS_PORT": port,
        }
        command = [sys.executable, "-m", "horos_gateway"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert f"error: port {port} of 127.0.0.1 cannot be listened on: Address already in use" in done.stderr
