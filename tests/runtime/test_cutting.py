"""What reaches into an open turn: cancel, terminate, suspend; and what does not: messages, other threads."""

import asyncio
import contextlib
from typing import Any

import pytest

from horos_api.messages import MessageKind, NewMessage
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, Identity, Turn
from horos_bus.sender import reply, send
from horos_runtime.lifetime import ExitCode
from horos_runtime.pace import Backoff, Pace
from horos_runtime.records import CANCELLED
from horos_runtime.tool_registry import ToolRegistry, tool
from horos_runtime.wakes import CutTurnError, TurnWatch, Wakes
from tests.runtime.stage import FAST, Stage, custom, until

HELD: dict[str, Any] = {"chunks": ["One ", {"text": "two", "hold": True}]}
CANCELLED_ENDING = Ending(error="cancelled by a person")


async def cancel(stage: Stage) -> None:
    turn = (await stage.view()).turn
    assert await Control(stage.bus).cancel("ada", turn) == "OK"


async def ended(stage: Stage, mid: str) -> Ending:
    async def there() -> bool:
        return bool(await reply(stage.bus, mid))

    await until(there)
    ending = await reply(stage.bus, mid)
    assert ending is not None
    return ending


def text_shown(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "TEXT_MESSAGE_CONTENT")


async def test_cancel_closes_the_models_stream_and_the_next_message_is_answered(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(HELD, {"text": "Here again."})
    async with stage.running():
        mid = await stage.say("Count.")
        await stage.shows(text_shown)
        await cancel(stage)
        assert await ended(stage, mid) == CANCELLED_ENDING
        await stage.shows(custom("discard"))
        await stage.shows(lambda event: event["type"] == "RUN_FINISHED")

        async def abandoned() -> bool:
            return bool((await stage.model.requests())[0]["outcome"] == "left")

        await until(abandoned)
        assert await stage.ask("Still there?") == "Here again."
    roles = [record["role"] for record in await stage.records()]
    assert roles == ["user", "assistant", "user", "assistant"]


async def test_cancel_stops_a_running_tool_and_leaves_each_call_one_result(stage: Stage) -> None:
    stopped, runs = asyncio.Event(), []

    @tool
    async def dig() -> str:
        """Dig for ever."""
        runs.append("dig")
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return "never"

    await stage.agent()
    calls = [{"name": "dig", "arguments": {}}, {"name": "dig", "arguments": {}}]
    await stage.model.load({"toolCalls": calls}, {"text": "Done."})
    async with stage.running(tools=ToolRegistry(dig)):
        mid = await stage.say("Dig.")

        async def digging() -> bool:
            return bool(runs)

        await until(digging)
        await cancel(stage)
        assert await ended(stage, mid) == CANCELLED_ENDING
        await asyncio.wait_for(stopped.wait(), 20)
        assert await stage.ask("And now?") == "Done."
    assert runs == ["dig"]
    results = [record["content"] for record in await stage.records() if record["role"] == "tool"]
    assert results == [CANCELLED, CANCELLED]


async def test_cancel_is_obeyed_between_two_tries_of_the_model_and_in_error(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"fault": {"status": 500}}, {"fault": {"status": 404}}, repeat="last")
    pace = Pace(coalesce=0.005, model=Backoff(300, 300), error=Backoff(300, 300))
    async with stage.running(pace=pace):
        mid = await stage.say("hello")
        await stage.shows(custom("retry"))
        await cancel(stage)
        assert await ended(stage, mid) == CANCELLED_ENDING
        mid = await stage.say("hello again")
        await stage.becomes("error")
        await cancel(stage)
        assert await ended(stage, mid) == CANCELLED_ENDING
        await stage.becomes("idle")


async def test_a_turn_that_was_cancelled_while_nobody_was_there_is_put_away(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(HELD, {"text": "Fresh."})
    async with stage.process("ada") as process:
        mid = await stage.say("Count.")
        await stage.shows(text_shown)
        process.kill()
        await process.wait()
    await cancel(stage)
    async with stage.running():
        assert await ended(stage, mid) == CANCELLED_ENDING
        assert await stage.ask("Again?") == "Fresh."
    assert len(await stage.model.requests()) == 2


async def test_a_cancel_that_comes_late_hits_nothing(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(HELD, {"text": "next"})
    async with stage.running():
        mid = await stage.say("Count.")
        await stage.shows(text_shown)
        turn = (await stage.view()).turn
        await stage.model.step()
        assert await stage.answer(mid) == "One two"
        assert await Control(stage.bus).cancel("ada", turn) == "NOTURN"
        assert await stage.ask("on?") == "next"


async def test_termination_in_the_middle_of_a_stream_lets_the_process_go(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(HELD)
    async with stage.running() as running:
        mid = await stage.say("Count.")
        await stage.shows(text_shown)
        await Control(stage.bus).terminate("ada", "uid-ada")
        assert await running.ends() == ExitCode.LEFT
        assert running.runtime.state == "terminated"
    assert await ended(stage, mid) == Ending(error="agent ada was terminated")
    assert (await stage.view()).holder == ""


async def test_a_process_that_was_fenced_stops_in_the_middle_of_its_stream(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(HELD)
    async with stage.running() as running:
        await stage.say("Count.")
        await stage.shows(text_shown)
        other = MessageService(stage.bus, Identity("ada", "uid-ada", "another"))
        await other.claim(None)
        await Control(stage.bus).ctl("ada", "resume")
        assert await running.ends() == ExitCode.LEFT


async def test_messages_that_come_during_a_turn_disturb_nothing(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(HELD, *[{"echo": True}] * 20)
    async with stage.running():
        first = await stage.say("Count.")
        await stage.shows(text_shown)
        others = [await stage.say(f"text {number}", thread=f"t{number}") for number in range(20)]
        await stage.model.step()
        assert await stage.answer(first) == "One two"
        assert [await stage.answer(mid) for mid in others] == [f"text {number}" for number in range(20)]


@pytest.mark.parametrize("change", ["configure", "evict", "pause", "terminate", "cancel"])
async def test_waiting_in_error_ends_with_a_change_and_not_with_a_message(stage: Stage, change: str) -> None:
    await stage.agent()
    messages = MessageService(stage.bus, Identity("ada", "uid-ada", "me"))
    wakes = Wakes(messages, FAST)
    watch = TurnWatch(messages, wakes, FAST.poll)
    await messages.subscribe()
    await messages.claim(None)
    await stage.say("hello")
    turn = await messages.all_unread()
    assert isinstance(turn, Turn)
    await messages.fail(turn.id, "ModelMisconfigured", "no such model")
    wakes.begin()
    listening = asyncio.create_task(wakes.run())
    try:
        waiting = asyncio.create_task(watch.error_ends(turn, 300))
        before = wakes.count
        await stage.say("a message")

        async def heard() -> bool:
            return wakes.count > before

        await until(heard)
        assert await watch.error_ends(turn, 0.0) is False
        assert not waiting.done()
        control = Control(stage.bus)
        match change:
            case "configure":
                await stage.configure("ada", stage.spec("Anew."))
            case "terminate":
                await control.terminate("ada", "uid-ada")
            case "cancel":
                await control.cancel("ada", turn.id)
            case "evict" | "pause":
                await control.ctl("ada", change)
        assert await asyncio.wait_for(waiting, 20) is True
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        await messages.unsubscribe()


async def test_wakes_that_come_while_a_turn_is_being_cut_change_nothing(stage: Stage) -> None:
    await stage.agent()
    messages = MessageService(stage.bus, Identity("ada", "uid-ada", "me"))
    wakes = Wakes(messages, FAST)
    watch = TurnWatch(messages, wakes, FAST.poll)
    await messages.claim(None)
    await stage.say("hello")
    turn = await messages.all_unread()
    assert isinstance(turn, Turn)
    watching = asyncio.create_task(watch.run())
    with pytest.raises(CutTurnError):
        async with watch.over(turn, wakes.count):
            await cancel(stage)
            wakes.nudge()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                for _ in range(5):
                    wakes.nudge()
                    await messages.standing()
                raise
    assert not watching.done()
    watching.cancel()


async def test_a_wake_between_the_look_and_the_wait_is_not_lost(stage: Stage) -> None:
    messages = MessageService(stage.bus, Identity("ada", "uid-ada", "me"))
    wakes = Wakes(messages, FAST)
    look = wakes.count
    wakes.nudge()
    await asyncio.wait_for(wakes.after(look, 300), 20)


async def test_requests_of_agents_look_like_what_they_are(stage: Stage) -> None:
    for name in ("ada", "bob"):
        await stage.agent(name)
    ask = {"name": "ask", "arguments": {"to": "bob", "text": "Which colour?"}}
    await stage.model.load(
        {"match": {"text": "Find out."}, "toolCalls": [ask]},
        {"match": {"text": "Find out."}, "text": "I have asked."},
        {"match": {"text": "Which colour?"}, "text": "Red."},
        {"match": {"pattern": "answer of agent bob"}, "text": "Bob says red."},
    )
    async with stage.running("ada"), stage.running("bob"):
        assert await stage.ask("Find out.") == "Bob says red."
    asked, answered = await stage.records("bob")
    assert (asked["kind"], asked["from"]) == (MessageKind.REQUEST, "ada")
    told = [record for record in await stage.records("ada") if record.get("kind") == MessageKind.REPLY]
    assert [(record["content"], record["re"]) for record in told] == [("Red.", asked["mid"])]
    seen = [request["body"]["messages"][-1]["content"] for request in await stage.model.requests()]
    assert f"[request {asked['mid']} from agent ada]\nWhich colour?" in seen
    assert f"[answer of agent bob to your request {asked['mid']}]\nRed." in seen
    result = next(record for record in await stage.records("ada") if record["role"] == "tool")
    assert f"request {asked['mid']} is delivered to bob" in result["content"]
    assert answered["content"] == "Red."


async def test_a_lead_that_asks_three_answers_once_with_what_they_said(stage: Stage) -> None:
    names = ("ann", "ben", "cem")
    for name in ("ada", *names):
        await stage.agent(name)
    asks = [{"name": "ask", "arguments": {"to": name, "text": f"Your word, {name}?"}} for name in names]
    await stage.model.load(
        {"match": {"text": "Ask all."}, "toolCalls": asks},
        {"match": {"text": "Ask all."}, "text": "Asked."},
        *[{"match": {"text": f"Your word, {name}?"}, "text": f"word of {name}"} for name in names],
        *[{"match": {"pattern": "answer of agent"}, "text": f"heard {number}"} for number in (1, 2, 3)],
    )
    async with contextlib.AsyncExitStack() as stack:
        for name in ("ada", *names):
            await stack.enter_async_context(stage.running(name))
        answer = await stage.ask("Ask all.")
    assert answer.startswith("heard ")
    last = (await stage.model.requests())[-1]["body"]["messages"]
    for name in names:
        assert any(f"word of {name}" in message["content"] for message in last)
    replies = [event for event in await stage.events() if custom("reply")(event)]
    assert len(replies) == 1


async def test_the_tools_say_why_nothing_was_asked_or_answered(stage: Stage) -> None:
    await stage.agent()
    calls = [
        {"name": "ask", "arguments": {"to": "nobody", "text": "?"}},
        {"name": "ask", "arguments": {"to": "ada", "text": "?"}},
        {"name": "ask", "arguments": {"to": "bob", "text": " "}},
        {"name": "reply", "arguments": {"request": "m0", "text": "late"}},
        {"name": "reply", "arguments": {"request": "", "text": "late"}},
    ]
    await stage.model.load({"toolCalls": calls}, {"text": "Nobody there."})
    async with stage.running():
        assert await stage.ask("go") == "Nobody there."
    results = [record["content"] for record in await stage.records() if record["role"] == "tool"]
    told = "\n".join(results)
    assert "there is no other agent named 'nobody'" in told
    assert "there is no other agent named 'ada'" in told
    assert "wrong arguments for ask: text: " in told
    assert "you owe no answer to 'm0'" in told
    assert "wrong arguments for reply: request: " in told


async def test_reply_answers_a_person_before_the_turn_ends(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(
        {"toolCalls": [{"name": "reply", "arguments": {"request": "quick", "text": "Yes."}}]},
        {"chunks": [{"text": "much later", "hold": True}]},
    )
    async with stage.running():
        await send(stage.bus, NewMessage(to="ada", body="Quick?", mid="quick"))
        assert await stage.answer("quick") == "Yes."
        await stage.model.step()
        await stage.becomes("idle")
    assert await stage.answer("quick") == "Yes."
