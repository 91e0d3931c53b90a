"""Each fault and quirk of the scripted server, and the text that whoever asked reads in the end."""

import contextlib
from typing import Any

import pytest

from horos_api.resources import FallbackSpec, ModelSpec
from horos_bus.records import Ending
from horos_bus.sender import reply
from horos_runtime.pace import Backoff, Pace
from horos_runtime.stream_assembly import CUT_OFF, WITHHELD
from horos_runtime.tool_registry import ToolRegistry, tool
from tests.runtime.stage import Stage, custom, shown_text, until

FAST_TRIES = Pace(coalesce=0.005, model=Backoff(0.01, 0.2), error=Backoff(300.0, 300.0, jitter=False))
Reply = dict[str, Any]


def chunk(finish: str | None = None, **delta: Any) -> Reply:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def raw(*events: object) -> Reply:
    return {"raw": list(events)}


STOP = chunk("stop")
WHOLE = {"choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}
HALVES = ("Hello \\ud83d", "\\ude00")
USAGE = {"prompt_tokens": 5, "completion_tokens": 2}

ANSWERED: dict[str, tuple[Reply, str]] = {
    "plain": ({"text": "Hello"}, "Hello"),
    "thoughts in reasoning_content": ({"text": "Hello", "reasoning": "Hm."}, "Hello"),
    "thoughts in reasoning": ({"text": "Hello", "reasoning": "Hm.", "reasoningField": "reasoning"}, "Hello"),
    "thoughts in tags": ({"text": "Hello", "reasoning": "Hm.", "reasoningField": "think"}, "Hello"),
    "no usage": ({"text": "Hello", "usage": "none"}, "Hello"),
    "usage in every chunk": ({"text": "Hello", "usageIn": "every"}, "Hello"),
    "usage in the last chunk": ({"text": "Hello", "usageIn": "last"}, "Hello"),
    "no [DONE]": ({"text": "Hello", "done": False}, "Hello"),
    "no stream although one was asked for": ({"text": "Hello", "whole": True}, "Hello"),
    "a finish_reason of calls without any": ({"text": "Hello", "finishReason": "tool_calls"}, "Hello"),
    "cut off by the limit": ({"text": "Hello", "finishReason": "length"}, f"Hello\n\n{CUT_OFF}"),
    "a content filter": ({"text": "Hello", "finishReason": "content_filter"}, f"Hello\n\n{WITHHELD}"),
    "comments that keep it alive": (
        raw(
            ": OPENROUTER PROCESSING",
            chunk(content="Hel"),
            ": ping",
            chunk("stop", content="lo"),
            "data: [DONE]",
        ),
        "Hello",
    ),
    "delta null": (raw({"choices": [{"index": 0, "delta": None}]}, chunk(content="Hello"), STOP), "Hello"),
    "no choices at first": (raw({"choices": []}, chunk(content="Hello"), STOP), "Hello"),
    "content null": (raw(chunk(role="assistant", content=None), chunk(content="Hello"), STOP), "Hello"),
    "a list of parts": (raw(chunk(content=[{"type": "text", "text": "Hello"}]), STOP), "Hello"),
    "usage instead of an end": (raw(chunk(content="Hello"), {"choices": [], "usage": USAGE}), "Hello"),
    "a whole message as the only event": (raw(WHOLE), "Hello"),
    "half a character": (
        raw(*(f'data: {{"choices": [{{"delta": {{"content": "{half}"}}}}]}}' for half in HALVES), STOP),
        "Hello \U0001f600",
    ),
    "broken behind the end": (raw(chunk("stop", content="Hello"), "data: {not json"), "Hello"),
    "nothing": (raw(STOP), "(no text)"),
}


@pytest.mark.parametrize(("answer", "text"), ANSWERED.values(), ids=ANSWERED)
async def test_a_quirk_is_not_seen_by_whoever_asked(stage: Stage, answer: Reply, text: str) -> None:
    await stage.agent()
    await stage.model.load(answer)
    async with stage.running(pace=FAST_TRIES):
        assert await stage.ask("hello") == text
    (_, record) = await stage.records()
    assert record["content"] == ("" if text == "(no text)" else text)
    if record["content"]:
        assert shown_text(await stage.events(), f"{record['run']}/1") == text


def call(**fields: Any) -> Reply:
    return raw(chunk(tool_calls=[fields]), chunk("tool_calls"))


CALLS: dict[str, Reply] = {
    "in pieces": {"toolCalls": [{"name": "double", "arguments": {"number": 4}}], "chunkSize": 2},
    "no id": {"toolCalls": [{"name": "double", "arguments": {"number": 4}, "id": ""}]},
    "finish_reason stop": {
        "toolCalls": [{"name": "double", "arguments": {"number": 4}}],
        "finishReason": "stop",
    },
    "thoughts before it": {"toolCalls": [{"name": "double", "arguments": {"number": 4}}], "reasoning": "Hm."},
    "whole in one chunk": call(index=0, id="a", function={"name": "double", "arguments": '{"number": 4}'}),
    "an object": call(index=0, id="a", function={"name": "double", "arguments": {"number": 4}}),
    "neither id nor index": call(function={"name": "double", "arguments": '{"number": 4}'}),
    "a gap in the indexes": call(index=3, id="a", function={"name": "double", "arguments": '{"number": 4}'}),
    "the old spelling": raw(
        chunk(function_call={"name": "double", "arguments": '{"number": 4}'}), chunk("function_call")
    ),
}


async def test_thoughts_are_kept_for_people_and_never_sent_back_to_the_model(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"reasoning": "A greeting, then.", "text": "Hello."}, {"text": "Bye."})
    async with stage.running(pace=FAST_TRIES):
        await stage.ask("Hello?")
        await stage.ask("Bye?")
    (first, *_) = [record for record in await stage.records() if record["role"] == "assistant"]
    assert (first["content"], first["reasoning"]) == ("Hello.", "A greeting, then.")
    (_, second) = await stage.model.requests()
    assert "Hello." in str(second["body"])
    assert "greeting" not in str(second["body"])


@pytest.mark.parametrize("answer", CALLS.values(), ids=CALLS)
async def test_a_call_is_carried_out_whatever_its_shape(stage: Stage, answer: Reply) -> None:
    @tool
    def double(number: int) -> int:
        """Double a number."""
        return number * 2

    await stage.agent()
    await stage.model.load(answer, {"text": "It is eight."})
    async with stage.running(tools=ToolRegistry(double), pace=FAST_TRIES):
        assert await stage.ask("What is twice four?") == "It is eight."
    assert [record["content"] for record in await stage.records() if record["role"] == "tool"] == ["8"]


async def test_arguments_that_are_not_json_are_told_to_the_model_and_the_person_gets_its_answer(
    stage: Stage,
) -> None:
    await stage.agent()
    await stage.model.load(
        {"toolCalls": [{"name": "send", "arguments": '{"to": '}]}, {"text": "I could not."}
    )
    async with stage.running(pace=FAST_TRIES):
        assert await stage.ask("Tell Bob.") == "I could not."
    (_, second) = await stage.model.requests()
    assert "not a JSON object" in second["body"]["messages"][-1]["content"]


PASSING: dict[str, tuple[Reply, str]] = {
    "busy": ({"fault": {"status": 429, "retryAfter": 0.05}}, "answered 429: Rate limit reached."),
    "busy until a date": (
        {"fault": {"status": 429, "retryAfter": "Wed, 25 Nov 2020 04:00:00 GMT"}},
        "answered 429: Rate limit reached.",
    ),
    "down": ({"fault": {"status": 503, "message": "overloaded"}}, "answered 503: overloaded"),
    "no message": ({"fault": {"status": 500}}, "answered 500: The server had an error."),
    "cut": ({"text": "half an answer", "cutAfter": 1}, "could not be read: Connection error.: peer closed"),
    "cut before the start": ({"text": "half", "cutAfter": 0}, "could not be read: Connection error."),
    "an error in the stream": (
        {"text": "half an answer", "error": {"after": 1, "message": "out of memory"}},
        "said: out of memory",
    ),
    "an error in the stream with a status": (
        {"text": "half an answer", "error": {"message": "too many", "code": 429}},
        "answered 429: too many",
    ),
    "an error in the stream as text": (raw({"error": "out of memory"}), "said: out of memory"),
    "an error in the stream as vLLM spells it": (
        raw({"object": "error", "message": "out of memory", "code": 500}),
        "answered 500: out of memory",
    ),
    "an error with HTTP 200": (
        {"garbage": '{"error": {"message": "out of memory"}}', "contentType": "application/json"},
        "said: out of memory",
    ),
    "nonsense as JSON": ({"garbage": "[1, 2]", "contentType": "application/json"}, "said: [1,2]"),
    "no JSON as JSON": ({"garbage": "{half", "contentType": "application/json"}, "sent something unreadable"),
    "a web page": (
        {"garbage": "<html>It works!</html>", "contentType": "text/html; charset=utf-8"},
        "sent a web page, no answer; check spec.model.baseUrl",
    ),
    "an event that is not JSON": (raw("data: {not json"), "sent something unreadable"),
    "an end without a reason": (
        raw(chunk(content="half"), "data: [DONE]"),
        "ended before the answer was complete",
    ),
    "nothing at all": ({"garbage": ""}, "ended before the answer was complete"),
    "finish_reason error": (
        raw(chunk("error", content="half")),
        "broke off the answer (finish_reason error)",
    ),
    "calls announced and not sent": (raw(chunk("tool_calls")), "announced tool calls and sent none"),
}


@pytest.mark.parametrize(("fault", "said"), PASSING.values(), ids=PASSING)
async def test_a_fault_that_passes_is_told_as_it_happens_and_the_answer_comes(
    stage: Stage, fault: Reply, said: str
) -> None:
    await stage.agent()
    await stage.model.load(fault, {"text": "here I am"})
    async with stage.running(pace=FAST_TRIES):
        assert await stage.ask("hello") == "here I am"
    events = await stage.events()
    (retry,) = [event["value"]["reason"] for event in events if custom("retry")(event)]
    assert said in retry
    (_, record) = await stage.records()
    assert shown_text(events, f"{record['run']}/1") == "here I am"


@pytest.mark.parametrize("name", ["down", "cut", "an error in the stream", "a web page", "nothing at all"])
async def test_a_fault_that_lasts_ends_in_a_reply_that_says_what_it_is(stage: Stage, name: str) -> None:
    fault, said = PASSING[name]
    await stage.agent(spec=stage.spec(turn_seconds=2))
    await stage.model.load(fault, repeat="last")
    async with stage.running(pace=FAST_TRIES):
        text = await stage.ask("hello")
    assert text.startswith("I stopped after 2 s (budget.turnSeconds): ")
    assert said in text


REFUSED: dict[str, tuple[Reply, str]] = {
    "a wrong key": (
        {"fault": {"status": 401}},
        "answered 401: Incorrect API key provided.; check the API key (spec.model.apiKeySecretRef)",
    ),
    "no money": (
        {"fault": {"status": 429, "code": "insufficient_quota", "message": "You exceeded your quota."}},
        "answered 429: You exceeded your quota.; check the account of the API key with the provider",
    ),
    "no such model": (
        {"fault": {"status": 404}},
        "answered 404: The model does not exist.; check spec.model",
    ),
    "a refusal in the stream": (
        {"text": "never", "error": {"message": "no such model", "code": 404}},
        "answered 404: no such model; check spec.model",
    ),
}


@pytest.mark.parametrize(("fault", "said"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_is_the_agents_error_with_what_to_do(stage: Stage, fault: Reply, said: str) -> None:
    await stage.agent()
    await stage.model.load(fault, repeat="last")
    async with stage.running(pace=FAST_TRIES):
        await stage.say("hello")
        view = await stage.becomes("error")
        assert view.message.endswith(said)
    (error,) = [event for event in await stage.events() if event["type"] == "RUN_ERROR"]
    assert error["message"] == view.message


async def test_a_fallback_answers_and_the_person_reads_why(stage: Stage) -> None:
    own = ModelSpec(
        name="own",
        base_url="http://127.0.0.1:1/v1",
        fallbacks=(FallbackSpec(name="spare", base_url=stage.model.base_url),),
    )
    await stage.agent(spec=stage.spec().model_copy(update={"model": own}))
    await stage.model.load({"match": {"model": "spare"}, "text": "the spare one here"}, repeat="last")
    async with stage.running(pace=FAST_TRIES):
        assert await stage.ask("hello") == "the spare one here"
        assert await stage.ask("again") == "the spare one here"
    told = [event["value"] for event in await stage.events() if custom("fallback")(event)]
    assert [each["model"] for each in told] == ["spare", "spare"]
    assert told[0]["reason"].startswith("the model server http://127.0.0.1:1/v1 could not be read: ")
    assert [record.get("model") for record in await stage.records()] == [None, "spare", None, "spare"]


async def test_an_answer_must_satisfy_the_schema_or_whoever_asked_gets_an_error(stage: Stage) -> None:
    schema = {"type": "object", "required": ["city"]}
    spec = stage.spec()
    model = (spec.model or ModelSpec()).model_copy(update={"response_schema": schema})
    await stage.agent(spec=spec.model_copy(update={"model": model}))
    await stage.model.load({"text": "Oslo."}, {"text": '{"city": "Oslo"}'}, {"text": "Oslo!"}, {"text": "{}"})
    async with stage.running(pace=FAST_TRIES):
        assert await stage.ask("Where?") == '{"city": "Oslo"}'
        mid = await stage.say("And now?")
        endings: list[Ending] = []

        async def ended() -> bool:
            with contextlib.suppress(TypeError):
                endings.append(await reply(stage.bus, mid))  # type: ignore[arg-type]
            return endings[-1] is not None

        await until(ended)
    assert endings[-1].error == (
        "the model's answer does not satisfy spec.model.responseSchema, also when asked anew: "
        "$: 'city' is a required property"
    )
    assert [record["content"] for record in await stage.records()][1] == '{"city": "Oslo"}'
