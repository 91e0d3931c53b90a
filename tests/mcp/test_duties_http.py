"""What the MCP specification asks of a client, seen on the wire of a server that has no SDK: over HTTP."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from horos_api.server_report import ServerState
from horos_runtime.mcp_questions import Verdict
from tests.mcp.authorisation import Authorisation, guarded
from tests.mcp.hands import hands, secret
from tests.mcp.raw_http import SESSION, RawHttp
from tests.mcp.raw_stdio import LEGACY, MODERN
from tests.mcp.recording import eventually
from tests.model_fixtures import served

VERSION = "mcp-protocol-version"


async def test_session_and_version_go_with_every_request_behind_the_introduction() -> None:
    server = RawHttp()
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            assert await agent.call("raw__echo", text="hi") == 'echo {"text": "hi"}'
    methods = [each.method or each.verb for each in server.heard]
    begun = methods.index("initialize")
    assert SESSION not in server.heard[begun].headers
    after = server.heard[begun + 1 :]
    assert {each.method or each.verb for each in after} >= {
        "notifications/initialized",
        "tools/list",
        "tools/call",
        "GET",
        "DELETE",
    }
    assert len({each.headers[SESSION] for each in after}) == 1
    assert {each.headers[VERSION] for each in after} == {LEGACY}


async def test_each_post_takes_json_and_event_streams() -> None:
    server = RawHttp()
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            await agent.call("raw__echo", text="hi")
    for each in server.heard:
        accepted = each.headers["accept"]
        assert "text/event-stream" in accepted
        if each.verb == "POST":
            assert "application/json" in accepted


async def test_the_session_is_given_back_at_the_end() -> None:
    server = RawHttp()
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp"):
            pass
        await eventually(lambda: server.heard[-1].verb == "DELETE", "the session is given back")


async def test_a_server_that_forgot_the_session_gets_a_new_introduction_and_the_call_works() -> None:
    server = RawHttp()
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            await agent.call("raw__echo", text="1")
            server.forget_sessions()
            assert await agent.call("raw__echo", text="2") == 'echo {"text": "2"}'
    first, second = server.said("initialize")
    assert SESSION not in second.headers
    used = [each.headers[SESSION] for each in server.said("tools/call")]
    assert used[0] != used[-1]
    assert first.at < second.at


async def test_a_server_without_a_stream_of_its_own_works_and_is_not_asked_for_it_again_and_again() -> None:
    server = RawHttp()
    server.refuse["GET"] = [Response(status_code=405)] * 100
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            for number in range(5):
                assert await agent.call("raw__echo", text=str(number)) == f'echo {{"text": "{number}"}}'
    assert sum(each.verb == "GET" for each in server.heard) <= 3


@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_an_answer_whose_stream_broke_is_asked_for_from_the_last_event_on(era: str) -> None:
    server = RawHttp({"era": era, "tools": ["cut"]}, retry_ms=300)
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            assert await agent.call("raw__cut") == "the rest"
    (call,) = server.said("tools/call")
    (resumed,) = [each for each in server.heard if "last-event-id" in each.headers]
    assert resumed.verb == "GET"
    assert resumed.headers.get(SESSION) == call.headers.get(SESSION)
    assert resumed.at - call.at >= 0.3, "no sooner than the server wished"


async def test_a_change_told_in_the_stream_of_the_session_is_followed() -> None:
    server = RawHttp()
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            await eventually(lambda: any(each.verb == "GET" for each in server.heard), "it listens")
            server.change_tools("echo", "fresh")
            await eventually(lambda: "raw__fresh" in agent.names(), "the new tool is there")


async def test_the_answer_to_a_question_is_a_post_of_its_own_in_the_same_session() -> None:
    server = RawHttp({"tools": ["elicit"]})
    with served(server.app()) as address:
        async with hands(verdict=Verdict(True, {"colour": "red"}), raw=f"{address}/mcp") as agent:
            answer = json.loads(await agent.call("raw__elicit"))
    assert answer == {"action": "accept", "content": {"colour": "red", "count": 3}}
    (posted,) = [each for each in server.heard if each.message and "result" in each.message]
    assert posted.headers[SESSION] == server.said("tools/call")[0].headers[SESSION]


async def test_a_server_of_2026_gets_method_and_name_as_headers_and_no_session() -> None:
    server = RawHttp({"era": MODERN})
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            await agent.call("raw__echo", text="hi")
    (call,) = server.said("tools/call")
    assert call.headers[VERSION] == MODERN
    assert call.headers["mcp-method"] == "tools/call"
    assert call.headers["mcp-name"] == "echo"
    assert not any(SESSION in each.headers for each in server.heard)
    assert not server.said("initialize")


async def test_a_call_whose_time_is_over_is_cancelled_by_a_message_before_2026() -> None:
    server = RawHttp({"tools": ["hang", "echo"]})
    with served(server.app()) as address:
        async with hands(settings={"timeout": 1}, raw=f"{address}/mcp") as agent:
            assert "did not finish within 1 s" in await agent.call("raw__hang")
            await eventually(lambda: server.said("notifications/cancelled"), "the server is told")
            assert await agent.call("raw__echo", text="1") == 'echo {"text": "1"}'
    (call, _) = server.said("tools/call")
    (cancelled,) = server.said("notifications/cancelled")
    assert call.message and cancelled.message
    assert cancelled.message["params"]["requestId"] == call.message["id"]


async def test_a_call_whose_time_is_over_is_cancelled_by_hanging_up_since_2026() -> None:
    server = RawHttp({"era": MODERN, "tools": ["hang", "echo"]})
    with served(server.app()) as address:
        async with hands(settings={"timeout": 1}, raw=f"{address}/mcp") as agent:
            assert "did not finish within 1 s" in await agent.call("raw__hang")
            await eventually(lambda: server.abandoned, "the call is hung up")
            assert await agent.call("raw__echo", text="1") == 'echo {"text": "1"}'
    assert not server.said("notifications/cancelled")


@contextmanager
def behind_oauth(authorisation: Authorisation, server: RawHttp) -> Iterator[str]:
    """Serve both; yields where the guarded server is."""
    with ExitStack() as stack:
        authorisation.issuer = stack.enter_context(served(authorisation.app()))
        address = stack.enter_context(served(guarded(server, authorisation)))
        server.metadata = f"{address}/.well-known/oauth-protected-resource/mcp"
        yield f"{address}/mcp"


async def test_a_pod_that_nobody_logs_in_to_gets_its_token_with_the_clients_own_credentials(
    tmp_path: Path,
) -> None:
    authorisation, server = Authorisation(), RawHttp()
    oauth = secret(
        tmp_path, "docs", clientId=authorisation.client_id, clientSecret=authorisation.client_secret
    )
    with behind_oauth(authorisation, server) as url:
        async with hands(settings={"oauth": oauth}, secrets=tmp_path, raw=url) as agent:
            assert await agent.call("raw__echo", text="1") == 'echo {"text": "1"}'
            (asked,) = authorisation.asked
            authorisation.revoke()
            assert await agent.call("raw__echo", text="2") == 'echo {"text": "2"}', "a new token is fetched"
            assert len(authorisation.asked) == 2
    assert asked["grant_type"] == "client_credentials"
    assert asked["resource"] == url
    good = [each for each in server.heard if each.headers.get("authorization", "").startswith("Bearer ")]
    assert len({each.headers["authorization"] for each in good}) == 2


async def test_credentials_that_are_refused_are_told_and_the_right_ones_are_read_when_they_come(
    tmp_path: Path,
) -> None:
    authorisation, server = Authorisation(), RawHttp()
    oauth = secret(tmp_path, "docs", clientId=authorisation.client_id, clientSecret="wrong")
    with behind_oauth(authorisation, server) as url:
        async with hands(settings={"oauth": oauth}, secrets=tmp_path, wait=False, raw=url) as agent:
            await agent.becomes(ServerState.FAILED)
            error = agent.report().error
            assert "invalid_client" in error or "401" in error
            assert "wrong" not in error, "a secret is never shown"
            secret(tmp_path, "docs", clientSecret=authorisation.client_secret)
            await agent.becomes(ServerState.CONNECTED)
            assert await agent.call("raw__echo", text="1") == 'echo {"text": "1"}'


async def test_headers_from_a_secret_go_with_every_request(tmp_path: Path) -> None:
    server = RawHttp()
    headers = secret(tmp_path, "docs", **{"X-Api-Key": "k3y\n", "Authorization": "Bearer abc"})
    with served(server.app()) as address:
        async with hands(settings={"headers": headers}, secrets=tmp_path, raw=f"{address}/mcp") as agent:
            await agent.call("raw__echo", text="hi")
    assert {each.headers.get("x-api-key") for each in server.heard} == {"k3y"}
    assert {each.headers.get("authorization") for each in server.heard} == {"Bearer abc"}


async def test_a_redirect_to_another_place_is_not_followed_and_shows_it_no_secret(tmp_path: Path) -> None:
    met: list[str] = []

    async def elsewhere(request: Request) -> Response:
        met.append(request.headers.get("x-api-key", ""))
        return PlainTextResponse("welcome")

    headers = secret(tmp_path, "docs", **{"X-Api-Key": "k3y"})
    with served(Starlette(routes=[Route("/mcp", elsewhere, methods=["POST"])])) as other:

        async def moved(_: Request) -> Response:
            return RedirectResponse(f"{other}/mcp")

        with served(Starlette(routes=[Route("/mcp", moved, methods=["POST"])])) as address:
            async with hands(
                settings={"headers": headers}, secrets=tmp_path, wait=False, raw=f"{address}/mcp"
            ) as agent:
                await agent.becomes(ServerState.FAILED)
                assert "redirect" in agent.report().error.lower()
    assert met == []


async def test_a_stream_that_ends_is_opened_again_from_where_it_ended() -> None:
    """The stream of the session, in which changes are told; what came meanwhile is asked for by listing."""
    server = RawHttp()
    with served(server.app()) as address:
        async with hands(raw=f"{address}/mcp") as agent:
            await eventually(lambda: any(each.verb == "GET" for each in server.heard), "it listens")
            began = time.monotonic()
            server.end_streams()
            server.tools = ["echo", "fresh"]
            await eventually(lambda: "raw__fresh" in agent.names(), "it has looked again")
            assert time.monotonic() - began < 10
    assert sum(each.verb == "GET" for each in server.heard) >= 2
    assert len(server.said("initialize")) == 1
