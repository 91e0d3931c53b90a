"""What the operator makes of the reports of agents: the status of a ToolServer, one sentence per test."""

import dataclasses
import json
from typing import Any

import pytest

from horos_api.server_report import ServerReport, ServersReport, ServerState
from horos_api.tool_servers import ToolServerStatus
from horos_operator.tool_server_status import tool_server_status
from horos_operator.tool_servers import Heard, ToolServerFacts, heard_from, resolve_servers, servers_used
from tests.controller.facts import NOW, spec, tool_server

UP = Heard("ada", "docs", live=True, state=ServerState.CONNECTED, tools=3, error="", error_at=0)
DOWN = dataclasses.replace(UP, agent="bob", state=ServerState.FAILED, tools=0, error="refused", error_at=5)
ON_THE_WAY = dataclasses.replace(UP, agent="cid", state=ServerState.CONNECTING, tools=0)


def asleep(heard: Heard) -> Heard:
    return dataclasses.replace(heard, live=False)


def status(*heard: Heard, users: int = 3, server: ToolServerFacts | None = None) -> dict[str, Any]:
    made = tool_server_status(server or tool_server(), users, heard, NOW)
    ToolServerStatus.model_validate(made, by_alias=True, by_name=False)
    return made


def ready(*heard: Heard, users: int = 3, server: ToolServerFacts | None = None) -> tuple[str, str, str]:
    (told,) = status(*heard, users=users, server=server)["conditions"]
    return told["status"], told["reason"], told["message"]


def test_the_whole_status_of_a_tool_server() -> None:
    assert status(UP, DOWN) == {
        "agents": 3,
        "tools": 3,
        "lastError": "refused",
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "PartlyConnected",
                "message": "some agents reach it, others do not: bob: refused",
                "observedGeneration": 1,
                "lastTransitionTime": "1970-01-12T13:46:40Z",
            }
        ],
    }


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        ((UP, ON_THE_WAY), ("True", "Connected", "the agents that use it are connected")),
        ((DOWN, ON_THE_WAY), ("False", "ConnectionFailed", "no agent reaches it: bob: refused")),
        ((ON_THE_WAY,), ("False", "Connecting", "the agents that use it are connecting")),
        (
            (asleep(UP), asleep(DOWN)),
            ("Unknown", "NotReported", "no agent that uses it has a pod that has reported yet"),
        ),
        ((), ("Unknown", "NotReported", "no agent that uses it has a pod that has reported yet")),
        (
            (DOWN, dataclasses.replace(DOWN, agent="al", error="late")),
            ("False", "ConnectionFailed", "no agent reaches it: al: late (and 1 more)"),
        ),
    ],
)
def test_a_tool_server_is_ready_when_an_agent_that_has_a_pod_is_connected(
    heard: tuple[Heard, ...], answer: tuple[str, str, str]
) -> None:
    assert ready(*heard) == answer


def test_nobody_knows_whether_a_tool_server_is_ready_that_nobody_uses() -> None:
    assert ready(users=0) == ("Unknown", "NotUsed", "no Agent of the namespace uses it")


def test_a_tool_server_that_cannot_be_read_says_why() -> None:
    answer, reason, message = ready(UP, server=tool_server(url="docs"))
    assert (answer, reason) == ("False", "InvalidSpec")
    assert message.startswith("spec.url: ")


def test_tools_and_error_stay_when_no_agent_tells_of_them_any_more() -> None:
    before = dataclasses.replace(tool_server(), status=status(UP, DOWN))
    later = status(server=before)
    assert (later["tools"], later["lastError"]) == (3, "refused")
    assert status(asleep(dataclasses.replace(UP, tools=5)), server=before)["tools"] == 5


def test_the_error_that_happened_last_is_told_and_one_that_is_long_is_cut() -> None:
    early = dataclasses.replace(DOWN, agent="zoe", error="early", error_at=4)
    assert status(early, DOWN)["lastError"] == "refused"
    long = status(dataclasses.replace(DOWN, error="x" * 5000))
    assert long["lastError"] == "x" * 299 + "…"
    assert len(json.dumps(long)) < 1024


def test_the_time_of_its_condition_stays_while_its_answer_stays() -> None:
    before = dataclasses.replace(tool_server(version=2), status=status(UP))
    (told,) = tool_server_status(before, 3, [UP, DOWN], NOW + 1000)["conditions"]
    assert (told["reason"], told["lastTransitionTime"], told["observedGeneration"]) == (
        "PartlyConnected",
        "1970-01-12T13:46:40Z",
        2,
    )


USES = spec(
    tools={
        "servers": [
            {"name": "d", "serverName": "docs"},
            {"name": "own", "url": "http://own"},
            {"name": "t", "serverName": "tickets"},
        ]
    }
)


def test_the_tool_servers_that_a_spec_uses() -> None:
    assert servers_used(spec()) == frozenset()
    assert servers_used(USES) == {"docs", "tickets"}


@pytest.mark.parametrize(
    ("state", "heard"),
    [
        (ServerState.FAILED, ()),
        (ServerState.CONNECTING, ()),
        (
            ServerState.CONNECTED,
            (Heard("ada", "docs", live=True, state=ServerState.CONNECTED, tools=0, error="", error_at=0),),
        ),
    ],
)
def test_that_a_tool_server_did_not_exist_is_not_said_of_one_that_does(
    state: ServerState, heard: tuple[Heard, ...]
) -> None:
    (missing, _, _) = resolve_servers(USES, {})
    report = ServerReport(name="d", server_name="docs", state=state, error=missing.problem, error_at=5)
    assert heard_from("ada", USES, ServersReport(servers=(report,)), live=True) == heard


def test_only_what_a_report_says_of_the_tool_servers_in_the_spec_is_heard() -> None:
    report = ServersReport(
        servers=(
            ServerReport(
                name="d",
                server_name="docs",
                state=ServerState.CONNECTED,
                tools=("d__a", "d__b"),
                hidden=1,
                error="was gone",
                error_at=7,
            ),
            ServerReport(name="own", state=ServerState.CONNECTED),
            ServerReport(name="x", server_name="foreign", state=ServerState.FAILED, error="a lie"),
        )
    )
    assert heard_from("ada", USES, report, live=True) == (
        Heard("ada", "docs", live=True, state=ServerState.CONNECTED, tools=3, error="was gone", error_at=7),
    )
