"""Calls of tools inside turns: at once, large, repeated, watched, interrupted; tools that come and go."""

import asyncio
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from horos_bus.control import Control
from horos_runtime.call_round import AT_ONCE
from horos_runtime.records import CANCELLED, OUTCOME_UNKNOWN
from horos_runtime.repetition import REFUSED_AT, TOLD_AT
from horos_runtime.tool_context import ToolContext
from horos_runtime.tool_registry import Tool, ToolRegistry, tool
from horos_runtime.tool_results import KEPT_BYTES, RESULT_BYTES
from tests.runtime.stage import Stage, custom, until


def call(name: str, /, **arguments: object) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


async def results(stage: Stage, thread: str = "main") -> list[str]:
    return [record["content"] for record in await stage.records(thread=thread) if record["role"] == "tool"]


async def offered(stage: Stage) -> list[list[str]]:
    """The names of the tools in each request that the model got."""
    return [
        [each["function"]["name"] for each in request["body"]["tools"]]
        for request in await stage.model.requests()
    ]


async def play(stage: Stage, *steps: list[dict[str, Any]], tools: ToolRegistry, question: str = "go") -> None:
    """One turn in which the model makes these calls, step by step, and then answers."""
    await stage.model.load(*[{"toolCalls": step} for step in steps], {"text": "done"})
    async with stage.running(tools=tools):
        assert await stage.ask(question) == "done"


class Meeting:
    """A tool that ends when so many of its calls are there; what does not run at once never ends."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.there = self.most = 0
        self.full = asyncio.Event()

        @tool(parallel=True, timeout_seconds=10)
        async def meet(who: str) -> str:
            """Meet the others."""
            self.there += 1
            self.most = max(self.most, self.there)
            if self.there >= self.size:
                self.full.set()
            await self.full.wait()
            self.there -= 1
            return who

        self.tool = meet


async def test_calls_that_may_run_beside_each_other_do(stage: Stage) -> None:
    await stage.agent()
    meeting = Meeting(3)
    await play(stage, [call("meet", who=who) for who in "abc"], tools=ToolRegistry(meeting.tool))
    assert sorted(await results(stage)) == ["a", "b", "c"]
    _, step, *_rest = await stage.records()
    assert step["together"] == [[each["id"] for each in step["tool_calls"]]]


async def test_no_more_run_at_once_than_the_limit(stage: Stage) -> None:
    await stage.agent()
    meeting = Meeting(AT_ONCE)
    await play(
        stage, [call("meet", who=str(number)) for number in range(20)], tools=ToolRegistry(meeting.tool)
    )
    assert len(await results(stage)) == 20
    assert meeting.most == AT_ONCE


async def test_a_result_is_stored_when_it_is_there_and_not_when_all_are(stage: Stage) -> None:
    release = asyncio.Event()

    @tool(parallel=True)
    async def slow() -> str:
        await release.wait()
        return "slow"

    @tool(parallel=True)
    async def fast() -> str:
        return "fast"

    await stage.agent()
    await stage.model.load({"toolCalls": [call("slow"), call("fast")]}, {"text": "done"})
    async with stage.running(tools=ToolRegistry(slow, fast)):
        mid = await stage.say("go")
        await stage.shows(lambda event: event["type"] == "TOOL_CALL_RESULT" and event["content"] == "fast")
        release.set()
        assert await stage.answer(mid) == "done"
    assert await results(stage) == ["fast", "slow"]
    _, second = await stage.model.requests()
    ids = [message.get("tool_call_id") for message in second["body"]["messages"] if message["role"] == "tool"]
    assert len(set(ids)) == 2


async def test_a_call_that_may_not_waits_for_those_before_it(stage: Stage) -> None:
    order: list[str] = []

    async def note(name: str) -> str:
        order.append(f"{name} begins")
        await asyncio.sleep(0)
        order.append(f"{name} ends")
        return name

    @tool(parallel=True)
    async def beside(name: str) -> str:
        return await note(name)

    @tool
    async def alone(name: str) -> str:
        return await note(name)

    await stage.agent()
    step = [
        call("beside", name="a"),
        call("beside", name="b"),
        call("alone", name="c"),
        call("beside", name="d"),
    ]
    await play(stage, step, tools=ToolRegistry(beside, alone))
    assert order[:2] == ["a begins", "b begins"]
    assert order[4:] == ["c begins", "c ends", "d begins", "d ends"]


async def test_killed_beside_each_other_all_that_are_missing_may_have_begun(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.agent()
    step = [call("quick"), call("charge_beside"), call("look_beside"), call("charge"), call("look_beside")]
    await stage.model.load({"toolCalls": step}, {"text": "over"})
    marks = [tmp_path / "charge_beside", tmp_path / "look_beside"]

    async def in_the_middle() -> bool:
        return all(mark.exists() for mark in marks) and await results(stage) == ["quick"]

    async with stage.process("ada", "-m", "tests.runtime.blocking_agent", str(tmp_path)) as first:
        mid = await stage.say("please")
        await until(in_the_middle, 60)
        first.send_signal(signal.SIGKILL)
        await first.wait()
    runs: list[tuple[str, int, str]] = []

    @tool(parallel=True)
    async def quick() -> str:
        raise AssertionError("it has its result")

    @tool(parallel=True)
    async def charge_beside(context: ToolContext) -> str:
        raise AssertionError("it may have begun")

    # The new image has changed its mind: what may have begun was written down by the old one.
    @tool(idempotent=True)
    async def look_beside(context: ToolContext) -> str:
        runs.append(("look_beside", context.attempt, context.idempotency_key))
        return "found"

    @tool
    async def charge(context: ToolContext) -> str:
        runs.append(("charge", context.attempt, context.idempotency_key))
        return "charged"

    async with stage.running(tools=ToolRegistry(quick, charge_beside, look_beside, charge)):
        assert await stage.answer(mid) == "over"
    (first_key,) = marks[1].read_text().split()
    turn = (await stage.records())[0]["run"]
    assert first_key == f"ada/{turn}/1.2"
    assert runs == [
        ("look_beside", 2, first_key),
        ("charge", 1, f"ada/{turn}/1.3"),
        ("look_beside", 1, f"ada/{turn}/1.4"),
    ]
    assert await results(stage) == ["quick", OUTCOME_UNKNOWN, "found", "charged", "found"]


async def test_a_tool_that_is_gone_after_a_kill_may_have_begun_too(stage: Stage, tmp_path: Path) -> None:
    await stage.agent()
    await stage.model.load({"toolCalls": [call("charge"), call("look_up")]}, {"text": "over"})
    async with stage.process("ada", "-m", "tests.runtime.blocking_agent", str(tmp_path)) as first:
        mid = await stage.say("please")
        await until(lambda: asyncio.to_thread((tmp_path / "charge").exists), 60)
        first.send_signal(signal.SIGKILL)
        await first.wait()
    async with stage.running():
        assert await stage.answer(mid) == "over"
    unknown, gone = await results(stage)
    assert unknown == OUTCOME_UNKNOWN
    assert gone.startswith("error: there is no tool named 'look_up'")


TEXT = "".join(f"line {number} of the report\n" for number in range(4000))


@tool
async def report() -> str:
    """Give a large report."""
    return TEXT


async def test_a_large_result_is_kept_and_can_be_read_on(stage: Stage) -> None:
    await stage.agent()
    steps = [
        [call("report")],
        [call("read_result", ref="2", offset=6144, limit=100)],
        [call("read_result", ref=2, search="line 3999")],
        [call("read_result", ref="2", offset=len(TEXT) - 30)],
        [call("read_result", ref="2", offset=10**9)],
        [call("read_result", ref="9")],
        [call("read_result", ref="2", search="nowhere")],
        [call("read_result", ref="2", search="of the report", offset=50)],
    ]
    await play(stage, *steps, tools=ToolRegistry(report))
    shown, page, found, last, behind, wrong, nothing, many = await results(stage)
    assert len(shown.encode()) < RESULT_BYTES
    assert 'read_result with ref "2" reads on: with offset 6144 from here' in shown
    assert page == f"[2, characters 6144 to 6244 of {len(TEXT)}; go on with offset 6244]\n{TEXT[6144:6244]}"
    place = TEXT.index("line 3999")
    assert found.startswith(f"['line 3999' occurs 1 times in 2]\n[offset {place}] …")
    assert "line 3998 of the report\nline 3999 of the report" in found
    assert last == (
        f"[2, characters {len(TEXT) - 30} to {len(TEXT)} of {len(TEXT)}; this is the end]\n{TEXT[-30:]}"
    )
    assert behind == f"error: offset {10**9} is behind the end; 2 has {len(TEXT)} characters"
    assert wrong == "error: there is no kept result '9' in this conversation; the newest: 2"
    assert nothing == "'nowhere' does not occur in 2 from offset 0 on"
    assert many.startswith("['of the report' occurs 3997 times in 2]")
    assert "[3987 more; go on with offset " in many
    assert await offered(stage) == [
        ["ask", "history", "list_agents", "reply", "report", "send"],
        *[["ask", "history", "list_agents", "read_result", "reply", "report", "send"]] * 8,
    ]


async def test_reading_is_offered_in_the_thread_that_has_something_to_read(stage: Stage) -> None:
    await stage.agent()
    tools = ToolRegistry(report)
    await play(stage, [call("report")], tools=tools)
    await stage.model.load({"text": "elsewhere"}, {"text": "here"})
    async with stage.running(tools=tools):
        await stage.ask("hello", thread="other")
        await stage.ask("hello again")
    other, main = (await offered(stage))[-2:]
    assert "read_result" not in other
    assert "read_result" in main


async def test_a_result_that_is_no_longer_kept_says_so(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"toolCalls": [call("report")]}, {"text": "done"})
    async with stage.running(tools=ToolRegistry(report)):
        await stage.ask("go")
        await stage.bus.command("DEL", stage.bus.keys.results("ada", "main"))
        await stage.model.load({"toolCalls": [call("read_result", ref="2")]}, {"text": "done"})
        await stage.ask("read")
    assert (await results(stage))[-1] == (
        "error: result 2 is no longer kept; call the tool again that gave it"
    )


async def test_a_result_that_is_too_large_to_keep_is_cut_and_says_so(stage: Stage) -> None:
    @tool
    def flood() -> str:
        return "x" * (KEPT_BYTES + 7)

    await stage.agent()
    await play(stage, [call("flood")], tools=ToolRegistry(flood))
    (shown,) = await results(stage)
    assert shown.endswith("[the result was longer than what is kept: its last 7 characters are lost]")
    assert await stage.bus.command("HSTRLEN", stage.bus.keys.results("ada", "main"), "2") == KEPT_BYTES


def counter() -> tuple[Tool, list[str]]:
    runs: list[str] = []

    @tool
    async def poll(what: str, after: int = 0) -> str:
        runs.append(what)
        return "pending"

    return poll, runs


async def test_a_call_that_repeats_itself_is_told_so_and_then_not_made(stage: Stage) -> None:
    await stage.agent()
    poll, runs = counter()
    written = ['{"what": "a", "after": 1}', '{"after":1,"what":"a"}']
    steps = [[{"name": "poll", "arguments": written[number % 2]}] for number in range(REFUSED_AT + 1)]
    await play(stage, *steps, tools=ToolRegistry(poll))
    told = await results(stage)
    assert told[: TOLD_AT - 1] == ["pending"] * (TOLD_AT - 1)
    assert told[TOLD_AT - 1] == (
        "pending\n[repeated: this is call 3 with the same arguments and the same result in this turn. "
        "One more will not tell you anything new.]"
    )
    assert (
        told[REFUSED_AT - 1 :]
        == [
            "error: not called again: poll gave the same result for these arguments 4 times in this turn. "
            "Use that result, call it with other arguments, or answer without it."
        ]
        * 2
    )
    assert len(runs) == REFUSED_AT - 1


async def test_two_calls_that_take_turns_are_noticed(stage: Stage) -> None:
    await stage.agent()
    poll, runs = counter()
    await play(stage, *[[call("poll", what=what)] for what in "abababababab"], tools=ToolRegistry(poll))
    assert runs == list("ababababa")


async def test_news_from_another_call_begins_the_count_anew(stage: Stage) -> None:
    await stage.agent()
    poll, runs = counter()
    await play(
        stage, *[[call("poll", what=what)] for what in ["a", "a", "b", "a", "a", "c", "a"]],
        tools=ToolRegistry(poll),
    )  # fmt: skip
    assert len(runs) == 7
    assert all(each == "pending" for each in await results(stage))


async def test_another_turn_begins_the_count_anew(stage: Stage) -> None:
    await stage.agent()
    poll, runs = counter()
    for _ in range(3):
        await play(stage, *[[call("poll", what="a")]] * 2, tools=ToolRegistry(poll))
    assert len(runs) == 6
    assert all(each == "pending" for each in await results(stage))


async def test_a_flood_of_the_same_message_is_stopped(stage: Stage) -> None:
    await stage.agent()
    await stage.agent("bob")
    await play(stage, *[[call("send", to="bob", text="hi")]] * 7, tools=ToolRegistry())
    assert (await stage.view("bob")).waiting == REFUSED_AT - 1


async def test_large_results_that_repeat_are_noticed_too(stage: Stage) -> None:
    await stage.agent()
    await play(stage, *[[call("report")]] * (REFUSED_AT + 1), tools=ToolRegistry(report))
    told = await results(stage)
    assert "[repeated: this is call 3" in told[2]
    assert told[-1].startswith("error: not called again: report")


async def test_watchers_see_how_far_a_tool_has_come(stage: Stage) -> None:
    release = asyncio.Event()

    @tool
    async def dig(context: ToolContext) -> str:
        await context.progress("half way", fraction=0.5)
        await release.wait()
        return f"{context.agent} {context.thread}"

    await stage.agent()
    await stage.model.load({"toolCalls": [call("dig")]}, {"text": "done"})
    async with stage.running(tools=ToolRegistry(dig)):
        mid = await stage.say("dig", thread="side")
        seen = await stage.shows(custom("progress"))
        release.set()
        assert await stage.answer(mid) == "done"
    (started,) = [event for event in await stage.events() if event["type"] == "TOOL_CALL_START"]
    assert seen["value"] == {
        "toolCallId": started["toolCallId"],
        "toolCallName": "dig",
        "text": "half way",
        "fraction": 0.5,
    }
    assert await results(stage, "side") == ["ada side"]


async def test_a_plain_function_can_tell_how_far_it_has_come(stage: Stage) -> None:
    @tool
    def dig(context: ToolContext) -> str:
        context.progress(fraction=0.25)
        return "dug"

    await stage.agent()
    await play(stage, [call("dig")], tools=ToolRegistry(dig))
    seen = await stage.shows(custom("progress"))
    assert seen["value"]["fraction"] == 0.25


async def test_tools_come_and_go_from_one_round_to_the_next(stage: Stage) -> None:
    registry = ToolRegistry()

    @tool
    async def learn() -> str:
        """Learn to dance, and forget how to learn."""
        registry.register(dance)
        registry.unregister("learn")
        return "learned"

    @tool
    async def dance() -> str:
        return "danced"

    registry.register(learn)
    await stage.agent()
    # The second call of the first step was promised to the model, although the first has taken it away.
    steps = [[call("learn"), call("dance"), call("list_agents")], [call("dance"), call("learn")]]
    await play(stage, *steps, tools=registry)
    assert sorted(await results(stage)) == sorted(
        [
            "learned",
            "error: there is no tool named 'dance'; available: ask, history, learn, list_agents, reply, send",
            '["ada"]',
            "danced",
            "error: there is no tool named 'learn'; available: ask, dance, history, list_agents, reply, send",
        ]
    )
    assert ["dance" in names for names in await offered(stage)] == [False, True, True]
    assert ["learn" in names for names in await offered(stage)] == [True, False, False]


async def test_a_tool_that_goes_while_the_model_speaks_can_still_be_called(stage: Stage) -> None:
    @tool
    async def dance() -> str:
        return "danced"

    registry = ToolRegistry(dance)
    await stage.agent()
    await stage.model.load(
        {"chunks": [{"text": "x", "hold": True}], "toolCalls": [call("dance")]}, {"text": "done"}
    )
    async with stage.running(tools=registry):
        mid = await stage.say("go")
        await stage.model.requests(1, held=1, seconds=30)
        registry.unregister("dance")
        await stage.model.step()
        assert await stage.answer(mid) == "done"
    assert await results(stage) == ["danced"]


async def test_cancel_stops_calls_that_run_at_once_and_says_which_it_cannot_stop(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    release, begun, stopped = threading.Event(), threading.Event(), asyncio.Event()

    @tool(parallel=True)
    def block() -> None:
        begun.set()
        release.wait(30)

    @tool(parallel=True)
    async def dig() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def running() -> bool:
        return begun.is_set()

    await stage.agent()
    await stage.model.load({"toolCalls": [call("block"), call("dig")]}, {"text": "and now"})
    async with stage.running(tools=ToolRegistry(block, dig)):
        mid = await stage.say("go")
        await until(running)
        assert await Control(stage.bus).cancel("ada", (await stage.view()).turn) == "OK"
        await stage.answer(mid)
        assert await stage.ask("hello") == "and now"
    assert stopped.is_set()
    assert await results(stage) == [CANCELLED, CANCELLED]
    assert "the thread of tool block cannot be stopped and is left to itself" in caplog.messages
    release.set()


async def test_a_tool_that_tries_to_end_the_process_is_a_failed_tool(stage: Stage) -> None:
    @tool
    async def leave() -> None:
        raise SystemExit(3)

    @tool
    def interrupt() -> None:
        raise KeyboardInterrupt

    await stage.agent()
    await play(stage, [call("leave"), call("interrupt")], tools=ToolRegistry(leave, interrupt))
    assert await results(stage) == [
        "error: leave failed: SystemExit: 3",
        "error: interrupt failed: KeyboardInterrupt",
    ]
