"""Calls that wait for a person: asked, decided, carried out once, whatever happens to the process."""

import asyncio
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from horos_api.events import Event
from horos_api.messages import Verdict
from horos_api.resources import AgentSpec
from horos_bus.approvals import Approval, Decided
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, Identity
from horos_bus.sender import reply
from horos_runtime import call_round
from horos_runtime.approvals import short_id, waiting_for
from horos_runtime.records import CANCELLED, OUTCOME_UNKNOWN, Record
from horos_runtime.tool_context import ToolContext
from horos_runtime.tool_registry import ToolRegistry, tool
from tests.runtime.histories import assistant, result, user
from tests.runtime.stage import Stage, custom, until
from tests.runtime.test_tool_calls import call, results

APPROVE, DENY = Verdict.APPROVE, Verdict.DENY
PAY = call("pay", to="carol", euros=5)


class Bank:
    """Tools that need approval, and what they did."""

    def __init__(self) -> None:
        self.paid: list[tuple[str, int]] = []
        self.keys: list[str] = []

        @tool(approval=True, approval_timeout_seconds=600)
        async def pay(to: str, euros: int, context: ToolContext) -> str:
            """Pay somebody."""
            self.paid.append((to, euros))
            self.keys.append(context.idempotency_key)
            return f"paid {euros} to {to}"

        @tool
        async def balance(context: ToolContext) -> str:
            """Read the balance; nobody has to be asked."""
            self.keys.append(context.idempotency_key)
            return "100"

        self.tools = ToolRegistry(pay, balance)


@pytest.fixture
def bank() -> Bank:
    return Bank()


async def open_ones(stage: Stage, count: int = 1) -> list[Approval]:
    """Wait until so many calls wait for a person and the turn that made them is over."""
    control = Control(stage.bus)

    async def there() -> bool:
        view = await control.view("ada")
        return view is not None and view.approvals == count and not view.turn

    await until(there)
    return await control.approvals("ada")


async def decide(
    stage: Stage, approval: Approval, verdict: Verdict, who: str = "bob", reason: str = ""
) -> Decided:
    decided = await Control(stage.bus).decide("ada", approval.id, verdict, who, reason=reason)
    assert decided.outcome == "DECIDED"
    return decided


async def asks(stage: Stage, bank: Bank, *steps: list[dict[str, Any]], text: str = "I wait.") -> str:
    """Let ada make these calls in one turn, and hibernate; returns the id of the person's request."""
    await stage.agent()
    await stage.model.load(*[{"toolCalls": step} for step in steps], {"text": text})
    async with stage.running(tools=bank.tools):
        mid = await stage.say("go")
        await open_ones(stage, sum(each["name"] == "pay" for step in steps for each in step))
    assert await reply(stage.bus, mid) is None
    return mid


async def goes_on(stage: Stage, bank: Bank, mid: str, *more: dict[str, Any]) -> str:
    """Wake the agent up, and return what the person is answered."""
    await stage.model.load(*more, {"text": "All done."})
    async with stage.running(tools=bank.tools):
        return await stage.answer(mid)


async def said_to_model(stage: Stage, request: int = -1) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await stage.model.requests())[request]["body"]["messages"]
    return messages


async def test_an_approved_call_runs_once_in_a_later_life_and_the_person_is_answered(
    stage: Stage, bank: Bank
) -> None:
    mid = await asks(stage, bank, [PAY])
    (asked,) = await open_ones(stage)
    assert (asked.tool, asked.arguments) == ("pay", '{"to": "carol", "euros": 5}')
    assert asked.deadline - asked.asked == 600_000
    (result,) = await results(stage)
    assert asked.id in result
    assert "a person is asked" in result
    assert "do not make it again" in result
    assert bank.paid == []
    await decide(stage, asked, APPROVE, reason="fine with me")
    assert await goes_on(stage, bank, mid) == "All done."
    assert bank.paid == [("carol", 5)]
    decision, step, done = (await stage.records())[4:7]
    assert decision["content"] == (
        "Approved by bob, who says: fine with me\nThe call is made now, and its result follows: pay "
        '{"to": "carol", "euros": 5}'
    )
    assert (decision["kind"], decision["re"], decision["from"]) == ("decision", asked.id, "bob")
    assert step["approved"] is True
    assert [each["id"] for each in step["tool_calls"]] == [asked.id]
    assert (done["tool_call_id"], done["content"]) == (asked.id, "paid 5 to carol")
    assert await Control(stage.bus).approvals("ada") == []


async def test_the_model_reads_the_decision_and_then_what_came_of_it(stage: Stage, bank: Bank) -> None:
    mid = await asks(stage, bank, [PAY])
    (asked,) = await open_ones(stage)
    await decide(stage, asked, APPROVE)
    await goes_on(stage, bank, mid)
    decision, step, result = (await said_to_model(stage))[-3:]
    assert decision["role"] == "user"
    assert decision["content"].startswith(f"[decision about your call, approval {asked.id}]\nApproved by bob")
    assert step["tool_calls"][0]["function"] == {"name": "pay", "arguments": '{"to": "carol", "euros": 5}'}
    # Longer ids than this one's nine letters are refused by some servers.
    assert step["tool_calls"][0]["id"] == result["tool_call_id"] == short_id(asked.id)
    assert len(short_id(asked.id)) == 9
    assert result["content"] == "paid 5 to carol"


async def test_watchers_see_the_approved_call_and_its_result(stage: Stage, bank: Bank) -> None:
    mid = await asks(stage, bank, [PAY])
    (asked,) = await open_ones(stage)
    await decide(stage, asked, APPROVE)
    await goes_on(stage, bank, mid)

    def of_the_call(event: Event) -> bool:
        return bool(event.get("toolCallId") == asked.id)

    shown = [event for event in await stage.events() if of_the_call(event)]
    assert [event["type"].removeprefix("TOOL_CALL_") for event in shown] == ["START", "ARGS", "END", "RESULT"]
    assert shown[0]["toolCallName"] == "pay"
    index = next(i for i, each in enumerate(await stage.records()) if each.get("approved"))
    assert shown[0]["parentMessageId"].endswith(f"/{index}")


async def test_a_denied_call_does_not_run_and_the_model_reads_who_and_why(stage: Stage, bank: Bank) -> None:
    mid = await asks(stage, bank, [PAY])
    (asked,) = await open_ones(stage)
    await decide(stage, asked, DENY, reason="too much")
    assert await goes_on(stage, bank, mid) == "All done."
    assert bank.paid == []
    last = (await said_to_model(stage))[-1]
    assert last["role"] == "user"
    assert "Denied by bob, who says: too much\nThe call was not made" in last["content"]
    assert 'pay {"to": "carol", "euros": 5}' in last["content"]


async def test_a_call_that_nobody_decides_about_is_denied(stage: Stage, bank: Bank) -> None:
    mid = await asks(stage, bank, [PAY])
    (asked,) = await open_ones(stage)
    assert await stage.bus.call("expire", ["ada", "uid-ada", asked.id]) == b"OK"
    assert await goes_on(stage, bank, mid) == "All done."
    assert bank.paid == []
    assert "Denied, since nobody decided in time." in (await said_to_model(stage))[-1]["content"]


async def test_a_decision_reaches_an_agent_that_is_awake(stage: Stage, bank: Bank) -> None:
    await stage.agent()
    await stage.model.load({"toolCalls": [PAY]}, {"text": "I wait."}, {"text": "Paid."})
    async with stage.running(tools=bank.tools):
        mid = await stage.say("go")
        (asked,) = await open_ones(stage)
        await decide(stage, asked, APPROVE)
        assert await stage.answer(mid) == "Paid."
    assert bank.paid == [("carol", 5)]


async def test_several_calls_of_a_step_are_decided_one_by_one(stage: Stage, bank: Bank) -> None:
    payments = [call("pay", to=name, euros=1) for name in ("carol", "dave", "erin")]
    mid = await asks(stage, bank, [*payments, call("balance")])
    first, second, third = await open_ones(stage, 3)
    await decide(stage, first, APPROVE)
    await decide(stage, second, DENY)
    await stage.model.load({"text": "One of three is paid."}, {"text": "Two are paid."})
    async with stage.running(tools=bank.tools):
        await until(lambda: _spoke(stage, "One of three is paid."))
        assert await reply(stage.bus, mid) is None
        await decide(stage, third, APPROVE, who="frank")
        assert await stage.answer(mid) == "Two are paid."
    assert bank.paid == [("carol", 1), ("erin", 1)]
    assert len(set(bank.keys)) == 3
    assert bank.keys[1:] == [f"{first.id}!approved", f"{third.id}!approved"]


async def test_what_was_approved_together_is_one_step(stage: Stage, bank: Bank) -> None:
    mid = await asks(stage, bank, [call("pay", to="carol", euros=1), call("pay", to="dave", euros=2)])
    for asked in await open_ones(stage, 2):
        await decide(stage, asked, APPROVE)
    await goes_on(stage, bank, mid)
    roles = [record["role"] for record in await stage.records()]
    assert roles[5:] == ["user", "user", "assistant", "tool", "tool", "assistant"]


async def test_nobody_is_asked_about_wrong_arguments(stage: Stage, bank: Bank) -> None:
    await stage.agent()
    await stage.model.load({"toolCalls": [call("pay", to="carol", euros="many")]}, {"text": "Sorry."})
    async with stage.running(tools=bank.tools):
        assert await stage.ask("go") == "Sorry."
    assert (await results(stage))[0].startswith("error: wrong arguments for pay: euros")
    assert [event for event in await stage.events() if custom("approval")(event)] == []


async def test_an_approved_call_of_a_tool_that_is_gone_is_told_so(
    stage: Stage, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_round, "TOOL_SECONDS", 0.2)
    mid = await asks(stage, bank, [PAY])
    (asked,) = await open_ones(stage)
    await decide(stage, asked, APPROVE)
    bank.tools.unregister("pay")
    assert await goes_on(stage, bank, mid) == "All done."
    assert (await results(stage))[-1].startswith("error: there is no tool named 'pay'")


async def test_an_approved_call_waits_for_a_tool_that_is_still_coming(stage: Stage, bank: Bank) -> None:
    mid = await asks(stage, bank, [PAY])
    (asked,) = await open_ones(stage)
    pay = bank.tools.get("pay")
    assert pay is not None
    bank.tools.unregister("pay")
    await decide(stage, asked, APPROVE)
    await stage.model.load({"text": "All done."})
    async with stage.running(tools=bank.tools):
        await stage.becomes("running")
        bank.tools.register(pay)
        assert await stage.answer(mid) == "All done."
    assert bank.paid == [("carol", 5)]


async def test_an_approved_call_whose_arguments_no_longer_fit_does_not_run(stage: Stage, bank: Bank) -> None:
    mid = await asks(stage, bank, [PAY])
    (asked,) = await open_ones(stage)
    await decide(stage, asked, APPROVE)

    @tool(approval=True)
    async def pay(to: str, cents: int) -> str:
        """Pay in cents now."""
        bank.paid.append((to, cents))
        return "paid"

    bank.tools.unregister("pay")
    bank.tools.register(pay)
    assert await goes_on(stage, bank, mid) == "All done."
    assert (await results(stage))[-1].startswith("error: wrong arguments for pay")
    assert bank.paid == []


async def test_the_same_call_is_not_asked_about_again_while_it_waits(stage: Stage, bank: Bank) -> None:
    await stage.agent()
    again = {"toolCalls": [call("pay", euros=5, to="carol")]}
    await stage.model.load({"toolCalls": [PAY]}, again, {"text": "I wait."}, again, {"text": "I still wait."})
    async with stage.running(tools=bank.tools):
        mid = await stage.say("go")
        (asked,) = await open_ones(stage)
        await stage.say("how is it going?")
        await until(lambda: _spoke(stage, "I still wait."))
        assert await open_ones(stage) == [asked]
        await decide(stage, asked, DENY)
        await stage.model.load({"toolCalls": [PAY]}, {"text": "I asked anew."})
        await until(lambda: _spoke(stage, "I asked anew."))
        (anew,) = await open_ones(stage)
        assert anew.id != asked.id
        assert await reply(stage.bus, mid) is None
    told = await results(stage)
    assert [text.startswith("error: not asked again") for text in told] == [False, True, True, False]
    assert asked.id in told[1]


async def _spoke(stage: Stage, text: str) -> bool:
    return (await stage.records())[-1]["content"] == text


async def test_a_message_while_a_call_waits_is_a_turn_of_its_own_and_is_answered_with_it(
    stage: Stage, bank: Bank
) -> None:
    await stage.agent()
    await stage.model.load({"toolCalls": [PAY]}, {"text": "I wait."}, {"text": "Still waiting."})
    async with stage.running(tools=bank.tools):
        first = await stage.say("go")
        (asked,) = await open_ones(stage)
        second = await stage.say("how is it going?")
        await until(lambda: _spoke(stage, "Still waiting."))
        assert await reply(stage.bus, second) is None
        await stage.model.load({"text": "Paid."})
        await decide(stage, asked, APPROVE)
        assert await stage.answer(first) == await stage.answer(second) == "Paid."
    assert bank.paid == [("carol", 5)]


async def test_a_message_while_an_approved_call_runs_joins_its_turn(stage: Stage) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @tool(approval=True)
    async def pay() -> str:
        """Pay, when somebody lets it."""
        begun.set()
        await go_on.wait()
        return "paid"

    await stage.agent()
    await stage.model.load({"toolCalls": [call("pay")]}, {"text": "I wait."}, {"text": "Paid, and yes."})
    async with stage.running(tools=ToolRegistry(pay)):
        first = await stage.say("go")
        (asked,) = await open_ones(stage)
        await decide(stage, asked, APPROVE)
        await asyncio.wait_for(begun.wait(), 20)
        second = await stage.say("are you at it?")
        go_on.set()
        assert await stage.answer(first) == await stage.answer(second) == "Paid, and yes."
    assert [message["content"] for message in (await said_to_model(stage))[-2:]] == ["paid", "are you at it?"]


async def test_a_question_beside_a_decision_is_read_before_the_call_runs(stage: Stage, bank: Bank) -> None:
    mid = await asks(stage, bank, [PAY])
    (asked,) = await open_ones(stage)
    other = await stage.say("and buy milk")
    await decide(stage, asked, APPROVE)
    assert await goes_on(stage, bank, mid) == await stage.answer(other) == "All done."
    shown = await said_to_model(stage)
    assert [message["role"] for message in shown[-4:]] == ["user", "user", "assistant", "tool"]
    assert shown[-4]["content"] == "and buy milk"


async def test_cancelling_the_turn_that_asked_leaves_the_decision_to_people(stage: Stage, bank: Bank) -> None:
    await stage.agent()
    await stage.model.load({"toolCalls": [PAY]}, {"chunks": ["I ", {"text": "wait", "hold": True}]})
    async with stage.running(tools=bank.tools):
        mid = await stage.say("go")
        await stage.model.requests(2, held=1, seconds=20)
        assert await Control(stage.bus).cancel("ada", (await stage.view()).turn) == "OK"
        assert "cancelled" in await stage.refusal(mid)
        (asked,) = await open_ones(stage)
        await stage.model.load({"text": "Paid after all."})
        await decide(stage, asked, APPROVE)
        await until(lambda: _spoke(stage, "Paid after all."))
    assert bank.paid == [("carol", 5)]
    assert await reply(stage.bus, mid) == Ending(error="cancelled by a person")


async def test_cancelling_the_turn_that_acts_on_a_decision_stops_the_call(stage: Stage) -> None:
    running = asyncio.Event()

    @tool(approval=True)
    async def pay() -> str:
        """Pay, which takes long."""
        running.set()
        await asyncio.Event().wait()
        return "never"

    await stage.agent()
    await stage.model.load({"toolCalls": [call("pay")]}, {"text": "I wait."})
    async with stage.running(tools=ToolRegistry(pay)):
        mid = await stage.say("go")
        (asked,) = await open_ones(stage)
        await decide(stage, asked, APPROVE)
        await asyncio.wait_for(running.wait(), 20)
        assert await Control(stage.bus).cancel("ada", (await stage.view()).turn) == "OK"
        await until(lambda: _spoke(stage, "(cancelled by a person)"))
    assert (await results(stage))[-1] == CANCELLED
    assert await Control(stage.bus).approvals("ada") == []
    assert await reply(stage.bus, mid) == Ending(error="cancelled by a person")


async def test_a_turn_that_was_cancelled_before_it_began_does_not_run_what_was_approved(
    stage: Stage, bank: Bank
) -> None:
    await asks(stage, bank, [PAY])
    (asked,) = await open_ones(stage)
    await decide(stage, asked, APPROVE)
    heir = MessageService(stage.bus, Identity("ada", "uid-ada", "heir"))
    await heir.claim(None)
    await heir.all_unread()
    assert await Control(stage.bus).cancel("ada", (await stage.view()).turn) == "OK"
    async with stage.running(tools=bank.tools):
        await until(lambda: _spoke(stage, "(cancelled by a person)"))
    assert bank.paid == []
    decision, step, result, _ = (await stage.records())[-4:]
    assert decision["re"] == asked.id
    assert [each["id"] for each in step["tool_calls"]] == [asked.id]
    assert result["content"] == CANCELLED


@pytest.mark.parametrize(("name", "ending"), [("pay", OUTCOME_UNKNOWN), ("reserve", "did it")])
async def test_killed_in_an_approved_call_it_is_not_run_again_unless_it_may_be(
    stage: Stage, tmp_path: Path, name: str, ending: str
) -> None:
    keys: list[str] = []

    @tool(name=name, approval=True, idempotent=name == "reserve")
    async def again(context: ToolContext) -> str:
        """The successor's tool, which ends."""
        keys.append(context.idempotency_key)
        return "did it"

    await stage.agent()
    await stage.model.load({"toolCalls": [call(name)]}, {"text": "I wait."}, {"text": "Done."})
    async with stage.process("ada", "-m", "tests.runtime.blocking_agent", str(tmp_path)) as first:
        mid = await stage.say("go")
        (asked,) = await open_ones(stage)
        await decide(stage, asked, APPROVE)
        await until(lambda: asyncio.to_thread((tmp_path / name).exists))
        first.send_signal(signal.SIGKILL)
        await first.wait()
    assert (tmp_path / name).read_text() == f"{asked.id}!approved\n"
    async with stage.running(tools=ToolRegistry(again)):
        assert await stage.answer(mid) == "Done."
    assert (await results(stage))[-1] == ending
    assert keys == ([f"{asked.id}!approved"] if name == "reserve" else [])
    assert [event for event in await stage.events() if custom("approval")(event)][2:] == []


async def test_a_turn_of_one_round_can_still_speak_about_what_was_approved(stage: Stage, bank: Bank) -> None:
    await stage.agent(spec=stage.spec(tool_rounds=1))
    await stage.model.load({"toolCalls": [PAY]}, {"text": "Paid."})
    async with stage.running(tools=bank.tools):
        mid = await stage.say("go")
        (asked,) = await open_ones(stage)
        await decide(stage, asked, APPROVE)
        assert await stage.answer(mid) == "Paid."


async def test_a_decision_outlives_a_compaction(stage: Stage, bank: Bank) -> None:
    spec = stage.spec()
    assert spec.model is not None
    small = spec.model.model_copy(update={"context_window_tokens": 2000, "max_output_tokens": 200})
    await stage.agent(spec=AgentSpec(instructions="Be brief.", model=small))
    await stage.model.load({"toolCalls": [PAY]}, {"text": "I wait."})
    async with stage.running(tools=bank.tools):
        mid = await stage.say("go")
        (asked,) = await open_ones(stage)
        await stage.model.load({"text": "long ago " * 60}, repeat="last")
        for number in range(8):
            await stage.say(f"{number}: tell me a story " * 10)
            await until(partial(_turns, stage, number + 2))
        assert any(record["role"] == "compaction" for record in await stage.records())
        await decide(stage, asked, APPROVE)
        assert (await stage.answer(mid)).startswith("long ago")
    assert bank.paid == [("carol", 5)]
    last = [text["content"] for text in await said_to_model(stage)]
    assert any(text.startswith("[decision about your call") for text in last)
    assert "paid 5 to carol" in last


def waiting(approval_id: str, call_id: str, arguments: str = "{}") -> list[Record]:
    """The records of a call that waits for a person."""
    told: Record = {**result(call_id, "a person is asked"), "approval": approval_id}
    return [assistant("", call_id, arguments=arguments), told]


def test_a_call_waits_until_its_decision_or_the_end_of_it_is_told() -> None:
    made = assistant("", "new", arguments='{"a":1,"b":2}')["tool_calls"][0]
    records = [*waiting("p/1", "x", '{"b":2,"a":1}'), *waiting("p/2", "y", '{"a":2}')]
    assert waiting_for(records, made) == "p/1"
    assert waiting_for([*records, user("who is next?")], made) == "p/1"
    for end in ("p/1!decision", "p/1!decision!dead"):
        assert waiting_for([*records, user("", mid=end)], made) == ""
    assert waiting_for([*records, user("", mid="p/2!decision")], made) == "p/1"


async def _turns(stage: Stage, count: int) -> bool:
    return (await stage.view()).usage.turns >= count
