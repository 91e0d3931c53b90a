"""How an agent's tool servers are, as the gateway tells it."""

import time

import orjson

from horos_api.server_report import ServerReport, ServersReport, ServerState

CLOCK = ServerReport(
    name="clock",
    transport="stdio",
    state=ServerState.CONNECTED,
    since=1_764_000_000_000,
    tools=("clock__now", "clock__zones"),
    hidden=3,
)
DOCS = ServerReport(
    name="docs",
    server_name="shared-docs",
    state=ServerState.FAILED,
    since=1_764_000_010_000,
    error="no answer within 10 s",
    error_at=1_764_000_020_000,
    stderr="warming up\n",
)


async def test_an_agent_without_servers_has_none(space):
    await space.agent()
    answer = await space.http.get("/ada/servers")
    assert (answer.status_code, answer.json()) == (
        200,
        {"at": None, "ageSeconds": None, "resident": True, "configured": [], "items": []},
    )


async def test_servers_are_told_as_the_process_saw_them_with_the_age_of_that(space):
    runtime = await space.agent()
    report = ServersReport(at=int(time.time() * 1000) - 90_000, servers=(CLOCK, DOCS))
    await runtime.report_servers(report.encoded())
    told = (await space.http.get("/ada/servers")).json()
    assert 89 <= told["ageSeconds"] <= 120
    assert told["resident"] is True
    clock, docs = told["items"]
    assert clock == {
        "name": "clock",
        "serverName": "",
        "transport": "stdio",
        "state": "Connected",
        "since": "2025-11-24T16:00:00Z",
        "tools": ["clock__now", "clock__zones"],
        "hidden": 3,
        "error": "",
        "errorAt": None,
        "stderr": "",
    }
    assert (docs["serverName"], docs["state"], docs["error"]) == (
        "shared-docs",
        "Failed",
        "no answer within 10 s",
    )
    assert (docs["errorAt"], docs["stderr"]) == ("2025-11-24T16:00:20Z", "warming up\n")
    await runtime.retire()
    assert (await space.http.get("/ada/servers")).json()["resident"] is False


async def test_servers_that_were_not_reported_on_yet_are_named(space):
    await space.agent()
    config = {"generation": 1, "spec": {"tools": {"servers": [{"name": "clock", "command": ["x"]}]}}}
    await space.control.configure("ada", "uid-ada", 1, orjson.dumps(config))
    told = (await space.http.get("/ada/servers")).json()
    assert (told["configured"], told["items"]) == (["clock"], [])


async def test_what_this_gateway_cannot_read_hides_nothing_else(space):
    runtime = await space.agent()
    await runtime.report_servers(b'{"servers": "of a later version"}')
    await space.control.configure("ada", "uid-ada", 1, b'{"generation": 1, "spec": {"tools": 5}}')
    told = (await space.http.get("/ada/servers")).json()
    assert (told["at"], told["configured"], told["items"]) == (None, [], [])
