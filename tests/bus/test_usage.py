"""What model calls use: counted once by append and commit, reserved by charge, limited by the day."""

from contextlib import aclosing
from typing import Any

import pytest

from horos_api.budgets import day_of
from horos_bus.connection import Bus, BusUnavailableError
from horos_bus.message_service import MessageService
from horos_bus.records import Charge, Charged, DayUsage, Ending, FencedError, LostError, Turn, Usage
from tests.bus.stage import Stage, answer, record, turn_of, user
from tests.redis_fixtures import RedisProcess, fresh_prefix

DAY = 20_000


async def opened(stage: Stage) -> tuple[MessageService, Turn]:
    """Let ada have a turn open."""
    runtime = await stage.resident()
    await stage.say("m1")
    return runtime, turn_of(await runtime.all_unread())


async def heir_of(stage: Stage) -> tuple[MessageService, Turn]:
    """Let another process claim ada, as if the one before had died."""
    heir = stage.runtime()
    await heir.claim(None, max_attempts=99)
    return heir, turn_of(await heir.all_unread())


async def today(stage: Stage) -> DayUsage:
    """Read the day's counters."""
    view = await stage.control.view("ada")
    assert view is not None
    return view.usage.today


async def totals(stage: Stage) -> tuple[int, int, int]:
    """Read what ada used in her life."""
    view = await stage.control.view("ada")
    assert view is not None
    return view.usage.prompt_tokens, view.usage.completion_tokens, view.usage.cost


async def budget_events(stage: Stage) -> list[Any]:
    return [event["value"] for event in await stage.events() if event.get("name") == "budget"]


async def step(runtime: MessageService, turn: Turn, used: Usage, ix: int = 0, day: int = DAY) -> None:
    """Append one step that used so much."""
    await runtime.append(turn.id, ix, [record("assistant", "")], usage=used, day=day)


async def test_each_append_and_commit_counts_what_it_is_told(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    await step(runtime, turn, Usage(10, 2, 700))
    await step(runtime, turn, Usage(5, 1, 300), ix=1)
    await runtime.commit(turn.id, 2, [*map(user, turn.inputs)], Ending(), Usage(1, 1, 1), day=DAY)
    assert await totals(stage) == (16, 4, 1001)
    assert await today(stage) == DayUsage(DAY, 20, 1001)


async def test_a_step_that_is_appended_again_is_counted_once(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    for _ in range(2):
        await step(runtime, turn, Usage(10, 2, 700))
    assert await totals(stage) == (10, 2, 700)
    assert await today(stage) == DayUsage(DAY, 12, 700)


async def test_what_a_buried_turn_used_counts_too(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    await runtime.append(turn.id, 0, [*map(user, turn.inputs)], usage=Usage(10, 2, 700), day=DAY)
    await stage.runtime().claim(None, max_attempts=1)
    assert len(await stage.control.dead_letters("ada")) == 1
    assert await totals(stage) == (10, 2, 700)


async def test_without_a_day_usage_counts_today(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    seconds, _ = await stage.bus.command("TIME")
    await answer(runtime, turn, usage=Usage(1, 1))
    assert (await today(stage)).day - day_of(int(seconds)) in (0, 1)


@pytest.mark.parametrize(("seconds", "day"), [(0, 0), (86_399.9, 0), (86_400, 1), (1_728_000_000, 20_000)])
def test_a_day_begins_at_midnight_utc(seconds: float, day: int) -> None:
    assert day_of(seconds) == day


async def test_money_is_counted_exactly(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    much = 4_321_098_765_432_101
    await runtime.charge(turn.id, Charge(DAY, 1, much))
    assert (await today(stage)).cost == much
    await runtime.commit(turn.id, 0, [*map(user, turn.inputs)], Ending(), Usage(1, 0, much + 1), day=DAY)
    assert await totals(stage) == (1, 0, much + 1)
    told = [event["value"] for event in await stage.events() if event.get("name") == "usage"]
    assert (told[0]["costNano"], told[0]["today"]["costNano"]) == (much + 1, much + 1)


async def test_a_charge_is_replaced_by_what_the_call_used(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    assert await runtime.charge(turn.id, Charge(DAY, 100, 5000)) == Charged("", DAY, 100, 5000)
    assert await today(stage) == DayUsage(DAY, 100, 5000)
    assert await totals(stage) == (0, 0, 0)
    await step(runtime, turn, Usage(30, 3, 1500))
    assert await today(stage) == DayUsage(DAY, 33, 1500)
    assert await runtime.charge(turn.id, Charge(DAY, 100, 5000)) == Charged("", DAY, 133, 6500)
    closing = [*map(user, turn.inputs)]
    await runtime.commit(turn.id, 1, closing, Ending(), Usage(200, 20, 9000), day=DAY)
    assert await today(stage) == DayUsage(DAY, 253, 10_500)


async def test_a_charge_is_taken_once_also_when_its_repeat_comes_late(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    words = ("ada", "me", turn.id, 1, DAY, 100, 0, "", "", 0, 0, 0)
    heir = stage.runtime(token="me")
    await heir.claim(None)
    once = await stage.bus.call("charge", words)
    assert await stage.bus.call("charge", words) == once == [b"OK", b"", 100, 0, DAY]
    await step(heir, turn, Usage(30, 3))
    assert await stage.bus.call("charge", words) == [b"OK", b"", 33, 0, DAY]
    assert await today(stage) == DayUsage(DAY, 33, 0)
    with pytest.raises(FencedError):
        await runtime.charge(turn.id, Charge(DAY, 1, 1))


async def test_a_try_that_broke_off_is_counted_with_the_charge_of_the_next(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    await runtime.charge(turn.id, Charge(DAY, 100, 0, tokens_limit=50))
    again = Charge(DAY, 100, 0, tokens_limit=50, used=Usage(30, 3, 7))
    assert await runtime.charge(turn.id, again) == Charged("", DAY, 133, 7)
    assert await totals(stage) == (30, 3, 7)
    once_more = Charge(DAY, 100, 0, tokens_limit=50, used=Usage(30, 3, 7))
    assert await runtime.charge(turn.id, once_more) == Charged("tokens", DAY, 66, 14)
    assert await totals(stage) == (60, 6, 14)


async def test_what_a_refused_charge_tells_is_counted_once(stage: Stage) -> None:
    _, turn = await opened(stage)
    await stage.runtime(token="me").claim(None)
    words = ("ada", "me", turn.id, 1, DAY, 100, 0, 20, "", 30, 3, 7)
    for _ in range(2):
        assert await stage.bus.call("charge", words) == [b"EXHAUSTED", b"tokens", 33, 7, DAY]
    assert await totals(stage) == (30, 3, 7)


class LosesOneCharge(Bus):
    """A connection that breaks for long, right after the first `charge` was carried out."""

    broken = False

    async def call(self, script: str, args: Any) -> Any:
        answered = await super().call(script, args)
        if script == "charge" and not self.broken:
            self.broken = True
            raise BusUnavailableError("the connection broke")
        return answered


async def test_a_charge_whose_fate_is_unknown_is_not_taken_again(redis_server: RedisProcess) -> None:
    async with aclosing(LosesOneCharge.open(redis_server.url, fresh_prefix())) as bus:
        stage = Stage(bus)
        runtime, turn = await opened(stage)
        charge = Charge(DAY, 100, 0)
        with pytest.raises(BusUnavailableError):
            await runtime.charge(turn.id, charge)
        assert await runtime.charge(turn.id, charge) == Charged("", DAY, 100, 0)
        await step(runtime, turn, Usage(7, 0))
        assert await runtime.charge(turn.id, charge) == Charged("", DAY, 107, 0)


@pytest.mark.parametrize(
    ("charge", "reached", "limit"),
    [
        (Charge(DAY, 1, 1, tokens_limit=33), "tokens", 33),
        (Charge(DAY, 1, 1, cost_limit=1500), "cost", 1500),
        (Charge(DAY, 1, 1, tokens_limit=10, cost_limit=1), "tokens", 10),
        (Charge(DAY, 1, 1, tokens_limit=10**12, cost_limit=1), "cost", 1),
    ],
)
async def test_a_limit_that_is_reached_refuses_and_reserves_nothing(
    stage: Stage, charge: Charge, reached: str, limit: int
) -> None:
    runtime, turn = await opened(stage)
    await step(runtime, turn, Usage(30, 3, 1500))
    await stage.control.dirty()
    charged = await runtime.charge(turn.id, charge)
    assert (charged.exhausted, charged.day, charged.day_tokens, charged.day_cost) == (reached, DAY, 33, 1500)
    assert await today(stage) == DayUsage(DAY, 33, 1500)
    assert await budget_events(stage) == [
        {
            "exhausted": reached,
            "limit": limit,
            "day": DAY,
            "tokens": 33,
            "costNano": 1500,
            "resets": (DAY + 1) * 86_400,
        }
    ]
    assert await stage.control.dirty() == ["ada"]


async def test_a_limit_is_reached_by_the_last_unit_and_not_before(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    await step(runtime, turn, Usage(30, 3, 1500))
    charged = await runtime.charge(turn.id, Charge(DAY, 1000, 10**6, tokens_limit=34, cost_limit=1501))
    assert charged == Charged("", DAY, 1033, 1_001_500)


async def test_that_a_budget_is_used_up_is_told_once_for_each_day_and_limit(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    await step(runtime, turn, Usage(30, 0))
    for limit in (30, 30, 20, 20):
        await runtime.charge(turn.id, Charge(DAY, 1, 0, tokens_limit=limit))
    await step(runtime, turn, Usage(30, 0), ix=1, day=DAY + 1)
    for _ in range(2):
        await runtime.charge(turn.id, Charge(DAY + 1, 1, 0, tokens_limit=20))
    told = [(value["day"] - DAY, value["limit"]) for value in await budget_events(stage)]
    assert told == [(0, 30), (0, 20), (1, 20)]


async def test_a_new_day_begins_with_nothing_used(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    await step(runtime, turn, Usage(30, 3, 1500))
    limited = Charge(DAY + 1, 5, 50, tokens_limit=33, cost_limit=1500)
    assert await runtime.charge(turn.id, limited) == Charged("", DAY + 1, 5, 50)
    await step(runtime, turn, Usage(1, 1, 9), ix=1, day=DAY + 1)
    assert await today(stage) == DayUsage(DAY + 1, 2, 9)
    assert await totals(stage) == (31, 4, 1509)


async def test_a_clock_that_lags_does_not_bring_yesterday_back(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    await step(runtime, turn, Usage(30, 3, 1500))
    limited = Charge(DAY - 1, 5, 50, tokens_limit=33)
    assert await runtime.charge(turn.id, limited) == Charged("tokens", DAY, 33, 1500)
    await step(runtime, turn, Usage(1, 1, 9), ix=1, day=DAY - 1)
    assert await today(stage) == DayUsage(DAY, 35, 1509)


async def test_what_was_reserved_yesterday_is_not_given_back_today(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    await runtime.charge(turn.id, Charge(DAY, 100, 5000))
    await step(runtime, turn, Usage(30, 3, 1500), day=DAY + 1)
    assert await today(stage) == DayUsage(DAY + 1, 33, 1500)
    await runtime.charge(turn.id, Charge(DAY + 1, 10, 10))
    await runtime.charge(turn.id, Charge(DAY + 2, 20, 20))
    assert await today(stage) == DayUsage(DAY + 2, 20, 20)


async def test_what_a_dead_process_had_reserved_stays_charged(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    await runtime.charge(turn.id, Charge(DAY, 100, 5000))
    heir, turn = await heir_of(stage)
    await step(heir, turn, Usage(30, 3, 1500))
    assert await today(stage) == DayUsage(DAY, 133, 6500)
    assert await heir.charge(turn.id, Charge(DAY, 1, 1)) == Charged("", DAY, 134, 6501)


async def test_a_crash_loop_cannot_spend_without_end(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    calls = 0
    while not (await runtime.charge(turn.id, Charge(DAY, 100, 0, tokens_limit=350))).exhausted:
        calls += 1
        assert calls < 10
        runtime, turn = await heir_of(stage)
    assert calls == 4


async def test_a_call_whose_usage_nobody_knows_stays_charged(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    for ix in range(2):
        await runtime.charge(turn.id, Charge(DAY, 100, 5000))
        await step(runtime, turn, Usage(), ix=ix)
    assert await today(stage) == DayUsage(DAY, 200, 10_000)
    await runtime.charge(turn.id, Charge(DAY, 0, 7))
    await runtime.commit(turn.id, 2, [*map(user, turn.inputs)], Ending(), day=DAY)
    await stage.say("m2")
    turn = turn_of(await runtime.all_unread())
    await step(runtime, turn, Usage(1, 0, 1), ix=turn.base)
    assert await today(stage) == DayUsage(DAY, 201, 10_008)


async def test_a_call_that_came_to_nothing_is_taken_back_by_the_next_charge(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    for tokens in (100, 60, 80):
        assert await runtime.charge(turn.id, Charge(DAY, tokens, tokens, tokens_limit=50)) == Charged(
            "", DAY, tokens, tokens
        )
    await runtime.charge(turn.id, Charge(DAY, 0, 0))
    assert await today(stage) == DayUsage(DAY, 0, 0)


async def test_a_charge_of_a_turn_that_is_not_open_is_lost(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    with pytest.raises(LostError):
        await runtime.charge("1-1", Charge(DAY, 1, 1))
    await answer(runtime, turn)
    with pytest.raises(LostError):
        await runtime.charge(turn.id, Charge(DAY, 1, 1))
    assert await today(stage) == DayUsage()


async def test_a_step_without_usage_writes_nothing_about_it(stage: Stage) -> None:
    runtime, turn = await opened(stage)
    await answer(runtime, turn)
    fields = await stage.bus.command("HKEYS", stage.bus.keys.state("ada"))
    assert not {b"day", b"cost", b"reserved_tokens"} & set(fields)


def test_usage_adds_up() -> None:
    assert Usage(1, 2, 3) + Usage(10, 20, 30) == Usage(11, 22, 33)


async def test_a_charge_counts_the_tries_before_it_once(stage: Stage) -> None:
    runtime = stage.runtime(token="me")
    await stage.agent()
    await runtime.claim(None)
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    words = ("ada", "me", turn.id, 1, DAY, 100, 5000, "", "", 30, 3, 1500)
    for _ in range(2):
        assert await stage.bus.call("charge", words) == [b"OK", b"", 133, 6500, DAY]
    assert await totals(stage) == (30, 3, 1500)
