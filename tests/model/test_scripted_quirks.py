"""The ways in which the scripted model behaves as real servers do, as bytes on the wire."""

import json
from typing import Any

import httpx2
import pytest

from tests.model_fixtures import ScriptedModel
from tests.runtime.stage import until

BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hello"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


async def stream(model: ScriptedModel) -> list[Any]:
    """Ask, and return the data of each event, decoded where it is JSON."""
    answer = await model.http.post("/v1/chat/completions", json=BODY)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [event.removeprefix("data: ") for event in answer.text.split("\n\n") if event]
    return [json.loads(event) if event.startswith("{") else event for event in events]


def deltas(events: list[Any], field: str) -> list[str]:
    found = [
        choice["delta"].get(field) for event in events if "choices" in event for choice in event["choices"]
    ]
    return [text for text in found if text]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_thoughts_come_first_in_the_field_that_was_chosen(scripted_model, name):
    await scripted_model.load({"reasoning": "Let me see.", "reasoningField": name, "text": "Fine."})
    events = await stream(scripted_model)
    assert deltas(events, name) == ["Let", " me", " see."]
    assert deltas(events, "content") == ["Fine."]
    answer = await scripted_model.http.post("/v1/chat/completions", json=BODY | {"stream": False})
    assert answer.status_code == 500, "the reply was used up"


async def test_thoughts_may_stand_in_tags(scripted_model):
    await scripted_model.load({"reasoning": "Let me see.", "reasoningField": "think", "text": "Fine."})
    assert "".join(deltas(await stream(scripted_model), "content")) == "<think>Let me see.</think>Fine."


async def test_a_whole_answer_has_its_thoughts_too(scripted_model):
    await scripted_model.load({"reasoning": "Let me see.", "text": "Fine.", "whole": True})
    answer = (await scripted_model.http.post("/v1/chat/completions", json=BODY)).json()
    assert answer["object"] == "chat.completion"
    message = answer["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Fine.", "Let me see.")


@pytest.mark.parametrize(
    ("where", "counts"), [("end", [0, 0, 0, 1]), ("last", [0, 0, 1]), ("every", [1, 1, 1])]
)
async def test_the_usage_is_told_where_the_script_says(scripted_model, where, counts):
    await scripted_model.load({"text": "Fine.", "usageIn": where})
    *events, done = await stream(scripted_model)
    assert done == "[DONE]"
    assert [int("usage" in event) for event in events] == counts


async def test_an_error_comes_as_data_and_ends_the_stream(scripted_model):
    error = {"after": 1, "message": "out of memory", "code": 503}
    await scripted_model.load({"text": "one two", "error": error})
    events = await stream(scripted_model)
    assert deltas(events, "content") == ["one"]
    assert events[-1] == {"error": {"message": "out of memory", "code": 503}}
    assert (await scripted_model.requests(ended=1))[0]["outcome"] == "complete"


async def test_raw_events_are_all_that_is_sent(scripted_model):
    await scripted_model.load({"raw": [": ping", {"choices": None}, "data: [DONE]"]})
    assert await stream(scripted_model) == [": ping", {"choices": None}, "[DONE]"]


async def test_the_end_may_be_left_out(scripted_model):
    await scripted_model.load({"text": "Fine.", "done": False})
    assert "[DONE]" not in await stream(scripted_model)


async def test_garbage_may_say_what_it_is(scripted_model):
    await scripted_model.load({"garbage": "<html></html>", "contentType": "text/html"})
    answer = await scripted_model.http.post("/v1/chat/completions", json=BODY)
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("after", "header"),
    [(2, "2"), (0.5, "0.5"), ("Wed, 25 Nov 2026 04:00:00 GMT", "Wed, 25 Nov 2026 04:00:00 GMT")],
)
async def test_retry_after_is_seconds_or_any_text(scripted_model, after, header):
    await scripted_model.load({"fault": {"status": 429, "retryAfter": after}})
    answer = await scripted_model.http.post("/v1/chat/completions", json=BODY)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, header)


async def test_nothing_is_sent_before_a_held_start_is_let_go(scripted_model):
    await scripted_model.load({"text": "Fine.", "holdStart": True}, {"text": "Never.", "holdStart": True})
    request = scripted_model.http.build_request("POST", "/v1/chat/completions", json=BODY, timeout=0.2)
    with pytest.raises(httpx2.ReadTimeout):
        await scripted_model.http.send(request, stream=True)
    assert (await scripted_model.requests(ended=1))[0]["outcome"] == "left"
    await scripted_model.step()
    assert deltas(await stream(scripted_model), "content") == ["Never."]


async def test_a_held_end_keeps_the_connection_open_behind_the_answer(scripted_model):
    await scripted_model.load({"raw": [{"choices": []}], "holdEnd": True})
    async with scripted_model.http.stream("POST", "/v1/chat/completions", json=BODY) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == 'data: {"choices": []}'
        assert (await scripted_model.requests(held=1))[0]["outcome"] == "open"

    async def left() -> bool:
        return (await scripted_model.requests())[0]["outcome"] == "left"

    await until(left)


async def test_requests_tell_which_connection_they_came_over(scripted_model):
    await scripted_model.load({"text": "a"}, repeat="last")
    async with httpx2.AsyncClient(base_url=scripted_model.address, verify=False) as other:
        await other.post("/v1/chat/completions", json=BODY)
        await other.post("/v1/chat/completions", json=BODY)
    await scripted_model.http.post("/v1/chat/completions", json=BODY)
    first, second, third = (request["client"] for request in await scripted_model.requests())
    assert first == second != third
