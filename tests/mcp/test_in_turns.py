"""Tools of MCP servers in whole turns: the real runtime, a real Redis, a scripted model, real processes."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from horos_api.events import Event
from horos_api.messages import Verdict
from horos_api.resources import ToolsSpec
from horos_api.server_report import ServerReport, ServerState, read_report
from horos_api.tool_servers import ToolServerUse, resolved_alone
from horos_bus.control import Control
from horos_runtime.agent_config import StoredConfig
from horos_runtime.tool_registry import ToolRegistry, tool
from tests.mcp.conftest import MakeRaw
from tests.mcp.recording import RawStdio, eventually, is_there
from tests.runtime.stage import Stage, custom, until


def use(raw: RawStdio, name: str = "raw", **settings: Any) -> ToolServerUse:
    return ToolServerUse(name=name, command=raw.command, **settings)


async def configured(stage: Stage, generation: int, *servers: ToolServerUse) -> None:
    """Project a spec with these servers, as the operator does."""
    spec = stage.spec().model_copy(update={"tools": ToolsSpec(builtin=(), servers=servers)})
    resolved = tuple(resolved_alone(server) for server in servers)
    text = StoredConfig(generation=generation, spec=spec, servers=resolved).encoded()
    assert await Control(stage.bus).configure("ada", "uid-ada", generation, text) == "OK"


async def agent(stage: Stage, *servers: ToolServerUse) -> None:
    assert await Control(stage.bus).create("ada", "uid-ada") == "OK"
    await configured(stage, 1, *servers)


async def reported(stage: Stage, name: str = "raw") -> ServerReport | None:
    report = read_report(await Control(stage.bus).servers("ada"))
    found = report.servers if report else ()
    return next((server for server in found if server.name == name), None)


async def becomes(stage: Stage, state: ServerState, name: str = "raw") -> ServerReport:
    """Wait until the agent reports the server so."""

    async def there() -> bool:
        server = await reported(stage, name)
        return server is not None and server.state is state

    await until(there)
    server = await reported(stage, name)
    assert server is not None
    return server


async def results(stage: Stage) -> list[str]:
    return [record["content"] for record in await stage.records() if record["role"] == "tool"]


async def offered(stage: Stage) -> list[list[str]]:
    """The names of the tools in each request that the model got."""
    return [
        [each["function"]["name"] for each in request["body"].get("tools", ())]
        for request in await stage.model.requests()
    ]


def calls(*steps: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Script one call in each step, and then an answer."""
    return [
        *({"toolCalls": [{"name": name, "arguments": arguments}]} for name, arguments in steps),
        {"text": "done"},
    ]


async def play(stage: Stage, *steps: tuple[str, dict[str, Any]]) -> Sequence[str]:
    """One turn with these calls; returns their results."""
    before = len(await results(stage))
    await stage.model.load(*calls(*steps))
    assert await stage.ask("go") == "done"
    return (await results(stage))[before:]


async def test_a_call_goes_to_the_server_with_the_key_that_names_it_for_good(
    stage: Stage, raw: MakeRaw
) -> None:
    server = raw()
    await agent(stage, use(server))
    async with stage.running():
        assert await play(stage, ("raw__echo", {"text": "hello"})) == ["hello"]
    (call,) = server.calls("echo")
    step = next(index for index, record in enumerate(await stage.records()) if record.get("tool_calls"))
    (turn,) = {record["run"] for record in await stage.records()}
    assert f"ada/{turn}/{step}.0" in call["params"]["_meta"].values()


async def test_a_server_that_dies_in_the_middle_of_a_call_leaves_a_result_and_the_next_call_works(
    stage: Stage, raw: MakeRaw
) -> None:
    server = raw({"tools": ["echo", "die"]})
    await agent(stage, use(server))
    async with stage.running():
        died, after = await play(stage, ("raw__die", {}), ("raw__echo", {"text": "still here"}))

        async def told() -> bool:
            server = await reported(stage)
            return server is not None and server.error != ""

        await until(told)  # the report is not written with each change
        report = await becomes(stage, ServerState.CONNECTED)
    assert "its process ended with exit code 9" in died
    assert "unknown" in died
    assert after == "still here"
    assert len(server.calls("die")) == 1, "what may have taken effect is not done again"
    assert len(server.pids) == 2
    assert report.error_at > 0
    assert "9" in report.error


async def test_a_server_added_by_an_edit_is_used_in_the_next_turn_by_the_same_life(
    stage: Stage, raw: MakeRaw
) -> None:
    server = raw()
    await agent(stage)
    async with stage.running():
        assert await play(stage) == []
        epoch = (await stage.view()).epoch
        await configured(stage, 2, use(server))
        assert await play(stage, ("raw__echo", {"text": "new"})) == ["new"]
        assert (await stage.view()).epoch == epoch


async def test_a_server_removed_by_an_edit_is_gone_in_the_next_turn_with_its_process(
    stage: Stage, raw: MakeRaw
) -> None:
    server, other = raw(), raw()
    await agent(stage, use(server), use(other, "other"))
    async with stage.running():
        await play(stage)
        assert (await offered(stage))[-1] == ["other__echo", "raw__echo"]
        await configured(stage, 2, use(other, "other"))
        await play(stage)
        assert (await offered(stage))[-1] == ["other__echo"]
        await eventually(lambda: not is_there(server.pids[0]), "the process of the removed server ends")

        async def forgotten() -> bool:
            return await reported(stage) is None

        await until(forgotten)
    assert len(other.pids) == 1, "a server that stays keeps its process"


async def test_the_agent_works_while_a_server_starts_and_has_its_tools_when_it_is_there(
    stage: Stage, raw: MakeRaw
) -> None:
    late, prompt = raw(), raw()
    gate = late.folder / "gate"
    late = RawStdio.told(late.folder, {"waits_for": str(gate)})
    await agent(stage, use(late, "late"), use(prompt, "prompt"))
    async with stage.running():
        assert await play(stage, ("prompt__echo", {"text": "meanwhile"})) == ["meanwhile"]
        assert (await offered(stage))[-1] == ["prompt__echo"]
        gate.touch()
        await becomes(stage, ServerState.CONNECTED, "late")
        assert await play(stage, ("late__echo", {"text": "at last"})) == ["at last"]


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
async def test_a_tool_that_comes_during_a_turn_is_offered_in_its_next_round(
    stage: Stage, raw: MakeRaw, era: str
) -> None:
    server = raw({"era": era, "tools": ["grow"]})
    await agent(stage, use(server))
    async with stage.running():
        grown, used = await play(stage, ("raw__grow", {"name": "fresh"}), ("raw__fresh", {"a": 1}))
    assert (grown, used) == ("grown", 'fresh {"a": 1}')
    first, second, _ = await offered(stage)
    assert (first, second) == (["raw__grow"], ["raw__fresh", "raw__grow"])


async def test_progress_of_a_server_is_seen_by_watchers(stage: Stage, raw: MakeRaw) -> None:
    server = raw({"tools": ["progress"]})
    await agent(stage, use(server))
    async with stage.running():
        await play(stage, ("raw__progress", {}))
        event = await stage.shows(custom("progress"))
    assert event["value"]["toolCallName"] == "raw__progress"
    assert event["value"]["text"].startswith("step ")


async def test_a_turn_that_is_cancelled_takes_its_call_back_from_the_server(
    stage: Stage, raw: MakeRaw
) -> None:
    server = raw({"tools": ["hang", "echo"]})
    await agent(stage, use(server))
    async with stage.running():
        await stage.model.load(*calls(("raw__hang", {})))
        await stage.say("go")
        await eventually(lambda: server.calls("hang"), "the call comes to the server")
        begun = await stage.shows(lambda event: event["type"] == "RUN_STARTED")
        await Control(stage.bus).cancel("ada", begun["runId"])
        await eventually(lambda: server.cancelled, "the server is told")

        async def cut() -> bool:
            return len(await results(stage)) == 1

        await until(cut)
        assert await play(stage, ("raw__echo", {"text": "next"})) == ["next"]
    assert server.cancelled == server.calls("hang")


async def test_ten_megabytes_reach_the_model_shortened_and_the_rest_is_kept(
    stage: Stage, raw: MakeRaw
) -> None:
    server = raw({"tools": ["big"]})
    await agent(stage, use(server))
    async with stage.running():
        (result,) = await play(stage, ("raw__big", {"size": 10_000_000}))
        assert (await offered(stage))[-1] == ["raw__big", "read_result"]
    assert result.startswith("xxxx")
    assert len(result) < 100_000


async def test_a_thousand_tools_are_offered_in_one_order_that_stays(stage: Stage, raw: MakeRaw) -> None:
    names = [f"tool-{number:04}" for number in range(1000)]
    server = raw({"tools": names}, {"tools": names[::-1]})
    await agent(stage, use(server))
    async with stage.running():
        assert await play(stage, ("raw__tool-0999", {"x": 1})) == ['tool-0999 {"x": 1}']
        assert len((await becomes(stage, ServerState.CONNECTED)).tools) == 1000
        first = (await offered(stage))[0]
        server.kill()
        await eventually(lambda: len(server.pids) == 2, "it is started again")
        await becomes(stage, ServerState.CONNECTED)
        await play(stage)
    assert first == [f"raw__{name}" for name in names]
    assert await offered(stage) == [first]


async def test_a_runtime_that_ends_leaves_no_process_of_a_server(stage: Stage, raw: MakeRaw) -> None:
    server = raw({"tools": ["child"]})
    await agent(stage, use(server))
    async with stage.running():
        (grandchild,) = await play(stage, ("raw__child", {}))
        assert is_there(int(grandchild))
    assert not is_there(server.pids[0])
    await eventually(lambda: not is_there(int(grandchild)), "what the server started ends with it")


async def test_what_a_server_asks_is_decided_by_a_person_while_the_call_waits(
    stage: Stage, raw: MakeRaw
) -> None:
    server = raw({"tools": ["elicit"]})
    await agent(stage, use(server))
    async with stage.running():
        await stage.model.load(*calls(("raw__elicit", {})))
        mid = await stage.say("go")
        asked = await stage.shows(custom("elicitation"))
        (pending,) = await Control(stage.bus).approvals("ada")
        assert (pending.kind, pending.status, pending.message) == ("elicitation", "pending", "Which colour?")
        assert (await stage.view()).approvals == 1
        decided = await Control(stage.bus).decide(
            "ada", pending.id, Verdict.APPROVE, "bob", content='{"colour": "red"}'
        )
        assert decided.outcome == "DECIDED"
        assert await stage.answer(mid) == "done"
        assert asked["value"]["id"] == pending.id
        assert not await Control(stage.bus).approvals("ada")
    (result,) = await results(stage)
    assert json.loads(result) == {"action": "accept", "content": {"colour": "red", "count": 3}}


async def test_what_a_server_asks_and_nobody_decides_ends_with_the_time_of_the_call(
    stage: Stage, raw: MakeRaw
) -> None:
    server = raw({"tools": ["elicit"]})
    await agent(stage, use(server, timeout_seconds=3))
    async with stage.running():
        (result,) = await play(stage, ("raw__elicit", {}))
        assert not await Control(stage.bus).approvals("ada")
        last = [event for event in await stage.events() if custom("elicitation")(event)][-1]
    assert json.loads(result) == {"action": "cancel"}
    assert last["value"]["status"] == "withdrawn"


async def test_a_call_that_is_tried_again_asks_again(stage: Stage, raw: MakeRaw) -> None:
    server = raw({"tools": ["elicit"], "idempotent": ["elicit"]})
    await agent(stage, use(server))

    def pending(event: Event) -> bool:
        return custom("elicitation")(event) and event["value"]["status"] == "pending"

    async with stage.running():
        await stage.model.load(*calls(("raw__elicit", {})))
        mid = await stage.say("go")
        await stage.shows(pending)
        server.kill()
        again = await stage.shows(pending, count=2)
        await Control(stage.bus).decide(
            "ada", again["value"]["id"], Verdict.APPROVE, "bob", content='{"colour": "red"}'
        )
        assert await stage.answer(mid) == "done"
    (result,) = await results(stage)
    assert json.loads(result.partition("\n")[0])["action"] == "accept"
    assert "[try 2 succeeded" in result


async def test_what_a_person_decides_in_the_last_moment_counts(stage: Stage, raw: MakeRaw) -> None:
    """Nobody wakes the agent here, and it looks by itself only when the time is over."""
    server = raw({"tools": ["elicit"]})
    await agent(stage, use(server, timeout_seconds=3))
    async with stage.running():
        await stage.model.load(*calls(("raw__elicit", {})))
        mid = await stage.say("go")
        await stage.shows(custom("elicitation"))
        (pending,) = await Control(stage.bus).approvals("ada")
        assert 2000 < pending.deadline - pending.asked <= 2400, "the call has time left to end"
        key = stage.bus.keys.elicitations("ada")
        stored = json.loads(await stage.bus.command("HGET", key, pending.id))
        decided = {"status": "approved", "who": "bob", "content": '{"colour": "red"}'}
        await stage.bus.command("HSET", key, pending.id, json.dumps({**stored, **decided}))
        assert await stage.answer(mid) == "done"
    (result,) = await results(stage)
    assert json.loads(result) == {"action": "accept", "content": {"colour": "red", "count": 3}}


async def test_a_tool_of_the_agents_own_keeps_its_name_and_the_servers_is_left_out(
    stage: Stage, raw: MakeRaw
) -> None:
    @tool(name="raw__echo")
    def own(text: str) -> str:
        return f"my own {text}"

    server = raw({"tools": ["echo", "pid"]})
    await agent(stage, use(server))
    async with stage.running(tools=ToolRegistry(own)):
        assert await play(stage, ("raw__echo", {"text": "voice"})) == ["my own voice"]
        problem = await stage.shows(custom("toolProblem"))
    assert "raw__echo" in problem["value"]["message"]
    assert (await offered(stage))[0] == ["raw__echo", "raw__pid"]
    assert not server.said("tools/call")


async def test_a_server_that_cannot_be_started_costs_a_turn_its_tools_and_nothing_else(
    stage: Stage, raw: MakeRaw
) -> None:
    broken, whole = raw({"dies_at_start": "no licence"}), raw()
    await agent(stage, use(broken, "broken"), use(whole))
    async with stage.running():
        assert await play(stage, ("raw__echo", {"text": "hi"})) == ["hi"]
        report = await becomes(stage, ServerState.FAILED, "broken")
    assert "exit code 3" in report.error
    assert "no licence" in report.stderr


async def test_a_runtime_that_is_killed_takes_its_servers_with_it(stage: Stage, raw: MakeRaw) -> None:
    server = raw()
    await agent(stage, use(server))
    async with stage.process("ada") as process:
        # It imports the SDK, for which a busy machine needs longer than a turn waits for servers.
        await becomes(stage, ServerState.CONNECTED)
        assert await play(stage, ("raw__echo", {"text": "hi"})) == ["hi"]
        process.kill()
        await process.wait()
        await eventually(lambda: not is_there(server.pids[0]), "the server ends")
    assert len(server.pids) == 1
