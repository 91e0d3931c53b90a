"""The manager by itself, as a program uses it: which servers it uses, how, and with which Secrets."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from horos_api.pod_fields import LocalObjectRef, SecretKeyRef
from horos_api.server_report import ServerReport, ServerState
from horos_api.tool_servers import (
    ApprovalPolicy,
    ResolvedServer,
    ServerEnvSource,
    ServerEnvVar,
    ToolServerUse,
)
from horos_runtime.mcp_client import MCPClientManager
from horos_runtime.mcp_secrets import SecretFiles
from horos_runtime.tool_executor import ToolExecutor
from horos_runtime.tool_registry import ToolRegistry
from horos_runtime.tools import Tool
from tests.mcp.conftest import MakeRaw
from tests.mcp.hands import secret
from tests.mcp.raw_http import RawHttp
from tests.mcp.raw_stdio import LEGACY
from tests.mcp.recording import eventually, is_there
from tests.model_fixtures import served

WORKSHOP = (sys.executable, str(Path(__file__).parent / "servers/workshop.py"))
WAIT = 60.0


def workshop(name: str = "shop", **settings: Any) -> ToolServerUse:
    return ToolServerUse(name=name, command=WORKSHOP, **settings)


def reported(manager: MCPClientManager, name: str = "shop") -> ServerReport:
    (found,) = (each for each in manager.report().servers if each.name == name)
    return found


def tools(manager: MCPClientManager) -> dict[str, Tool]:
    return {tool.name: tool for tool in manager.tools()}


async def call(manager: MCPClientManager, tool: str, /, **arguments: Any) -> str:
    return await ToolExecutor(ToolRegistry(*manager.tools())).call(tool, arguments)


async def connected(manager: MCPClientManager, names: Sequence[str] = ("shop",)) -> None:
    for name in names:
        await eventually(
            lambda name=name: reported(manager, name).state is ServerState.CONNECTED, f"{name} is connected"
        )


async def test_a_program_uses_servers_without_an_agent() -> None:
    async with MCPClientManager([workshop()]) as manager:
        await manager.ready(WAIT)
        assert await call(manager, "shop__add", a=1, b=2) == "3"
        report = reported(manager)
    assert (report.state, report.transport, report.error) == (ServerState.CONNECTED, "stdio", "")
    assert "shop__add" in report.tools


async def test_hints_say_what_may_be_repeated_and_what_may_run_beside_others() -> None:
    async with MCPClientManager([workshop(timeout_seconds=7)]) as manager:
        await manager.ready(WAIT)
        found = tools(manager)
    flags = {name: (tool.idempotent, tool.parallel) for name, tool in found.items()}
    assert flags["shop__add"] == (True, True)
    assert flags["shop__die_once"] == (True, False)
    assert flags["shop__slow"] == (False, False)
    assert flags["shop__read_resource"] == (True, True)
    assert {tool.timeout_seconds for tool in found.values()} == {7}


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, set()),
        ({"approval": ApprovalPolicy.ALWAYS}, {"shop__add", "shop__fail", "shop__die"}),
        ({"approval": ApprovalPolicy.MATCHING, "approval_for": ("d*", "fail")}, {"shop__fail", "shop__die"}),
    ],
)
async def test_the_policy_says_which_calls_a_person_is_asked_about(
    settings: dict[str, Any], asked: set[str]
) -> None:
    use = workshop(allow=("add", "fail", "die"), approval_timeout_seconds=90, **settings)
    async with MCPClientManager([use]) as manager:
        await manager.ready(WAIT)
        found = tools(manager)
    assert {name for name, tool in found.items() if tool.approval} == asked
    assert {tool.approval.seconds for tool in found.values() if tool.approval} <= {90}


async def test_our_own_tools_for_resources_and_prompts_obey_the_allow_list() -> None:
    async with MCPClientManager([workshop(allow=("*_prompt*",))]) as manager:
        await manager.ready(WAIT)
        assert sorted(tools(manager)) == ["shop__get_prompt", "shop__list_prompts"]
        assert "Say hello to Bo." in await call(
            manager, "shop__get_prompt", name="greet", arguments={"name": "Bo"}
        )
        assert reported(manager).hidden == len(WORKSHOP_TOOLS)


WORKSHOP_TOOLS = (
    "add",
    "environment",
    "fail",
    "meta",
    "slow",
    "count",
    "die",
    "die_once",
    "ask",
    "learn",
    "pid",
)


async def test_only_servers_that_were_changed_are_connected_anew() -> None:
    first, second = workshop("first"), workshop("second")
    async with MCPClientManager([first, second]) as manager:
        await connected(manager, ("first", "second"))
        before = reported(manager, "second").since
        await manager.use([workshop("first", env=(ServerEnvVar(name="NEW", value="yes"),)), second])
        await connected(manager, ("first", "second"))
        assert '"NEW": "yes"' in await call(manager, "first__environment")
        assert reported(manager, "second").since == before
        await manager.use([second])
        assert {each.name for each in manager.report().servers} == {"second"}
        assert not [name for name in tools(manager) if name.startswith("first")]


async def test_a_server_that_cannot_be_used_says_why_and_hurts_no_other() -> None:
    lost = ResolvedServer(name="lost", server_name="docs", problem="ToolServer 'docs' does not exist")
    alone = ToolServerUse(name="alone", server_name="docs")
    told: list[str] = []
    async with MCPClientManager([lost, alone, workshop()], tell=told.append) as manager:
        await manager.ready(WAIT)
        assert await call(manager, "shop__add", a=2, b=2) == "4"
        report = reported(manager, "lost")
        assert (report.state, report.error) == (ServerState.FAILED, "ToolServer 'docs' does not exist")
        assert report.server_name == "docs"
        assert "only an operator looks ToolServers up" in reported(manager, "alone").error
    assert "the tool server lost cannot be used: ToolServer 'docs' does not exist" in told


def from_secret(variable: str, name: str, key: str) -> ServerEnvVar:
    ref = SecretKeyRef(name=name, key=key)
    return ServerEnvVar(name=variable, value_from=ServerEnvSource(secret_key_ref=ref))


async def test_a_child_gets_keys_of_secrets_and_new_ones_when_it_starts_again(tmp_path: Path) -> None:
    secret(tmp_path, "git", token="old\n")
    use = workshop(env=(from_secret("TOKEN", "git", "token"), ServerEnvVar(name="EMPTY")))
    async with MCPClientManager([use], secrets=SecretFiles(tmp_path)) as manager:
        await connected(manager)
        seen = await call(manager, "shop__environment")
        assert '"TOKEN": "old"' in seen
        assert '"EMPTY": ""' in seen
        secret(tmp_path, "git", token="new")
        assert "exit code 3" in await call(manager, "shop__die")
        assert '"TOKEN": "new"' in await call(manager, "shop__environment")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({}, "env TOKEN: Secret 'git' does not exist, or has no keys"),
        (
            {"password": "x", "user": "y"},
            "env TOKEN: Secret 'git' has no key 'token'; it has password, user",
        ),
    ],
)
async def test_a_missing_secret_is_named_and_the_server_comes_when_it_is_there(
    tmp_path: Path, keys: dict[str, str], says: str
) -> None:
    if keys:
        secret(tmp_path, "git", **keys)
    use = workshop(env=(from_secret("TOKEN", "git", "token"),))
    async with MCPClientManager([use], secrets=SecretFiles(tmp_path)) as manager:
        await manager.ready(WAIT)
        report = reported(manager)
        assert (report.state, report.error) == (ServerState.FAILED, says)
        secret(tmp_path, "git", token="here")
        await connected(manager)


async def test_a_call_while_the_server_is_down_says_so_and_that_it_was_not_made(tmp_path: Path) -> None:
    use = workshop(env=(from_secret("TOKEN", "git", "token"),), timeout_seconds=8)
    secret(tmp_path, "git", token="x")
    async with MCPClientManager([use], secrets=SecretFiles(tmp_path)) as manager:
        await connected(manager)
        add = tools(manager)["shop__add"]
        (tmp_path / "git/token").unlink()
        await call(manager, "shop__die")
        result = await ToolExecutor(ToolRegistry(add)).call("shop__add", {"a": 1, "b": 1})
    assert result == (
        "error: add was not called: the server shop is not connected "
        "(env TOKEN: Secret 'git' does not exist, or has no keys); it is tried again all the time"
    )


async def test_leaving_ends_the_processes_at_once(tmp_path: Path) -> None:
    async with MCPClientManager([workshop()]) as manager:
        await connected(manager)
        pid = int(await call(manager, "shop__pid"))
        assert is_there(pid)
    assert not is_there(pid)


async def test_a_server_that_ends_when_it_is_asked_the_newer_way_is_asked_the_older_way(raw: MakeRaw) -> None:
    lives = [{"era": LEGACY, "on": {"server/discover": "die"}}] * 4
    server = raw(*lives)
    async with MCPClientManager([ToolServerUse(name="raw", command=server.command)]) as manager:
        await connected(manager, ("raw",))
        assert await call(manager, "raw__echo", text="old") == "old"
        server.kill()
        await eventually(lambda: len(server.pids) == 3, "it is started again")
        await connected(manager, ("raw",))
        assert await call(manager, "raw__echo", text="again") == "again"
    assert len(server.said("server/discover")) == 1, "what worked is not tried otherwise again"


async def test_what_a_program_repeats_of_its_secrets_is_hidden_from_people(tmp_path: Path) -> None:
    told: list[str] = []
    files = SecretFiles(tmp_path)
    secret(tmp_path, "tickets", key="k3y-of-tickets")
    source = ServerEnvSource(secret_key_ref=SecretKeyRef(name="tickets", key="key"))
    talks = "import os, sys; sys.exit('cannot log in with ' + os.environ['KEY'] + ' as ' + os.environ['WHO'])"
    server = ToolServerUse(
        name="shop",
        command=(sys.executable, "-c", talks),
        env=(ServerEnvVar(name="KEY", value_from=source), ServerEnvVar(name="WHO", value="somebody")),
    )
    async with MCPClientManager([server], tell=told.append, secrets=files) as manager:
        await manager.ready(WAIT)
        stderr = reported(manager).stderr
    assert stderr == "cannot log in with [hidden] as somebody\n"


async def test_what_a_server_repeats_of_its_headers_is_hidden_from_people(tmp_path: Path) -> None:
    told: list[str] = []
    secret(tmp_path, "docs", Authorization="Bearer t0ken-of-docs")
    raw = RawHttp()
    refusals = [Response("the token t0ken-of-docs is too old", status_code=500) for _ in range(2)]
    raw.refuse = {"server/discover": list(refusals), "initialize": list(refusals)}
    with served(raw.app()) as address:
        server = ToolServerUse(
            name="shop", url=f"{address}/mcp", headers_secret_ref=LocalObjectRef(name="docs")
        )
        async with MCPClientManager([server], tell=told.append, secrets=SecretFiles(tmp_path)) as manager:
            await manager.ready(WAIT)
            error = reported(manager).error
    assert error.endswith("the token [hidden] is too old")
    assert told
    assert "t0ken" not in "".join(told)
