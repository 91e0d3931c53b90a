"""Servers that others wrote, of npm and PyPI, each with all that it can do, through our manager."""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from horos_api.server_report import ServerState
from horos_runtime.mcp_questions import Verdict
from tests.mcp.foreign import ForeignServers
from tests.mcp.hands import Hands, hands
from tests.mcp.recording import children, eventually

PATH = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}


def repository(folder: Path) -> Path:
    """Make an empty repository."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    return folder


@pytest.fixture
def over_http(foreign: ForeignServers, unused_tcp_port: int) -> Iterator[str]:
    """Run `everything` over HTTP."""
    told = PATH | {"PORT": str(unused_tcp_port)}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(foreign.everything("streamableHttp"), env=told, stdout=quiet, stderr=quiet)
    yield f"http://127.0.0.1:{unused_tcp_port}/mcp"
    server.terminate()
    server.wait()


@pytest.fixture
async def everything(foreign: ForeignServers) -> AsyncIterator[Hands]:
    person = Verdict(True, {"name": "Ada", "check": "true"})
    async with hands(verdict=person, everything=foreign.everything()) as agent:
        yield agent


async def test_everything_tools(everything: Hands) -> None:
    assert "Echo: hello" in await everything.call("everything__echo", message="hello")
    assert "is 5" in await everything.call("everything__get-sum", a=2, b=3)


async def test_everything_structured_results_reach_the_model_once(everything: Hands) -> None:
    said = await everything.call("everything__get-structured-content", location="Chicago")
    assert set(json.loads(said)) == {"temperature", "conditions", "humidity"}


async def test_everything_images_and_links_are_described(everything: Hands) -> None:
    image = await everything.call("everything__get-tiny-image")
    assert re.search(r"\[image, image/png, \d+ bytes, not shown\]", image)
    links = await everything.call("everything__get-resource-links", count=3)
    assert links.count("[resource demo://resource/dynamic/") == 3


async def test_everything_wrong_arguments_are_told_before_the_server_hears_of_them(
    everything: Hands,
) -> None:
    assert "wrong arguments for everything__get-sum" in await everything.call("everything__get-sum", a="x")


async def test_everything_resources(everything: Hands) -> None:
    listed = await everything.call("everything__list_resources")
    assert "demo://resource/static/document/features.md" in listed
    assert "demo://resource/dynamic/text/{resourceId}" in listed
    read = await everything.call(
        "everything__read_resource", uri="demo://resource/static/document/features.md"
    )
    assert "Everything Server - Features" in read
    blob = await everything.call("everything__read_resource", uri="demo://resource/dynamic/blob/2")
    assert "bytes, not shown]" in blob
    missing = await everything.call("everything__read_resource", uri="demo://nowhere")
    assert missing.startswith("error:")


async def test_everything_prompts(everything: Hands) -> None:
    listed = await everything.call("everything__list_prompts")
    assert "args-prompt(city, state?)" in listed
    filled = await everything.call(
        "everything__get_prompt", name="args-prompt", arguments={"city": "Paris", "state": "Texas"}
    )
    assert "Paris, Texas" in filled
    assert (await everything.call("everything__get_prompt", name="none")).startswith("error:")


async def test_everything_progress(everything: Hands) -> None:
    said = await everything.call("everything__trigger-long-running-operation", duration=0.6, steps=3)
    assert "completed" in said
    fractions = [event["value"]["fraction"] for event in everything.progress]
    assert fractions == sorted(fractions)
    assert 0.3 < fractions[0] < 1.01


async def test_everything_cancellation(foreign: ForeignServers) -> None:
    async with hands(settings={"timeout": 3}, everything=foreign.everything()) as agent:
        long = await agent.call("everything__trigger-long-running-operation", duration=60, steps=60)
        assert "did not finish within 3 s" in long
        assert "Echo: next" in await agent.call("everything__echo", message="next")


async def test_everything_elicitation_with_its_defaults(everything: Hands) -> None:
    said = await everything.call("everything__trigger-elicitation-request")
    (question,) = everything.questions
    wanted = question.schema["properties"]
    defaults = {name: about["default"] for name, about in wanted.items() if "default" in about}
    assert defaults, "the server has defaults"
    raw = json.loads(said.partition("Raw result:")[2])
    assert raw["action"] == "accept"
    assert raw["content"] == {**defaults, "name": "Ada", "check": True}


async def test_everything_elicitation_denied(foreign: ForeignServers) -> None:
    async with hands(verdict=Verdict(False), everything=foreign.everything()) as agent:
        assert "declined" in await agent.call("everything__trigger-elicitation-request")


async def test_everything_list_changes(foreign: ForeignServers) -> None:
    """It has some of its tools only when it has seen what the client can do, and says so by a change."""
    async with hands(everything=foreign.everything()) as agent:
        await eventually(
            lambda: "everything__trigger-elicitation-request" in agent.names(), "the late tools are there"
        )
        assert "everything__trigger-sampling-request" not in agent.names(), "we do not claim sampling"


async def test_everything_over_http(over_http: str) -> None:
    async with hands(verdict=Verdict(True, {"name": "Ada"}), everything=over_http) as agent:
        assert "Echo: hello" in await agent.call("everything__echo", message="hello")
        await agent.call("everything__trigger-long-running-operation", duration=0.3, steps=3)
        assert agent.progress
        assert "Everything Server - Features" in await agent.call(
            "everything__read_resource", uri="demo://resource/static/document/features.md"
        )
        late = "everything__trigger-elicitation-request"
        await eventually(lambda: late in agent.names(), "the late tools are there")
        assert '"action": "accept"' in await agent.call(late)


async def test_filesystem_tools_inside_its_root_only(foreign: ForeignServers, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("hidden")
    async with hands(files=foreign.filesystem(root)) as agent:
        await agent.call("files__write_file", path=str(root / "note"), content="line one\nline two\n")
        assert (root / "note").read_text() == "line one\nline two\n"
        assert "line one\nline two\n" in await agent.call("files__read_text_file", path=str(root / "note"))
        assert "[FILE] note" in await agent.call("files__list_directory", path=str(root))
        edits = [{"oldText": "line one", "newText": "line 1"}]
        await agent.call("files__edit_file", path=str(root / "note"), edits=edits)
        assert (root / "note").read_text().startswith("line 1\n")
        refused = await agent.call("files__read_text_file", path=str(tmp_path / "secret"))
        assert refused.startswith("error:")
        assert "hidden" not in refused


async def test_filesystem_what_is_text_and_structured_at_once_is_told_once(
    foreign: ForeignServers, tmp_path: Path
) -> None:
    (tmp_path / "note").write_text("line one\n")
    async with hands(files=foreign.filesystem(tmp_path)) as agent:
        assert await agent.call("files__read_text_file", path=str(tmp_path / "note")) == "line one\n"


async def test_filesystem_killed_and_used_again(foreign: ForeignServers, tmp_path: Path) -> None:
    before = children()
    async with hands(files=foreign.filesystem(tmp_path)) as agent:
        (process,) = children() - before
        os.kill(process, 9)
        await eventually(lambda: agent.report("files").error_at, "noticed")
        assert "[FILE]" not in await agent.call("files__list_directory", path=str(tmp_path))
        report = await agent.becomes(ServerState.CONNECTED, "files")
        assert "SIGKILL" in report.error


async def test_memory_tools_and_what_they_keep_over_lives(foreign: ForeignServers, tmp_path: Path) -> None:
    environment = {**PATH, "MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    ada = {"name": "Ada", "entityType": "person", "observations": ["counts"]}
    async with hands(settings={"env": environment}, memory=foreign.memory()) as agent:
        await agent.call("memory__create_entities", entities=[ada])
        assert "Ada" in await agent.call("memory__search_nodes", query="counts")
    async with hands(settings={"env": environment}, memory=foreign.memory()) as agent:
        assert '"Ada"' in await agent.call("memory__read_graph")


async def test_memory_resources(foreign: ForeignServers, tmp_path: Path) -> None:
    environment = {**PATH, "MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    ada = {"name": "Ada", "entityType": "person", "observations": ["counts"]}
    async with hands(settings={"env": environment}, memory=foreign.memory()) as agent:
        await agent.call("memory__create_entities", entities=[ada])
        assert "memory://knowledge-graph" in await agent.call("memory__list_resources")
        assert "Ada" in await agent.call("memory__read_resource", uri="memory://knowledge-graph")


async def test_time_tools(foreign: ForeignServers) -> None:
    async with hands(time=foreign.time()) as agent:
        assert {"time__convert_time", "time__get_current_time"} <= set(agent.names())
        now = json.loads(await agent.call("time__get_current_time", timezone="Europe/Berlin"))
        assert (
            abs((datetime.fromisoformat(now["datetime"]) - datetime.now().astimezone()).total_seconds()) < 90
        )
        turned = json.loads(
            await agent.call(
                "time__convert_time",
                source_timezone="Europe/Berlin",
                time="12:00",
                target_timezone="Asia/Tokyo",
            )
        )
        assert turned["target"]["timezone"] == "Asia/Tokyo"
        refused = await agent.call("time__get_current_time", timezone="Mars/Olympus")
        assert refused.startswith("error:")
        assert "Mars/Olympus" in refused


async def test_git_tools(foreign: ForeignServers, tmp_path: Path) -> None:
    own = repository(tmp_path / "repository")
    who = dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "Ada")
    who |= dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "ada@localhost")
    (own / "note").write_text("first\n")
    at = {"repo_path": str(own)}
    async with hands(settings={"env": {**PATH, **who}}, git=foreign.git(own)) as agent:
        assert "note" in await agent.call("git__git_status", **at)
        await agent.call("git__git_add", **at, files=["note"])
        assert "committed" in await agent.call("git__git_commit", **at, message="The first note")
        assert "The first note" in await agent.call("git__git_log", **at)
        (own / "note").write_text("second\n")
        assert "+second" in await agent.call("git__git_diff_unstaged", **at)
        outside = await agent.call("git__git_status", repo_path=str(tmp_path))
        assert outside.startswith("error:")


async def test_all_five_at_once_each_answer_their_own(foreign: ForeignServers, tmp_path: Path) -> None:
    repository(tmp_path)
    environment = {**PATH, "MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    async with hands(
        settings={"env": environment},
        everything=foreign.everything(),
        files=foreign.filesystem(tmp_path),
        memory=foreign.memory(),
        time=foreign.time(),
        git=foreign.git(tmp_path),
    ) as agent:
        said = await asyncio.gather(
            agent.call("everything__echo", message="one"),
            agent.call("files__list_allowed_directories"),
            agent.call("memory__read_graph"),
            agent.call("time__get_current_time", timezone="UTC"),
            agent.call("git__git_status", repo_path=str(tmp_path)),
        )
        assert not any(each.startswith("error:") for each in said)
        for wanted, each in zip(["one", str(tmp_path), "entities", "UTC", "branch"], said, strict=True):
            assert wanted in each
