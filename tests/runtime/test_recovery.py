"""Whatever ends a runtime, its successor finishes the turn, once."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from horos_api.conditions import Reason
from horos_bus.control import Control
from horos_runtime.lifetime import ExitCode
from horos_runtime.pace import Backoff, Pace
from horos_runtime.records import OUTCOME_UNKNOWN
from horos_runtime.tool_registry import ToolRegistry, tool
from tests.redis_fixtures import RedisProcess
from tests.runtime.stage import FAST, Stage, shown_text, until


def tools(runs: list[str]) -> ToolRegistry:
    """The successor's tools: the same names as the process that is killed, but they end."""

    @tool
    async def charge() -> str:
        runs.append("charge")
        return "charged"

    @tool(idempotent=True)
    async def look_up() -> str:
        runs.append("look_up")
        return "found"

    return ToolRegistry(charge, look_up)


async def test_killed_while_the_model_streams_the_successor_answers_once(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(
        {"chunks": ["half an ans", {"text": "wer", "hold": True}]}, {"text": "a whole answer"}
    )
    async with stage.process("ada") as first:
        mid = await stage.say("hello")
        await stage.shows(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
        first.send_signal(signal.SIGKILL)
        await first.wait()
    async with stage.running():
        assert await stage.answer(mid) == "a whole answer"
    records = await stage.records()
    assert [record["content"] for record in records] == ["hello", "a whole answer"]
    events = await stage.events()
    assert shown_text(events, f"{records[0]['run']}/1") == "a whole answer"
    assert len([event for event in events if event["type"] == "RUN_FINISHED"]) == 1


async def test_killed_in_a_tool_it_is_not_run_again_unless_it_may_be(stage: Stage, tmp_path: Path) -> None:
    await stage.agent()
    for name, expected, again in (("charge", OUTCOME_UNKNOWN, []), ("look_up", "found", ["look_up"])):
        await stage.model.load({"toolCalls": [{"name": name, "arguments": {}}]}, {"text": f"{name} is over"})
        async with stage.process("ada", "-m", "tests.runtime.blocking_agent", str(tmp_path)) as first:
            mid = await stage.say(f"please {name}")
            await until(lambda name=name: asyncio.to_thread((tmp_path / name).exists))  # type: ignore[misc]
            first.send_signal(signal.SIGKILL)
            await first.wait()
        runs: list[str] = []
        async with stage.running(tools=tools(runs)):
            assert await stage.answer(mid) == f"{name} is over"
        assert runs == again
        results = [record["content"] for record in await stage.records() if record["role"] == "tool"]
        assert results[-1] == expected
        assert len(await stage.model.requests()) == 2


async def test_calls_behind_the_interrupted_one_were_not_started_and_run(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.agent()
    calls: list[dict[str, object]] = [
        {"name": name, "arguments": {}} for name in ("charge", "charge", "look_up")
    ]
    await stage.model.load({"toolCalls": calls}, {"text": "over"})
    async with stage.process("ada", "-m", "tests.runtime.blocking_agent", str(tmp_path)) as first:
        mid = await stage.say("please")
        await until(lambda: asyncio.to_thread((tmp_path / "charge").exists))
        first.send_signal(signal.SIGKILL)
        await first.wait()
    runs: list[str] = []
    async with stage.running(tools=tools(runs)):
        assert await stage.answer(mid) == "over"
    assert runs == ["charge", "look_up"]
    results = [record["content"] for record in await stage.records() if record["role"] == "tool"]
    assert results == [OUTCOME_UNKNOWN, "charged", "found"]


async def test_sigterm_lets_the_round_end_and_hands_the_turn_on(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(
        {"chunks": [{"text": "x", "hold": True}], "toolCalls": [{"name": "list_agents", "arguments": {}}]},
        {"text": "done"},
    )
    async with stage.process("ada") as first:
        mid = await stage.say("hello")
        await stage.model.requests(1, held=1, seconds=30)
        first.send_signal(signal.SIGTERM)
        await stage.model.step()
        assert await asyncio.wait_for(first.wait(), 10) == ExitCode.LEFT
    view = await stage.view()
    assert (view.holder, view.in_work) == ("", True)
    async with stage.running():
        assert await stage.answer(mid) == "done"
    assert [record["role"] for record in await stage.records()] == ["user", "assistant", "tool", "assistant"]


async def test_a_round_longer_than_the_grace_period_is_given_up(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"chunks": ["begin", {"text": "x", "hold": True}]}, {"text": "done"})
    async with stage.running(pace=FAST.__class__(grace=0.05, coalesce=0.005)) as first:
        mid = await stage.say("hello")
        await stage.shows(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
        first.runtime.stop()
        assert await first.ends() == ExitCode.LEFT
    assert (await stage.view()).holder == ""
    told = [event.get("name") for event in await stage.events()]
    assert told[-3:] == ["discard", "hibernated", "wake"], "watchers are told before it leaves"
    async with stage.running():
        assert await stage.answer(mid) == "done"


async def test_an_idle_runtime_leaves_at_once(stage: Stage) -> None:
    await stage.agent()
    async with stage.running() as idle:
        await until(lambda: _claimed(stage))
        idle.runtime.stop()
        assert await idle.ends(2) == ExitCode.LEFT
    assert (await stage.view()).holder == ""


async def test_the_successor_fences_its_predecessor_in_the_middle_of_a_turn(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(
        {"chunks": ["from the old", {"text": " one", "hold": True}]}, {"text": "from the new one"}
    )
    async with stage.running() as old:
        mid = await stage.say("hello")
        await stage.shows(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
        async with stage.running():
            assert await stage.answer(mid) == "from the new one"
            await stage.model.step()
            assert await old.ends() == ExitCode.LEFT
    assert [record["content"] for record in await stage.records()] == ["hello", "from the new one"]


async def test_a_late_pod_leaves_without_a_claim(stage: Stage) -> None:
    await stage.agent()
    async with stage.running():
        await until(lambda: _claimed(stage))
        async with stage.running(ticket=0) as late:
            assert await late.ends() == ExitCode.LEFT
        assert (await stage.view()).epoch == 1


async def test_an_agent_that_is_deleted_in_a_turn_lets_its_runtime_go(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"chunks": ["x", {"text": "y", "hold": True}]})
    async with stage.running() as running:
        await stage.say("hello")
        await stage.model.requests(1, held=1, seconds=30)
        assert await Control(stage.bus).delete("ada", "uid-ada") == "OK"
        await stage.model.step()
        assert await running.ends() == ExitCode.LEFT


async def test_a_suspended_agent_finishes_its_turn_and_retires(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"chunks": ["x", {"text": "y", "hold": True}]}, {"text": "later"})
    async with stage.running() as running:
        mid = await stage.say("hello")
        await stage.model.requests(1, held=1, seconds=30)
        assert await Control(stage.bus).ctl("ada", "pause") == "OK"
        waiting = await stage.say("and this?")
        await stage.model.step()
        assert await stage.answer(mid) == "xy"
        assert await running.ends() == ExitCode.LEFT
    view = await stage.view()
    assert (view.state, view.holder, view.waiting) == ("paused", "", 1)
    assert await Control(stage.bus).ctl("ada", "resume") == "OK"
    async with stage.running():
        assert await stage.answer(waiting) == "later"


async def test_eviction_waits_for_the_turn(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"chunks": ["x", {"text": "y", "hold": True}]})
    async with stage.running() as running:
        mid = await stage.say("hello")
        await stage.model.requests(1, held=1, seconds=30)
        assert await Control(stage.bus).ctl("ada", "evict") == "OK"
        await stage.model.step()
        assert await stage.answer(mid) == "xy"
        assert await running.ends() == ExitCode.LEFT


async def missed_by_the_runtime(caplog: pytest.LogCaptureFixture) -> None:
    """Wait until the runtime has found Redis gone: else it might come back before anybody looks."""

    async def told() -> bool:
        return "Redis is not reachable" in caplog.text

    await until(told)


async def test_redis_restarts_in_the_middle_of_a_turn(
    fragile_stage: Stage, redis_process: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    stage = fragile_stage
    await stage.agent()
    await stage.model.load(
        {
            "chunks": ["one ", {"text": "two", "hold": True}],
            "toolCalls": [{"name": "list_agents", "arguments": {}}],
        },
        {"text": "done"},
        repeat="last",
    )
    async with stage.running():
        mid = await stage.say("hello")
        await stage.shows(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
        redis_process.stop()
        await stage.model.step()
        await stage.model.requests(1, ended=1)
        await missed_by_the_runtime(caplog)
        redis_process.start()
        assert await stage.answer(mid, 20) == "done"
        assert await stage.ask("still there?") == "done"
    assert [record["role"] for record in await stage.records()][:4] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]


async def test_redis_is_not_there_yet_when_the_runtime_starts(
    fragile_stage: Stage, redis_process: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    stage = fragile_stage
    await stage.agent()
    await stage.model.load({"text": "here I am"})
    redis_process.stop()
    async with stage.running():
        await missed_by_the_runtime(caplog)
        redis_process.start()
        assert await stage.ask("hello") == "here I am"


async def test_a_rotated_key_is_read_by_a_new_pod(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"text": "welcome"}, apiKey="new")
    async with stage.running(ticket=0, model_api_key="old") as first:
        mid = await stage.say("hello")
        assert await first.ends() == ExitCode.LEFT
    view = await stage.view()
    assert (view.state, view.reason, view.holder, view.in_work) == (
        "error",
        Reason.MODEL_REFUSES_KEY,
        "",
        True,
    )
    async with stage.running(ticket=1, model_api_key="new"):
        assert await stage.answer(mid) == "welcome"
    assert (await stage.view()).state == "idle"


async def test_a_key_that_stays_wrong_is_not_tried_by_one_pod_after_the_other(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"text": "welcome"}, apiKey="new")
    async with stage.running(ticket=0, model_api_key="old") as first:
        await stage.say("hello")
        await first.ends()
    pace = replace(FAST, error=Backoff(0.05, 0.1, jitter=False), new_key=0.5)
    async with stage.running(ticket=1, model_api_key="old", pace=pace) as second:
        # It stays and tries again, and makes room for another pod when that has lasted.
        await stage.shows(lambda event: event["type"] == "RUN_ERROR", count=4)
        assert (await stage.view()).reason == Reason.MODEL_REFUSES_KEY
        assert await second.ends() == ExitCode.LEFT
    assert (await stage.view()).in_work


async def _claimed(stage: Stage) -> bool:
    return (await stage.view()).was_claimed


async def test_a_runtime_whose_password_was_replaced_makes_room_for_one_that_reads_it_anew(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.agent()
    user = ("ACL", "SETUSER", "rotated", "on", "~*", "&*", "+@all", "resetpass")
    await stage.bus.command(*user, ">first")
    address = stage.redis_url.rpartition("@")[2]
    pace = Pace(redis=Backoff(0.01, 0.01), credentials=0.0)
    async with stage.running(pace=pace, redis_url=f"redis://rotated:first@{address}") as running:
        await until(lambda: _is_held(stage))
        await stage.bus.command(*user, ">second")
        await stage.bus.command("CLIENT", "KILL", "USER", "rotated")
        assert await running.ends() == ExitCode.BUS_REFUSED
    assert "as user rotated does not accept the credentials" in caplog.records[-1].getMessage()
    await stage.bus.command("ACL", "DELUSER", "rotated")


async def test_a_full_redis_ends_the_process_with_a_clear_word_and_the_turn_goes_on_later(
    fragile_stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage = fragile_stage

    @tool
    async def fill() -> str:
        """Use up the memory."""
        await stage.bus.command("CONFIG", "SET", "maxmemory", "1")
        return "full"

    await stage.agent()
    await stage.model.load(
        {"toolCalls": [{"name": "fill", "arguments": {}}]}, {"text": "there is room again"}
    )
    async with stage.running(tools=ToolRegistry(fill)) as running:
        mid = await stage.say("go")
        assert await running.ends() == ExitCode.BUS_REFUSED
    assert "maxmemory" in caplog.records[-1].getMessage()
    assert caplog.records[-1].exc_info is None
    await stage.bus.command("CONFIG", "SET", "maxmemory", "0")
    async with stage.running(tools=ToolRegistry(fill)):
        assert await stage.answer(mid) == "there is room again"


async def _is_held(stage: Stage) -> bool:
    return bool((await stage.view()).holder)
