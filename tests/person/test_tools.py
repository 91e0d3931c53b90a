"""An agent's tool servers, from the command line."""

import time

from horos_api.server_report import ServerReport, ServersReport, ServerState
from tests.person.conftest import Here
from tests.person.stage import Agent, Done


def report(seconds_ago: int = 90) -> ServersReport:
    at = int(time.time() * 1000) - seconds_ago * 1000
    clock = ServerReport(
        name="clock",
        transport="stdio",
        state=ServerState.CONNECTED,
        since=at,
        tools=("clock__now", "clock__zones"),
        hidden=3,
    )
    docs = ServerReport(
        name="docs",
        server_name="shared-docs",
        state=ServerState.FAILED,
        since=at - 300_000,
        error="no answer\nwithin 10 s",
        error_at=at,
        stderr="warming\tup\nout of \x1b[1mmemory\n",
    )
    return ServersReport(at=at, servers=(clock, docs))


async def test_an_agent_without_servers_says_so(here: Here, ada: Agent) -> None:
    assert await here.horos("tools", "ada") == Done(0, "", "ada uses no tool servers\n")


async def test_servers_are_listed_with_their_state_tools_and_last_error(here: Here, ada: Agent) -> None:
    await ada.runtime.report_servers(report().encoded())
    done = await here.horos("tools", "ada")
    assert (done.code, done.err) == (0, "")
    head, clock, docs = done.out.splitlines()
    assert head.split() == ["SERVER", "TOOLSERVER", "STATE", "SINCE", "TOOLS", "HIDDEN", "LAST", "ERROR"]
    assert clock.split() == ["clock", "-", "Connected", clock.split()[3], "2", "3", "-"]
    assert clock.split()[3] in {f"{seconds}s" for seconds in range(90, 120)}
    assert docs.split()[:4] == ["docs", "shared-docs", "Failed", "6m"]
    assert "no answer within 10 s (9" in docs
    wide = (await here.horos("tools", "ada", "-o", "wide")).out
    assert "clock__now, clock__zones" in wide


async def test_of_a_hibernated_agent_it_is_said_since_when_that_is(here: Here, ada: Agent) -> None:
    await ada.runtime.report_servers(report(7300).encoded())
    await ada.runtime.retire()
    done = await here.horos("tools", "ada")
    assert done.code == 0
    assert done.err.startswith("as of 20")
    assert done.err.endswith("(2h ago): ada has no process now, so nothing is connected\n")


async def test_a_server_that_was_not_reported_on_is_named(here: Here, ada: Agent) -> None:
    config = b'{"generation": 1, "spec": {"tools": {"servers": [{"name": "clock", "url": "http://x"}]}}}'
    await ada.control.configure("ada", "uid-ada", 1, config)
    line = (await here.horos("tools", "ada")).out.splitlines()[1]
    assert line.split(maxsplit=6) == ["clock", *"-----", "the agent's process has not reported on it yet"]


async def test_servers_can_be_read_by_programs(here: Here, ada: Agent) -> None:
    await ada.runtime.report_servers(report().encoded())
    told = (await here.horos("tools", "ada", "-o", "json")).json
    assert [each["name"] for each in told["items"]] == ["clock", "docs"]
    assert "state: Failed\n" in (await here.horos("tools", "ada", "-o", "yaml")).out


async def test_describe_tells_the_last_error_and_the_end_of_standard_error(here: Here, ada: Agent) -> None:
    await ada.runtime.report_servers(report().encoded())
    described = (await here.horos("describe", "ada")).out
    section = described.partition("Tool servers:\n")[2].partition("Last events")[0]
    assert "  clock: Connected for " in section
    assert ", 2 tools, 3 hidden\n" in section
    assert "  docs:  Failed for 6m, 0 tools, ToolServer shared-docs\n" in section
    assert "last error: no answer within 10 s (" in section
    assert "warming up\n" in section
    assert "out of \\u001b[1mmemory\n" in section
    assert len((await here.horos("describe", "ada", "-o", "json")).json["servers"]["items"]) == 2
