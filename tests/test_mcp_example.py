"""examples/mcp: the server is a server, and the manifests fit it, the Dockerfile and each other."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp import Client

from horos_api.resources import Agent
from horos_api.tool_servers import ToolServer

EXAMPLE = Path(__file__).parents[1] / "examples/mcp"
AGENT = Agent.from_manifest(yaml.safe_load((EXAMPLE / "agent.yaml").read_text()))
SHARED: dict[str, dict[str, Any]] = {
    each["kind"]: each for each in yaml.safe_load_all((EXAMPLE / "toolserver.yaml").read_text())
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The tickets server as the Deployment starts it, on a port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (container,) = SHARED["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "/opt/tickets/tickets.py", "8000"]
    process = subprocess.Popen([sys.executable, str(EXAMPLE / "tickets.py"), str(port)])
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "it does not listen"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/mcp"
    process.terminate()
    process.wait(timeout=10)


async def test_tickets_are_read_and_written_over_http(url: str) -> None:
    async with Client(url) as client:
        await client.call_tool("write_comment", {"number": 2, "text": "ordered"})
        read = await client.call_tool("read_ticket", {"number": 2})
        assert read.structured_content == {
            "number": 2,
            "title": "A new keyboard for Bob",
            "state": "open",
            "comments": ["ordered"],
        }
        await client.call_tool("write_state", {"number": 2, "state": "closed"})
        left = await client.call_tool("list_tickets", {})
        assert left.structured_content is not None
        assert [each["number"] for each in left.structured_content["result"]] == [1]


async def test_a_ticket_that_does_not_exist_is_an_error_that_a_model_can_act_on(url: str) -> None:
    async with Client(url) as client:
        answer = await client.call_tool("read_ticket", {"number": 9})
        assert answer.is_error
        assert "there is no ticket 9; there are 1, 2" in answer.content[0].text  # type: ignore[union-attr]


async def test_a_person_is_asked_about_exactly_the_tools_that_write(url: str) -> None:
    (tickets,) = [each for each in AGENT.spec.tools.servers if each.server_name]
    async with Client(url) as client:
        tools = (await client.list_tools()).tools
    reading = {each.name for each in tools if each.annotations and each.annotations.read_only_hint}
    assert {each.name for each in tools if not tickets.needs_approval(each.name)} == reading


def test_the_manifests_name_each_other_and_the_image_that_the_dockerfile_says() -> None:
    server = ToolServer.from_manifest(SHARED["ToolServer"])
    assert [each.server_name for each in AGENT.spec.tools.servers] == [None, server.metadata.name]
    service = SHARED["Service"]
    (port,) = service["spec"]["ports"]
    assert server.spec.url == f"http://{service['metadata']['name']}:{port['port']}/mcp"
    template = SHARED["Deployment"]["spec"]["template"]
    assert template["metadata"]["labels"] == service["spec"]["selector"]
    dockerfile = (EXAMPLE / "Dockerfile").read_text()
    (container,) = template["spec"]["containers"]
    assert AGENT.spec.image == container["image"]
    assert f"-t {container['image']} examples/mcp" in dockerfile
    for file in re.findall(r"COPY (\w+\.py)", dockerfile):
        assert (EXAMPLE / file).exists()
