"""The budget of a day, in turns of a real runtime: it is exceeded by one call of the model at most."""

import signal

from horos_api.model_choice import ModelChoice
from horos_api.resources import Price
from horos_bus.control import Control
from horos_runtime.agent_config import StoredConfig
from horos_runtime.tool_registry import ToolRegistry, tool
from tests.runtime.stage import Stage, custom

NOON = 20_000 * 86_400 + 43_200.0
DAY = 86_400.0


@tool
def look() -> str:
    """Look."""
    return "nothing new"


def using(tokens: int, **reply: object) -> dict[str, object]:
    return {"usage": {"promptTokens": tokens, "completionTokens": 0}, **reply}


LOOK = {"toolCalls": [{"name": "look", "arguments": {}}]}


async def test_it_ends_a_turn_in_the_middle_and_whoever_asked_is_told_when_it_starts_anew(
    stage: Stage,
) -> None:
    await stage.agent(spec=stage.spec(tokens_per_day=100))
    await stage.model.load(using(60, **LOOK), using(60, **LOOK), using(60, text="never"))
    async with stage.running(tools=ToolRegistry(look), clock=lambda: NOON):
        why = await stage.refusal(await stage.say("look twice"))
    assert why == (
        "today's tokens are used up: 120 of 100 (budget.tokensPerDay); "
        "the next day begins at 2024-10-05T00:00:00Z"
    )
    assert len(await stage.model.requests()) == 2
    roles = [record["role"] for record in await stage.records()]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    told = await stage.shows(custom("budget"))
    assert (told["value"]["exhausted"], told["value"]["tokens"]) == ("tokens", 120)


async def test_at_midnight_the_count_begins_anew(stage: Stage) -> None:
    await stage.agent(spec=stage.spec(tokens_per_day=100))
    await stage.model.load(using(100, text="today"), using(100, text="tomorrow"))
    now = [NOON]
    async with stage.running(clock=lambda: now[0]):
        assert await stage.ask("one") == "today"
        assert "used up" in await stage.refusal(await stage.say("two"))
        now[0] += DAY
        assert await stage.ask("three") == "tomorrow"
        now[0] -= DAY
        assert "used up" in await stage.refusal(
            await stage.say("a clock that goes backwards gives nothing back")
        )
    assert len(await stage.model.requests()) == 2
    assert (await stage.view()).usage.today.tokens == 100


async def test_who_dies_in_the_middle_of_a_call_has_paid_for_it(stage: Stage) -> None:
    await stage.agent(spec=stage.spec(tokens_per_day=1))
    await stage.model.load({"chunks": ["half", {"text": " a word", "hold": True}]}, {"text": "a second call"})
    async with stage.process("ada") as first:
        mid = await stage.say("hello")
        await stage.shows(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
        first.send_signal(signal.SIGKILL)
        await first.wait()
    async with stage.running():
        assert "budget.tokensPerDay" in await stage.refusal(mid)
        assert "budget.tokensPerDay" in await stage.refusal(await stage.say("and again"))
    assert len(await stage.model.requests()) == 1


async def test_tries_that_break_off_count_against_it(stage: Stage) -> None:
    await stage.agent(spec=stage.spec(tokens_per_day=1))
    await stage.model.load({"chunks": ["half", " a word"], "cutAfter": 1}, {"text": "a second call"})
    async with stage.running():
        assert "budget.tokensPerDay" in await stage.refusal(await stage.say("hello"))
    assert len(await stage.model.requests()) == 1


async def test_money_is_counted_by_the_price_of_the_model_that_answered(stage: Stage) -> None:
    await stage.agent()
    spec = stage.spec()
    spec = spec.model_copy(update={"budget": spec.budget.model_copy(update={"cost_per_day": "0.5"})})
    assert spec.model is not None
    model = ModelChoice(
        name="scripted", base_url=spec.model.base_url, price=Price(prompt="2", completion="10")
    )
    config = StoredConfig(generation=9, spec=spec, models=(model,)).encoded()
    assert await Control(stage.bus).configure("ada", "uid-ada", 9, config) == "OK"
    await stage.model.load(using(300_000, text="dear"), {"text": "too dear"})
    async with stage.running(clock=lambda: NOON):
        assert await stage.ask("one") == "dear"
        why = await stage.refusal(await stage.say("two"))
    assert "0.6 of 0.5 (budget.costPerDay)" in why
    assert (await stage.view()).usage.cost == 600_000_000


async def test_a_model_that_is_down_costs_nothing(stage: Stage) -> None:
    await stage.agent(spec=stage.spec(tokens_per_day=100, turn_seconds=30))
    await stage.model.load({"fault": {"status": 503, "retryAfter": 60}})
    async with stage.running(clock=lambda: NOON):
        assert "answered 503" in await stage.ask("are you there?")
        assert (await stage.view()).usage.today.tokens == 0
        await stage.model.load(using(60, text="now I am"))
        assert await stage.ask("and now?") == "now I am"
    assert (await stage.view()).usage.today.tokens == 60
