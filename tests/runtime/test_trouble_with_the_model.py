"""A model that is down, busy, broken or refuses; and the way back from each."""

import pytest

from horos_api.conditions import Reason
from horos_api.resources import ModelSpec, ToolsSpec
from horos_bus.control import Control
from horos_runtime.lifetime import ExitCode
from horos_runtime.pace import Backoff, Pace
from horos_runtime.tool_registry import ToolRegistry, tool
from tests.runtime.stage import Stage, custom, shown_text

SLOW_ERRORS = Pace(coalesce=0.005, error=Backoff(300.0, 300.0, jitter=False))


async def test_a_refused_key_is_an_error_until_the_config_changes(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"text": "welcome"}, apiKey="right")
    async with stage.running(pace=SLOW_ERRORS) as running:
        mid = await stage.say("hello")
        view = await stage.becomes("error")
        assert view.reason == Reason.MODEL_REFUSES_KEY
        assert "/v1 answered 401: " in view.message
        assert view.message.endswith("; check the API key (spec.model.apiKeySecretRef)")
        assert view.turn
        assert running.runtime.state == "error"
        await stage.model.load({"text": "welcome"})
        await stage.configure("ada", stage.spec("Anew."))
        assert await stage.answer(mid) == "welcome"
        assert (await stage.becomes("idle")).reason == ""


async def test_a_refusal_is_told_in_one_short_line_without_the_key(stage: Stage) -> None:
    page = "<html>\nKey sk-very-secret is wrong.</html> " + "x" * 5000
    await stage.agent()
    await stage.model.load({"fault": {"status": 401, "message": page}})
    async with stage.running(pace=SLOW_ERRORS, model_api_key="sk-very-secret"):
        await stage.say("hello")
        message = (await stage.becomes("error")).message
    assert "<html> Key (the API key) is wrong.</html> xxx" in message
    assert len(message) < 700
    assert "sk-very-secret" not in str(await stage.events())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 403}, Reason.MODEL_REFUSES_KEY),
        ({"status": 404, "message": "no such model"}, Reason.MODEL_MISCONFIGURED),
        ({"status": 400, "message": "temperature is not for you"}, Reason.MODEL_MISCONFIGURED),
    ],
)
async def test_what_is_refused_waits_for_an_edit_and_so_do_the_messages_behind_it(
    stage: Stage, fault: dict[str, object], reason: Reason
) -> None:
    await stage.agent()
    await stage.model.load({"fault": fault}, {"text": "first"}, {"text": "second"})
    async with stage.running(pace=SLOW_ERRORS):
        first = await stage.say("hello")
        view = await stage.becomes("error")
        assert view.reason == reason
        second = await stage.say("now?", thread="other")
        await stage.configure("ada", stage.spec("Anew."))
        assert (await stage.answer(first), await stage.answer(second)) == ("first", "second")


async def test_a_refusal_is_tried_again_after_a_while(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"fault": {"status": 404}}, {"fault": {"status": 404}}, {"text": "there it is"})
    pace = Pace(coalesce=0.005, error=Backoff(0.05, 0.1, jitter=False))
    async with stage.running(pace=pace):
        assert await stage.ask("hello") == "there it is"
    errors = [event for event in await stage.events() if event["type"] == "RUN_ERROR"]
    assert [error["code"] for error in errors] == [Reason.MODEL_MISCONFIGURED] * 2


async def test_no_model_at_all_is_an_error_that_names_the_field(stage: Stage) -> None:
    await stage.agent(
        spec=stage.spec().model_copy(update={"model": ModelSpec(base_url="http://127.0.0.1:1/v1")})
    )
    async with stage.running(pace=SLOW_ERRORS):
        mid = await stage.say("hello")
        view = await stage.becomes("error")
        assert view.message == "no model is configured: spec.model.name is not set"
        await stage.model.load({"text": "now"})
        await stage.configure("ada", stage.spec())
        assert await stage.answer(mid) == "now"


@pytest.mark.parametrize("address", ["http://[::1", "http://'];[::/v1"])
async def test_an_address_that_is_none_waits_for_an_edit(stage: Stage, address: str) -> None:
    model = ModelSpec(name="m", base_url=address, max_output_tokens=10)
    await stage.agent(spec=stage.spec().model_copy(update={"model": model}))
    async with stage.running(pace=SLOW_ERRORS):
        mid = await stage.say("hello")
        view = await stage.becomes("error")
        assert view.reason == Reason.MODEL_MISCONFIGURED
        assert view.message.startswith("spec.model.baseUrl is no address, expected one as in ")
        await stage.model.load({"text": "now"})
        await stage.configure("ada", stage.spec())
        assert await stage.answer(mid) == "now"


@pytest.mark.parametrize("proxy", ["foo://proxy", "http://[::1", "http://proxy:x"])
async def test_a_proxy_that_cannot_be_used_is_named_as_what_is_wrong(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    await stage.agent()
    async with stage.running(pace=SLOW_ERRORS):
        await stage.say("hello")
        view = await stage.becomes("error")
    assert view.reason == Reason.MODEL_MISCONFIGURED
    assert view.message.startswith(
        "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY of the agent (spec.env) names no proxy"
    )


async def test_a_key_that_cannot_be_sent_is_a_refused_key(stage: Stage) -> None:
    await stage.agent()
    async with stage.running(pace=SLOW_ERRORS, model_api_key="schlüssel"):
        await stage.say("hello")
        assert (await stage.becomes("error")).reason == Reason.MODEL_REFUSES_KEY


async def test_what_nobody_foresaw_is_an_error_with_its_cause_and_heals(stage: Stage) -> None:
    @tool(name="send")
    def my_own_send() -> None: ...

    await stage.agent()
    await stage.model.load({"text": "fine"})
    async with stage.running(tools=ToolRegistry(my_own_send), pace=SLOW_ERRORS):
        mid = await stage.say("hello")
        view = await stage.becomes("error")
        assert (view.reason, view.message) == (
            Reason.TURN_FAILED,
            "ToolNameConflictError: there is already a tool named 'send': one is from horos, the other from "
            f"{my_own_send.origin}",
        )
        await stage.configure("ada", stage.spec().model_copy(update={"tools": ToolsSpec(builtin=())}))
        assert await stage.answer(mid) == "fine"


async def test_a_busy_model_is_asked_again_when_it_wishes(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"fault": {"status": 429, "retryAfter": 0.3}}, {"text": "now"})
    async with stage.running():
        assert await stage.ask("hello") == "now"
    (retry,) = [event["value"] for event in await stage.events() if custom("retry")(event)]
    assert retry["seconds"] == 0.3
    assert "429" in retry["reason"]
    assert not [event for event in await stage.events() if custom("discard")(event)], "nothing was shown"


@pytest.mark.parametrize(
    "reply",
    [
        {"fault": {"status": 500}},
        {"fault": {"status": 503}},
        {"garbage": "<html>It works!</html>"},
        {"garbage": "data: {not json\n\n"},
        {"garbage": 'data: {"error": {"message": "out of memory"}}\n\n'},
        {"garbage": 'data: {"choices": 5}\n\ndata: [1, 2]\n\ndata: [DONE]\n\n'},
        {"garbage": ""},
        {"text": "cut before the start", "cutAfter": 0},
    ],
)
async def test_errors_that_pass_are_tried_again(stage: Stage, reply: dict[str, object]) -> None:
    await stage.agent()
    await stage.model.load(reply, {"text": "now"})
    async with stage.running():
        assert await stage.ask("hello") == "now"
    assert len([event for event in await stage.events() if custom("retry")(event)]) == 1
    assert [record["content"] for record in await stage.records()] == ["hello", "now"]


async def test_a_cut_stream_is_taken_back_and_asked_again(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"chunks": ["half ", "an ans", "wer"], "cutAfter": 2}, {"text": "a whole answer"})
    async with stage.running():
        assert await stage.ask("hello") == "a whole answer"
    events = await stage.events()
    names = [event.get("name", event["type"]) for event in events]
    assert names.index("TEXT_MESSAGE_CONTENT") < names.index("discard") < names.index("retry")
    records = await stage.records()
    assert shown_text(events, f"{records[0]['run']}/1") == "a whole answer"
    assert [record["content"] for record in records] == ["hello", "a whole answer"]


async def test_a_model_that_is_down_answers_when_it_is_up(stage: Stage) -> None:
    working = stage.spec()
    down = working.model_copy(update={"model": ModelSpec(name="scripted", base_url="http://127.0.0.1:1/v1")})
    await stage.agent(
        spec=down.model_copy(update={"budget": working.budget.model_copy(update={"turn_seconds": 3})})
    )
    await stage.model.load({"text": "up"})
    async with stage.running():
        answer = await stage.ask("hello")
        assert answer.startswith(
            "I stopped after 3 s (budget.turnSeconds): the model server http://127.0.0.1:1/v1 could not"
        )
        await stage.configure("ada", working)
        assert await stage.ask("and now?") == "up"


async def test_a_conversation_that_is_too_long_is_shortened_and_asked_again(stage: Stage) -> None:
    await stage.agent()
    too_long = {"fault": {"status": 400, "code": "context_length_exceeded"}}
    summary = {"match": {"text": "Write the new summary"}, "text": "They counted."}
    await stage.model.load({"text": "one"}, {"text": "two"}, too_long, *[summary] * 8, {"text": "three"})
    async with stage.running():
        await stage.ask("first " * 100)
        await stage.ask("second " * 100)
        assert await stage.ask("third") == "three"
    _, _, long, *_, short = await stage.model.requests()
    assert len(long["body"]["messages"]) == 6
    assert len(short["body"]["messages"]) < 6
    assert short["body"]["messages"][-1]["content"] == "third"


async def test_a_question_that_never_fits_is_answered_with_the_reason(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"fault": {"status": 400, "code": "context_length_exceeded"}}, repeat="last")
    async with stage.running():
        assert (await stage.ask("hello")).startswith("The conversation is too long for the model: ")


async def test_an_agent_in_error_makes_room_when_the_operator_replaces_its_pod(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"fault": {"status": 404}}, {"text": "from the new pod"})
    async with stage.running(pace=SLOW_ERRORS) as old:
        mid = await stage.say("hello")
        await stage.becomes("error")
        assert await Control(stage.bus).ctl("ada", "evict") == "OK"
        assert await old.ends() == ExitCode.LEFT
    view = await stage.view()
    assert (view.state, view.holder, bool(view.turn), view.in_work) == ("error", "", True, True)
    async with stage.running(pace=SLOW_ERRORS):
        assert await stage.answer(mid) == "from the new pod"
