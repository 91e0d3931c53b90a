import re

import httpx2
import pytest

from horos_api.server_report import ServerReport, ServersReport, ServerState
from horos_bus.records import Ending, Usage
from horos_gateway.app import gateway_app
from horos_gateway.settings import Settings
from tests.asking_people import call_to_approve
from tests.gateway.conftest import TOKEN, heard

OUTSIDE = {"/healthz", "/readyz", "/api/v1/openapi.json", "/", "/console", "/api/v1/session"}
"""Probes, the document itself, and the page with its session."""


@pytest.fixture
async def document(gateway):
    async with httpx2.AsyncClient(
        verify=False, base_url=gateway, headers={"Authorization": f"Bearer {TOKEN}"}
    ) as http:
        answer = await http.get("/api/v1/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def test_the_document_lists_exactly_the_routes(document):
    settings = Settings(redis_url="redis://127.0.0.1:1", install="x", token="0123456789abcdef")
    served = {
        (route.path, method.lower())
        for route in gateway_app(settings).routes
        if route.path not in OUTSIDE
        for method in route.methods - {"HEAD"}
    }
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert described == served


def test_every_reference_path_parameter_and_field_is_described(document):
    schemas = document["components"]["schemas"]
    for reference in re.findall(r"#/components/schemas/(\w+)", str(document)):
        assert reference in schemas
    for path, methods in document["paths"].items():
        for operation in methods.values():
            in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))
            assert all(len(p["description"]) >= 20 for p in operation["parameters"])
            assert len(operation["summary"]) >= 20
    for name, schema in schemas.items():
        for field, described in schema.get("properties", {}).items():
            assert described.get("description") or "$ref" in described, f"{name}.{field}"


async def test_what_is_answered_has_the_described_fields(space, document):
    runtime = await space.agent()
    accepted = await space.say("hi")
    turn = await runtime.all_unread()
    approval_id = await call_to_approve(runtime, turn)
    approvals = (await space.http.get("/ada/approvals")).json()
    report = ServersReport(at=1, servers=(ServerReport(name="clock", state=ServerState.CONNECTED),))
    await runtime.report_servers(report.encoded())
    servers = (await space.http.get("/ada/servers")).json()
    await space.control.cancel("ada", turn.id)
    cancelled = (await space.http.post("/ada/cancel")).json()
    await runtime.commit(turn.id, turn.base + 3, [], Ending(text="yes"), Usage())
    decision = {"id": approval_id, "verdict": "deny"}
    assert (await space.http.post("/ada/approvals/decide", json=decision)).status_code == 200
    acting = await runtime.all_unread()
    await runtime.commit(acting.id, acting.base, heard(acting), Ending(text="yes"), Usage())
    agents = (await space.http.get(space.agents_url)).json()
    answers = {
        "AgentListBody": agents,
        "AgentBody": agents["items"][0],
        "AgentDetailBody": (await space.http.get("/ada")).json(),
        "AcceptedBody": accepted,
        "CancelledBody": cancelled,
        "OrderedBody": (await space.http.post("/ada/resume")).json(),
        "DeadLettersBody": (await space.http.get("/ada/dead-letters")).json(),
        "InboxBody": (await space.http.get("/ada/messages")).json(),
        "ReplyBody": (await space.http.get(f"/ada/messages/{accepted['id']}/reply")).json(),
        "RecordsBody": (await space.http.get("/ada/threads/main/records")).json(),
        "ApprovalsBody": approvals,
        "ApprovalBody": approvals["items"][0],
        "ServersBody": servers,
        "ServerBody": servers["items"][0],
        "ProblemBody": (await space.http.get("/nobody")).json(),
    }
    for name, answer in answers.items():
        assert set(document["components"]["schemas"][name]["properties"]) == set(answer), name


@pytest.mark.parametrize("query", ["start", "before", "limit", "thread", "after"])
async def test_described_query_parameters_are_taken(space, document, query):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    await runtime.commit(turn.id, turn.base, heard(turn), Ending(), Usage())
    for path, methods in document["paths"].items():
        for parameter in methods.get("get", {"parameters": []})["parameters"]:
            if (parameter["in"], parameter["name"]) != ("query", query):
                continue
            own = path.partition("{name}")[2].format(thread="main", id="m-1")
            url = f"/ada{own}?{query}={'main' if query == 'thread' else 1}"
            async with space.http.stream("GET", url) as answer:
                assert answer.status_code == 200
            return
    pytest.fail(f"no operation describes {query}")
