"""Tools are tested through the executor: what comes back is what a model reads."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from desk_tools import TOOLS

from horos import ToolExecutor, ToolRegistry

desk = ToolExecutor(ToolRegistry(*TOOLS))


@pytest.mark.parametrize(
    ("expression", "result"), [("(3 + 4) * 2.5", "17.5"), ("-7 // 2", "-4"), (" 2**70 ", None), ("1 +", None)]
)
async def test_it_calculates_and_says_when_it_cannot(expression: str, result: str | None) -> None:
    told = await desk.call("calculate", {"expression": expression})
    assert told == result if result else told.startswith("error: calculate failed: ValueError: ")


async def test_division_by_zero_is_told() -> None:
    assert await desk.call("calculate", {"expression": "1/0"}) == (
        "error: calculate failed: ZeroDivisionError: division by zero"
    )


async def test_days_are_counted() -> None:
    told = await desk.call("days_between", {"first": "2026-11-25", "second": "2026-12-24"})
    assert told == '{"days":29,"first":"Wednesday","second":"Thursday"}'
    wrong = await desk.call("days_between", {"first": "25.11.2026", "second": "2026-12-24"})
    assert wrong.startswith("error: wrong arguments for days_between: first: ")


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://elsewhere.example/")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write("<style>p {}</style><h1>Grüße</h1><p>from a page</p>".encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_a_page_is_read_as_text(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READABLE_HOSTS", "docs.example 127.0.0.1")
    assert await desk.call("read_page", {"url": address}) == "Grüße\nfrom a page"


async def test_other_hosts_are_not_read(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READABLE_HOSTS", "docs.example")
    assert await desk.call("read_page", {"url": address}) == (
        "error: read_page failed: ValueError: 127.0.0.1 may not be read; readable: docs.example"
    )
    monkeypatch.setenv("READABLE_HOSTS", "127.0.0.1")
    assert "elsewhere.example may not be read" in await desk.call("read_page", {"url": f"{address}/away"})
    assert "expected an address with http" in await desk.call("read_page", {"url": "file:///etc/passwd"})
