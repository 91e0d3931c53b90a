"""What the MCP specification asks of a client, seen on the wire of a server that has no SDK: over stdio."""

import asyncio
import json

import pytest

from horos_api.server_report import ServerState
from horos_runtime.mcp_questions import Verdict
from tests.mcp.conftest import MakeRaw
from tests.mcp.hands import hands
from tests.mcp.raw_stdio import LEGACY, MODERN, Message, Told
from tests.mcp.recording import RawStdio, eventually

ERAS = pytest.mark.parametrize("era", [LEGACY, MODERN])


def requests(raw: RawStdio) -> list[Message]:
    return [message for message in raw.heard if "method" in message and "id" in message]


async def test_it_introduces_itself_before_it_asks_for_anything(raw: MakeRaw) -> None:
    server = raw()
    async with hands(raw=server.command) as agent:
        await agent.call("raw__echo", text="hi")
    said = [message["method"] for message in server.heard if "method" in message]
    assert said == [
        "server/discover",  # which a server of before 2026 does not know
        "initialize",
        "notifications/initialized",
        "tools/list",
        "tools/call",
    ]
    (introduction,) = server.said("initialize")
    assert introduction["params"]["protocolVersion"] == LEGACY
    assert introduction["params"]["clientInfo"]["name"] == "horos"


async def test_it_claims_only_the_abilities_that_it_has(raw: MakeRaw) -> None:
    server = raw({"tools": ["sample"]})
    async with hands(raw=server.command) as agent:
        refused = json.loads(await agent.call("raw__sample"))
    (introduction,) = server.said("initialize")
    assert set(introduction["params"]["capabilities"]) <= {"elicitation"}
    assert refused["error"]["code"] in (-32600, -32601), "what was not claimed is refused"


async def test_a_server_of_2026_is_told_with_each_request_who_asks_and_in_which_version(
    raw: MakeRaw,
) -> None:
    server = raw({"era": MODERN})
    async with hands(raw=server.command) as agent:
        await agent.call("raw__echo", text="hi")
    assert not server.said("initialize")
    assert len(requests(server)) >= 3
    for request in requests(server):
        meta = request["params"]["_meta"]
        assert meta["io.modelcontextprotocol/protocolVersion"] == MODERN
        assert meta["io.modelcontextprotocol/clientInfo"]["name"] == "horos"
        assert set(meta["io.modelcontextprotocol/clientCapabilities"]) <= {"elicitation"}


@ERAS
async def test_no_id_is_used_twice_and_none_is_empty(raw: MakeRaw, era: str) -> None:
    server = raw({"era": era})
    async with hands(raw=server.command) as agent:
        await asyncio.gather(*(agent.call("raw__echo", text=str(number)) for number in range(20)))
    ids = [request["id"] for request in requests(server)]
    assert len(ids) == len(set(map(repr, ids)))
    assert all(isinstance(each, int | str) for each in ids)


@ERAS
async def test_twenty_calls_at_once_each_get_their_own_answer(raw: MakeRaw, era: str) -> None:
    server = raw({"era": era})
    async with hands(raw=server.command) as agent:
        texts = [f"text {number}" for number in range(20)]
        assert await asyncio.gather(*(agent.call("raw__echo", text=text) for text in texts)) == texts


@ERAS
async def test_progress_tokens_are_unique_among_calls_and_reach_the_call_that_they_are_of(
    raw: MakeRaw, era: str
) -> None:
    server = raw({"era": era, "tools": ["progress"]})
    async with hands(raw=server.command) as agent:
        await asyncio.gather(*(agent.call("raw__progress") for _ in range(5)))
    tokens = [call["params"]["_meta"]["progressToken"] for call in server.calls("progress")]
    assert len(set(tokens)) == 5
    assert all(isinstance(token, int | str) for token in tokens)


async def test_a_ping_is_answered_at_once(raw: MakeRaw) -> None:
    server = raw({"tools": ["ping"]})
    async with hands(raw=server.command) as agent:
        assert json.loads(await agent.call("raw__ping"))["result"] == {}


@ERAS
async def test_what_nobody_knows_yet_is_passed_over_when_it_is_told_and_refused_when_it_is_asked(
    raw: MakeRaw, era: str
) -> None:
    server = raw({"era": era, "tools": ["unknown", "echo"]})
    async with hands(raw=server.command) as agent:
        assert json.loads(await agent.call("raw__unknown"))["error"]["code"] == -32601
        assert await agent.call("raw__echo", text="as before") == "as before"
    assert len(server.pids) == 1


@ERAS
async def test_a_call_whose_time_is_over_is_cancelled_and_a_late_answer_is_passed_over(
    raw: MakeRaw, era: str
) -> None:
    server = raw({"era": era, "tools": ["late", "echo"]})
    async with hands(settings={"timeout": 1}, raw=server.command) as agent:
        result = await agent.call("raw__late")
        assert "did not finish within 1 s" in result
        assert "may have taken effect" in result
        await eventually(lambda: server.cancelled, "the server is told")
        assert await agent.call("raw__echo", text="next") == "next"
    assert server.cancelled == server.calls("late")
    assert len(server.pids) == 1, "the connection is as good as before"


async def test_the_introduction_is_never_cancelled(raw: MakeRaw) -> None:
    server = raw({"on": {"server/discover": "hang", "initialize": "hang"}})
    async with hands(connect=0, settings={"timeout": 1}, wait=False, raw=server.command) as agent:
        await agent.becomes(ServerState.FAILED)
        assert "did not answer within 1 s" in agent.report().error
    assert not server.said("notifications/cancelled")


@ERAS
async def test_a_second_answer_to_one_request_is_passed_over(raw: MakeRaw, era: str) -> None:
    server = raw({"era": era, "tools": ["twice", "echo"]})
    async with hands(raw=server.command) as agent:
        assert await agent.call("raw__twice") == "the first answer"
        assert await agent.call("raw__echo", text="mine") == "mine"
    assert len(server.pids) == 1


@ERAS
async def test_a_list_in_pages_is_read_to_its_end(raw: MakeRaw, era: str) -> None:
    names = [f"tool-{number:02}" for number in range(23)]
    server = raw({"era": era, "tools": names, "page": 5})
    async with hands(raw=server.command) as agent:
        assert agent.names() == [f"raw__{name}" for name in names]
    cursors = [request.get("params", {}).get("cursor") for request in server.said("tools/list")]
    assert cursors == [None, "5", "10", "15", "20"]


@ERAS
@pytest.mark.parametrize(
    ("verdict", "answer"),
    [
        (Verdict(True, {"colour": "red"}), {"action": "accept", "content": {"colour": "red", "count": 3}}),
        (Verdict(True), {"action": "accept", "content": {"colour": "green", "count": 3}}),
        (Verdict(False), {"action": "decline"}),
    ],
    ids=["values", "defaults", "denied"],
)
async def test_a_question_is_put_to_a_person_and_the_answer_has_the_defaults(
    raw: MakeRaw, era: str, verdict: Verdict, answer: Message
) -> None:
    server = raw({"era": era, "tools": ["elicit"]})
    async with hands(verdict=verdict, raw=server.command) as agent:
        assert json.loads(await agent.call("raw__elicit")) == answer
    (question,) = agent.questions
    assert (question.server, question.message) == ("raw", "Which colour?")
    assert question.schema["properties"]["colour"]["enum"] == ["red", "green"]


@ERAS
async def test_a_question_that_nobody_decides_is_taken_back_before_the_call_is_over(
    raw: MakeRaw, era: str
) -> None:
    server = raw({"era": era, "tools": ["elicit"]})
    # Long enough that a busy machine brings the answer within the fifth of it that is left.
    async with hands(settings={"timeout": 12}, verdict=None, raw=server.command) as agent:
        assert json.loads(await agent.call("raw__elicit")) == {"action": "cancel"}
    assert not server.cancelled


async def test_the_server_is_let_go_by_the_end_of_its_input(raw: MakeRaw) -> None:
    server = raw()
    async with hands(raw=server.command):
        pass
    assert server.heard[-1] == {"end": "stdin was closed"}, "neither signal nor kill was needed"


@pytest.mark.parametrize(
    "text",
    ["two\nlines\r\n", "Grüße, 世界 🌍", "nul \u0000 and \u2028", '"quoted" \\ {}', ""],
    ids=["lines", "unicode", "control", "json", "empty"],
)
async def test_any_text_is_one_line_on_the_wire_and_comes_back_as_it_was(raw: MakeRaw, text: str) -> None:
    server = raw()
    async with hands(raw=server.command) as agent:
        result = await agent.call("raw__echo", text=text)
    assert server.calls("echo")[0]["params"]["arguments"] == {"text": text}
    assert result == (text or "done")


@ERAS
async def test_a_changed_list_is_asked_for_again_whichever_way_it_is_told(raw: MakeRaw, era: str) -> None:
    server = raw({"era": era, "tools": ["grow", "shrink", "echo"]})
    async with hands(raw=server.command) as agent:
        await agent.call("raw__grow", name="fresh")
        await eventually(lambda: "raw__fresh" in agent.names(), "the new tool is there")
        await agent.call("raw__shrink", name="echo")
        await eventually(lambda: "raw__echo" not in agent.names(), "the old tool is gone")
    assert bool(server.said("subscriptions/listen")) == (era == MODERN)


async def test_resources_and_prompts_can_be_read_through_tools(raw: MakeRaw) -> None:
    told: Told = {"resources": {"memo://one": "what it says"}, "prompts": {"greet": "Say hello."}}
    server = raw(told)
    async with hands(raw=server.command) as agent:
        assert agent.names() == [
            "raw__echo",
            "raw__get_prompt",
            "raw__list_prompts",
            "raw__list_resources",
            "raw__read_resource",
        ]
        assert "memo://one" in await agent.call("raw__list_resources")
        assert "what it says" in await agent.call("raw__read_resource", uri="memo://one")
        assert "greet" in await agent.call("raw__list_prompts")
        assert "Say hello." in await agent.call("raw__get_prompt", name="greet")


async def test_a_server_without_resources_is_not_asked_for_them(raw: MakeRaw) -> None:
    server = raw()
    async with hands(raw=server.command) as agent:
        assert agent.names() == ["raw__echo"]
    assert not server.said("resources/list")
