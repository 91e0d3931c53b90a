"""A message comes in, the model answers, tools are called on the way."""

import asyncio

from horos_api.resources import ToolsSpec
from horos_runtime.tool_registry import ToolRegistry, tool
from tests.runtime.stage import Stage, custom, shown_text


def call(name: str, **arguments: object) -> dict[str, object]:
    return {"name": name, "arguments": arguments}


async def test_a_message_is_answered_and_everything_agrees_on_it(stage: Stage) -> None:
    await stage.agent(spec=stage.spec("You are Ada."))
    await stage.model.load({"text": "Good morning to you"})
    async with stage.running():
        mid = await stage.say("hello")
        assert await stage.answer(mid) == "Good morning to you"

    (request,) = await stage.model.requests()
    assert request["body"]["messages"] == [
        {"role": "system", "content": "You are Ada."},
        {"role": "user", "content": "hello"},
    ]
    asked, answered = await stage.records()
    assert (asked["role"], asked["content"], asked["mid"]) == ("user", "hello", mid)
    assert (answered["role"], answered["content"]) == ("assistant", "Good morning to you")
    events = await stage.events()
    started = next(event for event in events if event["type"] == "RUN_STARTED")
    finished = next(event for event in events if event["type"] == "RUN_FINISHED")
    assert started["runId"] == finished["runId"] == asked["run"] == answered["run"]
    assert shown_text(events, f"{asked['run']}/1") == "Good morning to you"
    view = await stage.view()
    assert (view.state, view.usage.turns, view.holder) == ("idle", 1, "")
    assert view.usage.prompt_tokens > 0


async def test_the_first_delta_is_seen_before_the_model_goes_on(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"chunks": ["first", {"text": " second", "hold": True}]})
    async with stage.running():
        mid = await stage.say("hello")
        seen = await stage.shows(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
        assert seen["delta"] == "first"
        await stage.model.step()
        assert await stage.answer(mid) == "first second"


async def test_a_tool_is_called_on_the_way(stage: Stage) -> None:
    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    await stage.agent()
    await stage.model.load({"text": "Let me see.", "toolCalls": [call("add", a=2, b=3)]}, {"text": "Five."})
    async with stage.running(tools=ToolRegistry(add)):
        assert await stage.ask("2 + 3?") == "Five."

    first, second = await stage.model.requests()
    assert {each["function"]["name"] for each in first["body"]["tools"]} == {
        "add",
        "send",
        "ask",
        "reply",
        "list_agents",
        "history",
    }
    assert second["body"]["messages"][-1]["content"] == "5"
    assert [record["role"] for record in await stage.records()] == ["user", "assistant", "tool", "assistant"]
    events = await stage.events()
    kinds = [event["type"] for event in events]
    assert kinds.index("TOOL_CALL_START") < kinds.index("TOOL_CALL_ARGS") < kinds.index("TOOL_CALL_RESULT")
    result = next(event for event in events if event["type"] == "TOOL_CALL_RESULT")
    start = next(event for event in events if event["type"] == "TOOL_CALL_START")
    assert (result["toolCallId"], result["content"]) == (start["toolCallId"], "5")


async def test_wrong_calls_come_back_to_the_model_as_errors(stage: Stage) -> None:
    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @tool
    def explode() -> None:
        raise RuntimeError("the fuse was short")

    wrong = [
        call("add", a="two", b=3),
        call("subtract"),
        {"name": "add", "arguments": "{broken"},
        call("explode"),
    ]
    await stage.agent()
    await stage.model.load({"toolCalls": wrong}, {"text": "I give up."})
    async with stage.running(tools=ToolRegistry(add, explode)):
        assert await stage.ask("try") == "I give up."

    _, second = await stage.model.requests()
    results = [message["content"] for message in second["body"]["messages"] if message["role"] == "tool"]
    assert len(results) == 4
    assert any("wrong arguments for add: a: " in text for text in results)
    assert any(
        "no tool named 'subtract'; available: add, ask, explode, history, list_agents, reply, send" in text
        for text in results
    )
    assert any("not a JSON object" in text and "{broken" in text for text in results)
    assert any("RuntimeError: the fuse was short" in text for text in results)


async def test_two_agents_exchange_messages_with_send(stage: Stage) -> None:
    await stage.agent("ada", stage.spec("I am ada"))
    await stage.agent("bob", stage.spec("I am bob"))
    await stage.model.load(
        {"match": {"text": "tell bob"}, "toolCalls": [call("send", to="bob", text="ping")]},
        {"match": {"text": "tell bob"}, "text": "I told bob."},
        {"match": {"text": "ping"}, "toolCalls": [call("send", to="ada", text="pong")]},
        {"match": {"text": "ping"}, "text": "done"},
        {"match": {"text": "pong"}, "text": "noted"},
    )
    async with stage.running("ada"), stage.running("bob"):
        assert await stage.ask("tell bob ping", "ada") == "I told bob."
        await stage.shows(lambda event: event["type"] == "RUN_FINISHED", "ada", count=2)

    heard = [(r["from"], r["content"]) for r in await stage.records("bob") if r["role"] == "user"]
    assert heard == [("ada", "ping")]
    heard = [(r["from"], r["content"]) for r in await stage.records("ada") if r["role"] == "user"]
    assert heard == [("", "tell bob ping"), ("bob", "pong")]
    asked = [request["body"]["messages"][-1]["content"] for request in await stage.model.requests()]
    assert "[message from agent ada]\nping" in asked


async def test_send_says_why_a_message_was_not_delivered_and_list_agents_who_is_there(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load(
        {
            "toolCalls": [
                call("send", to="nobody", text="hi"),
                call("list_agents"),
                call("send", to="NO_NAME", text="hi"),
            ]
        },
        {"text": "ok"},
    )
    async with stage.running():
        await stage.ask("go")
    _, second = await stage.model.requests()
    results = [message["content"] for message in second["body"]["messages"] if message["role"] == "tool"]
    assert any("there is no other agent named 'nobody'" in text for text in results)
    assert '["ada"]' in results
    assert any("wrong arguments for send: to: " in text for text in results)


async def test_an_edit_is_used_in_the_next_turn(stage: Stage) -> None:
    await stage.agent(spec=stage.spec("Old."))
    await stage.model.load({"text": "one"}, {"text": "two"})
    async with stage.running():
        await stage.ask("hello")
        edited = stage.spec("New.").model_copy(update={"tools": ToolsSpec(builtin=())})
        await stage.configure("ada", edited)
        await stage.ask("hello again")
    first, second = await stage.model.requests()
    assert first["body"]["messages"][0]["content"] == "Old."
    assert second["body"]["messages"][0]["content"] == "New."
    assert "tools" not in second["body"]
    assert [message["content"] for message in second["body"]["messages"][1:]] == [
        "hello",
        "one",
        "hello again",
    ]


async def test_threads_do_not_mix(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"text": "a1"}, {"text": "b1"}, {"text": "a2"})
    async with stage.running():
        assert await stage.ask("in a", thread="a") == "a1"
        assert await stage.ask("in b", thread="b") == "b1"
        assert await stage.ask("again in a", thread="a") == "a2"
    *_, last = await stage.model.requests()
    assert [message["content"] for message in last["body"]["messages"][1:]] == ["in a", "a1", "again in a"]
    assert [record["content"] for record in await stage.records(thread="b")] == ["in b", "b1"]


async def test_a_message_from_a_person_joins_the_turn_between_rounds(stage: Stage) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    @tool
    async def think() -> str:
        """Take your time."""
        reached.set()
        await go_on.wait()
        return "thought"

    await stage.agent()
    await stage.model.load({"toolCalls": [call("think")]}, {"text": "both answered"})
    async with stage.running(tools=ToolRegistry(think)):
        first = await stage.say("think")
        await reached.wait()
        second = await stage.say("and hurry")
        go_on.set()
        assert await stage.answer(first) == "both answered"
        assert await stage.answer(second) == "both answered"
    _, last = await stage.model.requests()
    roles = [message["role"] for message in last["body"]["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "user"]
    assert last["body"]["messages"][-1]["content"] == "and hurry"
    assert len([event for event in await stage.events() if custom("joined")(event)]) == 1


async def test_a_turn_ends_with_a_clear_text_when_its_rounds_are_used_up(stage: Stage) -> None:
    await stage.agent(spec=stage.spec(tool_rounds=2))
    await stage.model.load({"toolCalls": [call("list_agents")]}, repeat="last")
    async with stage.running():
        answer = await stage.ask("loop")
    assert answer == "I stopped after 2 rounds of tool calls (budget.toolRounds)."
    assert len(await stage.model.requests()) == 2
    last = (await stage.records())[-1]
    assert shown_text(await stage.events(), f"{last['run']}/5") == answer


async def test_a_tool_may_not_outlast_the_turn(stage: Stage) -> None:
    @tool
    async def sleep_forever() -> None:
        await asyncio.Event().wait()

    await stage.agent(spec=stage.spec(turn_seconds=4))
    await stage.model.load({"toolCalls": [call("sleep_forever")]}, repeat="last")
    async with stage.running(tools=ToolRegistry(sleep_forever)):
        answer = await stage.ask("sleep")
    assert answer == "I stopped after 4 s (budget.turnSeconds)."
    (result,) = [record for record in await stage.records() if record["role"] == "tool"]
    assert result["content"].startswith("error: sleep_forever did not finish within")


async def test_a_stream_may_not_outlast_the_turn(stage: Stage) -> None:
    await stage.agent(spec=stage.spec(turn_seconds=2))
    await stage.model.load({"chunks": ["never", {"text": " ends", "hold": True}]})
    async with stage.running():
        answer = await stage.ask("stream")
    assert answer == "I stopped after 2 s (budget.turnSeconds): the model had not answered"
    last = (await stage.records())[-1]
    assert shown_text(await stage.events(), f"{last['run']}/1") == answer, "what was shown is taken back"
