"""Tool servers in an Agent's spec, the ToolServer resource, and what runtimes report of them."""

from typing import Any

import pytest
from pydantic import ValidationError

from horos_api.resources import Agent, ToolServerUse
from horos_api.server_report import ServerReport, ServersReport, ServerState, read_report
from horos_api.tool_servers import ApprovalPolicy, ResolvedServer, ToolServer, matches, resolved_alone
from tests.api.specs import EVERY_SERVER_FIELD, EVERY_TOOL_SERVER_FIELD


def use(**said: Any) -> ToolServerUse:
    return ToolServerUse.model_validate({"name": "docs", "url": "http://docs/mcp"} | said, by_name=False)


def agent_errors(*servers: Any) -> list[str]:
    manifest = {
        "apiVersion": "horos.dev/v1alpha1",
        "kind": "Agent",
        "metadata": {"name": "ada"},
        "spec": {"tools": {"servers": list(servers)}},
    }
    with pytest.raises(ValidationError) as caught:
        Agent.from_manifest(manifest)
    return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in caught.value.errors()]


def test_what_is_not_said_of_a_server_is_filled_in() -> None:
    assert use().model_dump(mode="json", by_alias=True, exclude_none=True) == {
        "name": "docs",
        "url": "http://docs/mcp",
        "env": [],
        "allow": ["*"],
        "timeoutSeconds": 60,
        "approval": "Never",
        "approvalFor": [],
        "approvalTimeoutSeconds": 3600,
    }


@pytest.mark.parametrize("server", EVERY_SERVER_FIELD, ids=lambda server: server["name"])
def test_a_server_survives_reading_and_writing(server: dict[str, Any]) -> None:
    read = ToolServerUse.model_validate(server, by_alias=True, by_name=False)
    written = read.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert server.items() <= written.items()
    assert ToolServerUse.model_validate(written, by_alias=True, by_name=False) == read


@pytest.mark.parametrize(
    ("server", "error"),
    [
        ({"name": "a"}, "0: Value error, expected exactly one of url, command and serverName"),
        (
            {"name": "a", "url": "http://a", "command": ["a"]},
            "0: Value error, expected exactly one of url, command and serverName",
        ),
        (
            {"name": "a", "serverName": "a", "headersSecretRef": {"name": "s"}},
            "0: Value error, headersSecretRef and oauthSecretRef need url; those of a ToolServer stand there",
        ),
        (
            {"name": "a", "command": ["a"], "oauthSecretRef": {"name": "s"}},
            "0: Value error, headersSecretRef and oauthSecretRef need url; those of a ToolServer stand there",
        ),
        (
            {"name": "a", "url": "http://a", "env": [{"name": "A"}]},
            "0: Value error, env needs command",
        ),
        (
            {"name": "a", "command": ["", "x"]},
            "0: Value error, command: expected a program as its first part, not an empty text",
        ),
        (
            {"name": "a", "url": "http://a", "approval": "Matching"},
            "0: Value error, approvalFor and approval Matching need each other",
        ),
        (
            {"name": "a", "url": "http://a", "approvalFor": ["x"]},
            "0: Value error, approvalFor and approval Matching need each other",
        ),
        ({"name": "a", "command": []}, "0.command: Tuple should have at least 1 item"),
        ({"name": "a", "command": ["a\0"]}, "0.command.0: String should match pattern"),
        ({"name": "Docs", "url": "http://a"}, "0.name: String should match pattern"),
        ({"name": "a" * 33, "url": "http://a"}, "0.name: String should have at most 32 characters"),
        ({"name": "a", "url": "docs/mcp"}, "0.url: String should match pattern"),
        ({"name": "a", "url": "http://a", "allow": ["x", "x"]}, "0.allow: Value error, expected no value"),
        ({"name": "a", "url": "http://a", "allow": [""]}, "0.allow.0: String should have at least 1"),
        ({"name": "a", "url": "http://a", "timeoutSeconds": 0}, "0.timeoutSeconds: Input should be greater"),
        ({"name": "a", "url": "http://a", "approval": "Sometimes"}, "0.approval: Input should be 'Never',"),
        ({"name": "a", "serverName": "Not One"}, "0.serverName: String should match pattern"),
        (
            {"name": "a", "command": ["a"], "env": [{"name": "A"}, {"name": "A"}]},
            "0.env: Value error, expected no name twice: A",
        ),
        (
            {
                "name": "a",
                "command": ["a"],
                "env": [{"name": "A", "value": "", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            },
            "0.env.0: Value error, expected value or valueFrom, not both",
        ),
        (
            {"name": "a", "command": ["a"], "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {}}}]},
            "0.env.0.valueFrom.secretKeyRef: Field required",
        ),
        ({"name": "a", "url": "http://a", "timeout": 3}, "0.timeout: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_server_is_refused_at_its_field(server: dict[str, Any], error: str) -> None:
    found = agent_errors(server)
    assert found[0].startswith(f"spec.tools.servers.{error}")


def test_two_servers_of_one_name_are_refused() -> None:
    server = {"name": "a", "url": "http://a"}
    assert agent_errors(server, server) == ["spec.tools.servers: Value error, expected no name twice: a"]


def test_all_that_is_wrong_with_how_a_server_fits_together_is_said_at_once() -> None:
    (found,) = agent_errors({"name": "a", "env": [{"name": "A"}], "approval": "Matching"})
    assert found == (
        "spec.tools.servers.0: Value error, expected exactly one of url, command and serverName;"
        " env needs command; approvalFor and approval Matching need each other"
    )


@pytest.mark.parametrize(
    ("name", "wildcards", "fits"),
    [
        ("get_time", ("*",), True),
        ("get_time", ("get_*",), True),
        ("forget_time", ("get_*",), False),
        ("get_time", ("set_*", "*_time"), True),
        ("get_time", ("GET_*",), False),
        ("get_a", ("get_?",), True),
        ("get_ab", ("get_?",), False),
        ("a", ("[a]",), False),
        ("[a]", ("[a]",), True),
        ("a.b", ("a?b",), True),
        ("anything", (), False),
    ],
)
def test_wildcards_are_stars_and_question_marks(name: str, wildcards: tuple[str, ...], fits: bool) -> None:
    assert matches(name, wildcards) is fits


@pytest.mark.parametrize(
    ("approval", "asked"),
    [
        ({"approval": "Never"}, []),
        ({"approval": "Always"}, ["read_it", "write_it"]),
        ({"approval": "Matching", "approvalFor": ["write_*"]}, ["write_it"]),
    ],
)
def test_a_person_is_asked_about_the_tools_that_the_policy_names(
    approval: dict[str, Any], asked: list[str]
) -> None:
    server = use(**approval)
    assert [tool for tool in ("read_it", "write_it") if server.needs_approval(tool)] == asked


def test_a_tool_is_allowed_by_the_servers_own_name_for_it() -> None:
    server = use(allow=["get_*"])
    assert (server.allows("get_time"), server.allows("set_time")) == (True, False)
    assert not use(allow=[]).allows("get_time")


def test_every_secret_that_a_server_needs_is_named() -> None:
    local = {
        "command": ["x"],
        "url": None,
        "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "one", "key": "a"}}},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "one", "key": "b"}}},
            {"name": "C", "value": "plain"},
        ],
    }
    remote = {"headersSecretRef": {"name": "two"}, "oauthSecretRef": {"name": "three"}}
    assert use(**local).secrets == {"one"}
    assert use(**remote).secrets == {"two", "three"}
    assert use().secrets == frozenset()


def test_what_the_runtime_is_told_of_a_server_is_what_the_spec_says() -> None:
    said = use(approval="Matching", approvalFor=["x"], headersSecretRef={"name": "s"})
    told = resolved_alone(said)
    assert told.problem == ""
    assert told.approval is ApprovalPolicy.MATCHING
    assert told.model_dump(exclude={"problem"}) == said.model_dump()
    assert ResolvedServer.model_validate_json(told.model_dump_json(by_alias=True)) == told


def test_a_tool_server_says_where_it_is_and_what_opens_it() -> None:
    manifest = {
        "apiVersion": "horos.dev/v1alpha1",
        "kind": "ToolServer",
        "metadata": {"name": "tickets"},
        "spec": EVERY_TOOL_SERVER_FIELD,
    }
    assert ToolServer.from_manifest(manifest).to_manifest() == manifest
    with pytest.raises(ValidationError, match=r"spec\.url\n  Field required"):
        ToolServer.from_manifest({**manifest, "spec": {}})
    with pytest.raises(ValidationError, match=r"spec\.command\n  Extra inputs are not permitted"):
        ToolServer.from_manifest({**manifest, "spec": {"url": "http://a", "command": ["x"]}})


def test_a_report_is_read_as_it_was_written() -> None:
    clock = ServerReport(
        name="time", transport="stdio", state=ServerState.CONNECTED, since=5, tools=("time__now",), hidden=2
    )
    report = ServersReport(at=7, servers=(clock, ServerReport(name="docs", state=ServerState.FAILED)))
    assert read_report(report.encoded()) == report
    assert report.connected == {"time"}


def test_a_report_of_a_newer_runtime_is_read_as_far_as_it_is_known() -> None:
    text = b'{"at": 7, "mood": "good", "servers": [{"name": "a", "state": "Failed", "colour": "red"}]}'
    assert read_report(text) == ServersReport(
        at=7, servers=(ServerReport(name="a", state=ServerState.FAILED),)
    )


@pytest.mark.parametrize(
    "text", [None, b"", b"{", b"[]", b'{"servers": [{"name": "a", "state": "Dancing"}]}']
)
def test_a_report_that_says_nothing_that_is_understood_is_none(text: bytes | None) -> None:
    assert read_report(text) is None
