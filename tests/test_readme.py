"""The README tells the truth: its examples are valid and run, and what it names exists."""

import re
import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
import yaml
from pydantic import SecretStr

from horos.cli import app
from horos_api.agent_pools import AgentPool, EvictionPolicy
from horos_api.conditions import Reason
from horos_api.crd import KINDS
from horos_api.groups import Group, GroupSpec
from horos_api.mentions import MEMBERS_AT_MOST
from horos_api.model_config import ModelConfig
from horos_api.names import QUOTA, group_thread, key_prefix
from horos_api.resources import IDLE_SECONDS, Agent, BuiltinTool
from horos_api.tool_servers import ToolServer
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.group_reading import POSTS, POSTS_BYTES
from horos_gateway.app import gateway_app
from horos_gateway.settings import Settings
from horos_model.scripted_script import parse_script
from horos_runtime.call_round import AT_ONCE
from horos_runtime.foreign_code import THREADS
from horos_runtime.repetition import REFUSED_AT, TOLD_AT
from horos_runtime.tool_executor import TRIES
from horos_runtime.tool_results import KEPT_BYTES, RESULT_BYTES
from horos_runtime.tools import DEFAULT_TIMEOUT_SECONDS
from tests.model_fixtures import served
from tests.redis_fixtures import RedisProcess

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text()
SHARED = {"ModelConfig": ModelConfig, "ToolServer": ToolServer, "AgentPool": AgentPool, "Group": Group}
INSTALL = "readme"
TOKEN = "token-of-the-readme"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Every command of the shell blocks, lines that continue put together."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [each for each in words if each]


def commands_of(program: str) -> list[list[str]]:
    found = [each[1:] for each in commands() if each[0] == program]
    assert found, f"the README shows no {program}"
    return found


def test_every_yaml_example_is_what_it_says() -> None:
    kinds = []
    for text in blocks("yaml"):
        document = yaml.safe_load(text)
        if "replies" in document:
            kinds.append("script")
            parse_script(document)
        elif document.get("kind") in SHARED:
            kinds.append(document["kind"])
            SHARED[document["kind"]].from_manifest(document)
        else:
            kinds.append("Agent" if "kind" in document else "spec")
            Agent.from_manifest({"metadata": {"name": "part"}, **document})
    assert sorted(kinds) == [
        *["Agent"] * 2,
        "AgentPool",
        "Group",
        "ModelConfig",
        "ToolServer",
        "script",
        *["spec"] * 3,
    ]


def test_the_python_examples_are_those_that_are_tested() -> None:
    program, function = blocks("python")
    assert program == (PROJECT / "examples/basic_agent.py").read_text()
    assert function in (PROJECT / "examples/tools/src/desk_tools/sums.py").read_text()
    [entry_point] = blocks("toml")
    assert entry_point in (PROJECT / "examples/tools/pyproject.toml").read_text()


def test_the_numbers_about_tools_are_those_of_the_code() -> None:
    about = README[README.index("## Your own tools") : README.index("## Test your agents")]
    for told in (
        f"The timeout ({DEFAULT_TIMEOUT_SECONDS:g} s)",
        f"after {THREADS} of those",
        f"(over {RESULT_BYTES // 1024} KiB)",
        f"up to {KEPT_BYTES // 1024**2} MiB",
    ):
        assert told in " ".join(about.split())
    assert (TRIES, AT_ONCE, TOLD_AT, REFUSED_AT) == (3, 8, 3, 5)


def test_what_is_said_of_pools_is_what_the_code_says() -> None:
    about = README[README.index("## Agents that cost nothing") : README.index("## Talk to it from your own")]
    values = yaml.safe_load((PROJECT / "charts/horos/values.yaml").read_text())
    for told in (
        f"{IDLE_SECONDS} seconds are the default",
        f"a ResourceQuota `{QUOTA}`",
        f"the PriorityClass `{values['priorityClass']['name']}`",
        f"condition Ready says `{Reason.NO_PRIORITY_CLASS}`",
        f"Ready says `{Reason.LOWERED_BELOW_USE}`",
        *(f"{policy}`" for policy in EvictionPolicy),
    ):
        assert told in " ".join(about.split())


def test_what_is_said_of_groups_is_what_the_code_says() -> None:
    about = README[README.index("## Groups of agents") : README.index("## Talk to it from your own")]
    for told in (
        f"the newest {POSTS} messages, at most {POSTS_BYTES // 1024} KiB",
        f"thread `{group_thread('review')}`",
        f"at most {MEMBERS_AT_MOST:,} members",
        f"retainMessages: {GroupSpec(members=('ada',)).retain_messages}",
        *(f"`{reason}`" for reason in (Reason.NO_MEMBERS, Reason.MEMBERS_MISSING, Reason.TOO_MANY_MEMBERS)),
        *(f"`{tool}`" for tool in BuiltinTool if tool.value.endswith(("groups", "group", "broadcast"))),
    ):
        assert told in " ".join(about.split()), told


def test_every_resource_that_kubectl_is_asked_for_exists() -> None:
    ours = {name for kind in KINDS for name in (kind.plural, kind.short_name)}
    asked = {
        words[1].rstrip(";") for words in commands_of("kubectl") if words[0] == "get" and words[1] != "secret"
    }
    asked |= set(re.findall(r"`kubectl (?:get|delete) (\w+)", README))
    short = {name for pair in re.findall(r"\(or `(\w+)`\)|# or (\w+):", README) for name in pair if name}
    assert short == {kind.short_name for kind in KINDS if kind.name != "Agent"}
    assert {"agents", "agentpools", "modelconfigs", "toolservers"} <= asked <= ours


def test_the_manifest_with_tools_is_an_agent() -> None:
    agent = Agent.from_manifest(yaml.safe_load((PROJECT / "examples/tools/agent.yaml").read_text()))
    assert agent.spec.image in README


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = {words[0] for words in commands_of("make")} | set(re.findall(r"`make ([a-z-]+)`", README))
    assert {"demo", "test", "check", "cluster-down"} <= named <= targets


def test_every_horos_command_is_understood() -> None:
    group = typer.main.get_command(app)
    spoken = [shlex.split(text) for text in re.findall(r"`horos ([^`]+)`", README)]
    for words in [*commands_of("horos"), *spoken]:
        command = group.commands.get(words[0])  # type: ignore[attr-defined]
        assert command is not None, f"there is no `horos {words[0]}`"
        with command.make_context(words[0], words[1:], resilient_parsing=True) as context:
            assert not context.args, f"`horos {' '.join(words)}`: {context.args} is too much"
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known


def test_every_path_exists() -> None:
    named = set(re.findall(r"[\w.-]+(?:/[\w.-]+)+", " ".join(map(" ".join, commands()))))
    named |= set(re.findall(r"`([\w-]+(?:/[\w.-]+)+|[A-Z]+\.md)`", README))
    ours = {path for path in named if path.partition("/")[0] in {each.name for each in PROJECT.iterdir()}}
    ours |= {path for path in named if path.endswith(".md")}
    assert {"charts/horos", "examples/hello.yaml", "tests/cluster/env.sh"} <= ours
    assert [path for path in sorted(ours) if not (PROJECT / path).exists()] == []


def test_every_chart_value_and_image_target_exists() -> None:
    values = yaml.safe_load((PROJECT / "charts/horos/values.yaml").read_text())
    [install] = commands_of("helm")
    chosen = [
        word.partition("=")[0]
        for word, before in zip(install[1:], install, strict=False)
        if before == "--set"
    ]
    assert chosen
    for path in chosen:
        found: Any = values
        for step in path.split("."):
            assert step in found, f"{path} is no value of the chart"
            found = found[step]
    targets = set(re.findall(r"^FROM .* AS ([a-z]+)$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE))
    build, with_tools = commands_of("docker")
    assert "AGENT_IMAGE" in (PROJECT / with_tools[-1] / "Dockerfile").read_text()
    assert {build[build.index("--target") + 1], "operator", "model", "redis"} <= targets


@pytest.fixture
def gateway(redis_server: RedisProcess) -> Iterator[str]:
    gateway = gateway_app(Settings(redis_url=redis_server.url, install=INSTALL, token=SecretStr(TOKEN)))
    with served(gateway) as url:
        yield url
        gateway.state.hub.end()


@pytest.fixture
async def hello(redis_server: RedisProcess) -> AsyncIterator[Control]:
    bus = Bus.open(redis_server.url, key_prefix(INSTALL, "default"))
    control = Control(bus)
    await control.create("hello", "uid-hello")
    yield control
    await control.delete("hello", "uid-hello")
    await bus.aclose()


def curl(words: list[str], gateway: str) -> httpx2.Request:
    """What curl would send, with the variables filled in."""
    headers, body, url = {}, None, ""
    rest = iter(words)
    for word in rest:
        match word:
            case "-H":
                name, _, value = next(rest).partition(": ")
                headers[name] = value.replace("$TOKEN", TOKEN)
            case "-d":
                body = next(rest)
                headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            case "-N":
                pass
            case _:
                url = word.replace("$GATEWAY", gateway)
    return httpx2.Request("POST" if body else "GET", url, headers=headers, content=body)


async def test_the_requests_are_answered(gateway: str, hello: Control) -> None:
    post, watch = commands_of("curl")
    async with httpx2.AsyncClient(timeout=20) as client:
        taken = await client.send(curl(post, gateway))
        assert (taken.status_code, taken.json()["duplicate"]) == (202, False), taken.text
        assert (await client.send(curl(post, gateway))).json()["duplicate"] is True
        view = await hello.view("hello")
        assert view is not None
        assert view.waiting == 1
        stream = await client.send(curl(watch, gateway), stream=True)
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        await stream.aclose()
        [path] = re.findall(r"`(/api/\S+)`", README)
        described = await client.send(
            curl(["-H", "Authorization: Bearer $TOKEN", f"$GATEWAY{path}"], gateway)
        )
        assert described.json()["openapi"].startswith("3.")
