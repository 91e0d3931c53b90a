"""A round against the scripted server: fallbacks, budgets, schemas, one pool, and cancelling."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from horos_runtime.model_errors import (
    BudgetExhaustedError,
    ContextLengthError,
    ModelRefusedError,
    OutOfTimeError,
    UnfitAnswerError,
)
from horos_runtime.model_round import CLEANED
from horos_runtime.stream_assembly import CUT_OFF
from tests.model_fixtures import ScriptedModel
from tests.runtime.round_stage import HELLO, Rounds, rounds_on
from tests.runtime.stage import shown_text
from tests.runtime.stream_stage import seen

BUSY = {"status": 429, "message": "busy", "retryAfter": 60}
TOO_LONG = {"status": 400, "code": "context_length_exceeded"}
CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def of(model: str, **reply: Any) -> dict[str, Any]:
    return {"match": {"model": model}, **reply}


@pytest.fixture
async def rounds(scripted_model: ScriptedModel) -> AsyncIterator[Rounds]:
    async with rounds_on(scripted_model) as found:
        yield found


async def models_asked(rounds: Rounds) -> list[str]:
    return [request["body"]["model"] for request in await rounds.model.requests()]


async def test_a_fallback_answers_for_a_model_that_stays_down_and_says_its_name(rounds: Rounds) -> None:
    await rounds.model.load(
        of("own", fault={"status": 503, "message": "down"}), of("other", text="hi"), repeat="last"
    )
    step = await rounds.ask("own", "other")
    assert (step.text, step.model) == ("hi", "other")
    assert step.record("t", "me")["model"] == "other"
    assert await models_asked(rounds) == ["own", "own", "own", "other"]
    (told,) = rounds.named("fallback")
    assert told["model"] == "other"
    assert told["reason"].endswith("/v1 answered 503: down")
    assert len(rounds.named("retry")) == 2


async def test_the_own_model_leaves_no_name_in_the_record(rounds: Rounds) -> None:
    await rounds.model.load({"text": "hi"})
    step = await rounds.ask("own", "other")
    assert step.model == ""
    assert "model" not in step.record("t", "me")


async def test_the_next_round_asks_the_fallback_at_once_and_does_not_wait_again(rounds: Rounds) -> None:
    await rounds.model.load(of("own", fault=BUSY), of("other", text="hi"), repeat="last")
    await rounds.ask("own", "other")
    await rounds.ask("own", "other")
    assert await models_asked(rounds) == ["own", "other", "other"]
    assert [told["model"] for told in rounds.named("fallback")] == ["other", "other"]
    assert not rounds.named("retry")


@pytest.mark.parametrize("status", [401, 402, 403, 404])
async def test_a_refusal_is_not_tried_twice_when_a_fallback_answers(rounds: Rounds, status: int) -> None:
    await rounds.model.load(of("own", fault={"status": status}), of("other", text="hi"))
    assert (await rounds.ask("own", "other")).text == "hi"
    assert await models_asked(rounds) == ["own", "other"]
    assert (rounds.budget.given_back, len(rounds.budget.used)) == (1, 1)


async def test_when_all_refuse_the_first_refusal_is_the_error(rounds: Rounds) -> None:
    await rounds.model.load(
        of("own", fault={"status": 404, "message": "own?"}), of("other", fault={"status": 401})
    )
    with pytest.raises(ModelRefusedError, match=r"answered 404: own\?; check spec\.model"):
        await rounds.ask("own", "other")


async def test_a_stream_that_breaks_again_and_again_is_left_and_taken_back(rounds: Rounds) -> None:
    await rounds.model.load(
        of("own", text="half an", cutAfter=1), of("other", text="a whole answer"), repeat="last"
    )
    step = await rounds.ask("own", "other")
    assert step.text == "a whole answer"
    assert shown_text(rounds.events, "t/1") == "a whole answer"
    assert len(rounds.named("discard")) == 3


async def test_a_fallback_is_not_asked_what_does_not_fit_into_its_window(rounds: Rounds) -> None:
    small = rounds.choice("small", context_window_tokens=100, max_output_tokens=50)
    question = rounds.question(models=[rounds.choice("own"), small])
    await rounds.model.load({"match": {"model": "own"}, "fault": {"status": 500}}, repeat="last")
    long = replace(question, messages=[{"role": "user", "content": "word " * 100}])
    with pytest.raises(ContextLengthError, match="too many for the model small, which takes 50 ") as raised:
        await rounds.round.ask(long)
    assert raised.value.model == small
    assert set(await models_asked(rounds)) == {"own"}
    assert rounds.named("fallback") == []
    assert {name for name, _ in rounds.budget.asked} == {"own"}, "nobody pays for what is not asked"
    await rounds.model.load({"match": {"model": "small"}, "text": "it fits"})
    assert (await rounds.round.ask(replace(question, factor=2.0))).text == "it fits"
    with pytest.raises(ContextLengthError):
        await rounds.round.ask(replace(question, factor=10.0))


async def test_a_model_that_falls_silent_is_left_for_its_fallback(scripted_model: ScriptedModel) -> None:
    await scripted_model.load(
        of("own", chunks=["half ", {"text": "of", "hold": True}]), of("other", text="hi")
    )
    async with rounds_on(scripted_model, silence_seconds=1.0) as rounds:
        assert (await rounds.ask("own", "other")).text == "hi"
        assert await models_asked(rounds) == ["own", "other"]
        (told,) = rounds.named("fallback")
        assert told["reason"].endswith("/v1 could not be read: Request timed out.")
        assert len(rounds.budget.used) == 2


async def test_what_is_too_long_is_offered_to_a_larger_window_before_it_is_sent_back(rounds: Rounds) -> None:
    await rounds.model.load(of("own", fault=TOO_LONG), of("large", text="it fits"), repeat="last")
    models = [
        rounds.choice("own", context_window_tokens=8000),
        rounds.choice("small", context_window_tokens=8000),
        rounds.choice("large", context_window_tokens=64000),
    ]
    assert (await rounds.ask(models=models)).text == "it fits"
    assert await models_asked(rounds) == ["own", "large"]
    with pytest.raises(ContextLengthError):
        await rounds.ask(models=models[:2])


async def test_each_model_is_asked_with_its_own_key_over_one_pool(scripted_model: ScriptedModel) -> None:
    await scripted_model.load(
        {"match": {"key": "key-of-own"}, "fault": {"status": 404}},
        {"match": {"key": "none"}, "fault": {"status": 404}},
        {"match": {"key": "key-of-third"}, "text": "hi"},
        repeat="last",
    )
    keys = {"HOROS_MODEL_API_KEY": "key-of-own", "HOROS_MODEL_API_KEY_2": "key-of-third"}
    async with rounds_on(scripted_model, keys) as rounds:
        models = [
            rounds.choice("own"),
            rounds.choice("second", key_variable="HOROS_MODEL_API_KEY_1"),
            rounds.choice("third", key_variable="HOROS_MODEL_API_KEY_2"),
        ]
        assert (await rounds.ask(models=models)).text == "hi"
        assert [request["key"] for request in await scripted_model.requests()] == [
            "key-of-own",
            "none",
            "key-of-third",
        ]
        await rounds.ask(models=models)
    clients = {request["client"] for request in await scripted_model.requests()}
    assert len(clients) == 1, "every request came over the same connection"


async def test_every_try_is_allowed_first_and_counted_after(rounds: Rounds) -> None:
    usage = {"promptTokens": 50, "completionTokens": 4}
    await rounds.model.load(
        of("own", fault=BUSY),
        of("other", chunks=["half ", "of it"], cutAfter=1),
        of("other", text="whole", usage=usage),
    )
    step = await rounds.ask("own", "other")
    assert [name for name, _ in rounds.budget.asked] == ["own", "other", "other"]
    assert min(tokens for _, tokens in rounds.budget.asked) > 0
    (cut, cut_usage), (whole, whole_usage) = rounds.budget.used
    assert (cut, whole) == ("other", "other")
    assert cut_usage == {"prompt": rounds.budget.asked[0][1], "completion": 2, "estimated": True}
    assert whole_usage == step.usage == {"prompt": 50, "completion": 4}


async def test_a_budget_that_is_used_up_stops_the_retries(rounds: Rounds) -> None:
    await rounds.model.load({"fault": {"status": 500}}, repeat="last")
    rounds.budget.calls = 2
    with pytest.raises(BudgetExhaustedError, match="all is spent until tomorrow"):
        await rounds.ask()
    assert len(await rounds.model.requests()) == 2
    assert rounds.budget.used == [], "a refusal costs nothing"


async def test_a_server_that_never_tells_the_usage_is_estimated(rounds: Rounds) -> None:
    await rounds.model.load({"text": "abcdefgh", "usage": "none"})
    step = await rounds.ask(messages=[{"role": "user", "content": "x" * 400}])
    assert step.usage == {"prompt": 138, "completion": 3, "estimated": True}


async def test_cancelling_in_the_middle_of_a_stream_closes_the_connection_and_counts_it(
    rounds: Rounds,
) -> None:
    await rounds.model.load({"chunks": ["One ", {"text": "two", "hold": True}]})
    asking = asyncio.create_task(rounds.ask())
    await rounds.shows("One ")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await rounds.ends_with("left"))["sent"] == 1
    (used,) = rounds.budget.used
    assert used[1].get("estimated")
    await rounds.publisher.flush()
    assert rounds.named("discard") == [{"messageId": "t/1"}]


async def test_cancelling_before_the_first_byte_closes_the_connection_and_counts_the_prompt(
    rounds: Rounds,
) -> None:
    await rounds.model.load({"text": "never", "holdStart": True})
    asking = asyncio.create_task(rounds.ask())
    await rounds.model.requests(held=1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await rounds.ends_with("left"))["sent"] == 0
    ((_, usage),) = rounds.budget.used
    assert usage == {"prompt": rounds.budget.asked[0][1], "completion": 0, "estimated": True}


async def test_the_time_of_the_turn_ends_a_stream_too(rounds: Rounds) -> None:
    await rounds.model.load({"text": "hi"}, {"text": "never", "hold": True})
    await rounds.ask()
    with pytest.raises(OutOfTimeError, match="the model had not answered"):
        await rounds.ask(seconds=0.5)
    await rounds.ends_with("left", requests=2)


async def test_a_complete_answer_does_not_wait_for_a_connection_that_stays_open(rounds: Rounds) -> None:
    answer = {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}
    await rounds.model.load({"raw": [answer, ": keep-alive"], "holdEnd": True})
    assert (await rounds.ask()).text == "hi"
    await rounds.ends_with("left")


async def test_a_quiet_question_shows_nothing(rounds: Rounds) -> None:
    await rounds.model.load(
        {"text": "half", "cutAfter": 1}, {"fault": {"status": 500}}, {"reasoning": "Hm.", "text": "hi"}
    )
    assert (await rounds.ask(quiet=True)).text == "hi"
    assert rounds.events == []
    assert len(rounds.budget.used) == 2


@pytest.mark.parametrize("spelling", ["reasoning_content", "reasoning", "think"])
async def test_thoughts_are_shown_beside_the_text_and_kept_out_of_it(rounds: Rounds, spelling: str) -> None:
    await rounds.model.load({"reasoning": "Let me see.", "reasoningField": spelling, "text": "It is fine."})
    step = await rounds.ask()
    assert step.text == "It is fine."
    assert seen(rounds.events) == [("reasoning", "t/1/r1", "Let me see."), ("text", "t/1", "It is fine.")]


async def test_an_answer_that_fits_its_schema_is_kept_as_bare_json(rounds: Rounds) -> None:
    await rounds.model.load({"text": '```json\n{"city": "Oslo"}\n```'}, {"text": '{"city": "Bergen"}'})
    assert (await rounds.ask(response_schema=CITY)).text == '{"city": "Oslo"}'
    assert shown_text(rounds.events, "t/1") == '{"city": "Oslo"}'
    assert rounds.named("discard") == [{"messageId": "t/1", "reason": CLEANED}]
    assert (await rounds.ask(response_schema=CITY)).text == '{"city": "Bergen"}'
    (first, _) = await rounds.model.requests()
    assert first["body"]["response_format"]["json_schema"]["schema"] == CITY


async def test_an_answer_that_does_not_fit_is_repaired_once(rounds: Rounds) -> None:
    await rounds.model.load({"text": "It is Oslo."}, {"text": '{"city": "Oslo"}'})
    assert (await rounds.ask(response_schema=CITY)).text == '{"city": "Oslo"}'
    assert shown_text(rounds.events, "t/1") == '{"city": "Oslo"}'
    (_, repair) = await rounds.model.requests()
    *before, wrong, hint = repair["body"]["messages"]
    assert (before, wrong) == (HELLO, {"role": "assistant", "content": "It is Oslo."})
    assert hint["content"].startswith("Your answer cannot be used: it is not JSON (Expecting value")
    assert '"required":["city"]' in hint["content"]
    assert len(rounds.budget.used) == 2
    (told,) = rounds.named("repair")
    assert told["reason"].startswith("it is not JSON")


async def test_an_answer_that_does_not_fit_twice_is_an_error_that_says_why(rounds: Rounds) -> None:
    await rounds.model.load({"text": "It is Oslo."}, {"text": '{"city": 5}'})
    with pytest.raises(UnfitAnswerError) as unfit:
        await rounds.ask(response_schema=CITY)
    assert str(unfit.value) == (
        "the model's answer does not satisfy spec.model.responseSchema, also when asked anew: "
        "$.city: 5 is not of type 'string'"
    )
    assert shown_text(rounds.events, "t/1") == ""


async def test_an_answer_that_was_cut_is_told_so(rounds: Rounds) -> None:
    await rounds.model.load({"text": '{"city": "Os', "finishReason": "length"}, {"text": '{"city": "Oslo"}'})
    await rounds.ask(response_schema=CITY)
    (_, repair) = await rounds.model.requests()
    assert "it was cut off at the most tokens you may write" in repair["body"]["messages"][-1]["content"]


async def test_a_step_that_calls_tools_is_not_checked(rounds: Rounds) -> None:
    await rounds.model.load({"text": "Let me look.", "toolCalls": [{"name": "look"}]})
    step = await rounds.ask(response_schema=CITY)
    assert (step.text, len(step.tool_calls)) == ("Let me look.", 1)


async def test_a_server_that_knows_no_schema_gets_it_in_the_instructions_and_is_not_asked_again(
    rounds: Rounds,
) -> None:
    fault = {"status": 400, "message": "response_format of type json_schema is not supported"}
    await rounds.model.load({"fault": fault}, {"text": '{"city": "Oslo"}'}, {"text": '{"city": "Bergen"}'})
    assert (await rounds.ask(response_schema=CITY)).text == '{"city": "Oslo"}'
    assert (await rounds.ask(response_schema=CITY)).text == '{"city": "Bergen"}'
    bodies = [request["body"] for request in await rounds.model.requests()]
    assert ["response_format" in body for body in bodies] == [True, False, False]
    assert bodies[1]["messages"][0]["content"].startswith(
        "Your final answer, the one in which you call no tool"
    )
    assert not rounds.named("retry")


async def test_a_refusal_that_nothing_helps_is_asked_once(rounds: Rounds) -> None:
    fault = {"status": 400, "message": "stream_options: unknown field"}
    await rounds.model.load({"fault": fault}, repeat="last")
    with pytest.raises(ModelRefusedError, match="stream_options: unknown field"):
        await rounds.ask()
    assert len(await rounds.model.requests()) == 2


async def test_a_schema_that_is_none_is_an_error_before_anybody_is_asked(rounds: Rounds) -> None:
    with pytest.raises(ModelRefusedError, match=r"spec\.model\.responseSchema: \$\.type: "):
        await rounds.ask(response_schema={"type": "text"})
    assert await rounds.model.requests() == []


async def test_a_call_that_was_cut_off_is_not_carried_out_and_the_model_is_told(rounds: Rounds) -> None:
    await rounds.model.load(
        {"toolCalls": [{"name": "write", "arguments": '{"text": "long'}], "finishReason": "length"},
        {"toolCalls": [{"name": "write", "arguments": {"text": "short"}}]},
    )
    step = await rounds.ask()
    assert [call["function"]["arguments"] for call in step.tool_calls] == ['{"text": "short"}']
    (_, again) = await rounds.model.requests()
    assert "inside the arguments of a call of write" in again["body"]["messages"][-1]["content"]


async def test_a_text_that_was_cut_off_says_so(rounds: Rounds) -> None:
    await rounds.model.load({"text": "Once upon a", "finishReason": "length"})
    assert (await rounds.ask()).text == f"Once upon a\n\n{CUT_OFF}"
    assert shown_text(rounds.events, "t/1") == f"Once upon a\n\n{CUT_OFF}"
