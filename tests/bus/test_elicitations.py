"""A tool server asks a person in the middle of a call: it lives no longer than the turn and the process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from horos_api.messages import Verdict
from horos_bus.approvals import Approval, Elicitation
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, FencedError, LostError, Turn
from tests.bus.stage import Stage, answer, record, turn_of, user

SCHEMA = '{"type":"object","properties":{"pin":{"type":"integer"}},"required":[]}'
PIN = Elicitation("ada/t/1.0!ask0", "bank__pay", "bank", "Your PIN?", SCHEMA, 30)


async def asked(stage: Stage) -> tuple[MessageService, Turn]:
    """A turn whose call asks for a PIN."""
    ada = await stage.resident(token="first")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")])
    await stage.control.dirty()
    assert await ada.elicit(turn.id, PIN)
    return ada, turn


async def told(stage: Stage) -> list[dict[str, object]]:
    return [event["value"] for event in await stage.events() if event.get("name") == "elicitation"]


async def pending(stage: Stage) -> int:
    view = await stage.control.view("ada")
    assert view is not None
    return view.approvals


async def test_a_question_of_a_server_is_listed_beside_the_approvals(stage: Stage) -> None:
    _, turn = await asked(stage)
    (found,) = await stage.control.approvals("ada")
    assert found == Approval(
        id=PIN.id,
        kind="elicitation",
        thread="main",
        turn=turn.id,
        tool="bank__pay",
        status="pending",
        asked=found.asked,
        deadline=found.asked + 30_000,
        server="bank",
        message="Your PIN?",
        schema=SCHEMA,
    )
    (event,) = await told(stage)
    assert event == {
        "id": PIN.id,
        "tool": "bank__pay",
        "server": "bank",
        "message": "Your PIN?",
        "schema": SCHEMA,
        "deadline": found.deadline,
        "status": "pending",
    }
    assert await pending(stage) == 1
    assert await stage.control.dirty() == ["ada"]


async def test_the_answer_reaches_the_call_that_waits_for_it(stage: Stage) -> None:
    ada, turn = await asked(stage)
    await ada.subscribe()
    assert await ada.answer(PIN.id) is None
    woken = asyncio.create_task(ada.wait_for_wake(30))
    await stage.control.dirty()
    decided = await stage.control.decide("ada", PIN.id, Verdict.APPROVE, "bob", content='{"pin":[]}')
    assert decided.outcome == "DECIDED"
    assert await stage.control.dirty() == ["ada"]
    assert await asyncio.wait_for(woken, 5)
    found = await ada.answer(PIN.id)
    assert found == decided.approval
    assert found is not None
    assert (found.verdict, found.who, found.content) == (Verdict.APPROVE, "bob", '{"pin":[]}')
    assert await stage.waiting() == 1
    assert await pending(stage) == 0
    await commits(stage, ada, turn)
    assert await stage.control.approvals("ada") == []
    with pytest.raises(LostError):
        await ada.answer(PIN.id)
    assert [each["status"] for each in await told(stage)] == ["pending", "approved"]


async def test_an_answer_in_the_last_moment_counts(stage: Stage) -> None:
    ada, _ = await asked(stage)
    decided = await stage.control.decide("ada", PIN.id, Verdict.APPROVE, "bob", content="{}")
    assert decided.approval is not None
    assert await ada.withdraw(PIN.id) == await ada.withdraw(PIN.id) == decided.approval
    assert await stage.control.approvals("ada") == [decided.approval]


async def test_who_answers_first_answers(stage: Stage) -> None:
    ada, _ = await asked(stage)
    await stage.control.decide("ada", PIN.id, Verdict.DENY, "bob", reason="no")
    late = await stage.control.decide("ada", PIN.id, Verdict.APPROVE, "carol", content="{}")
    assert late.outcome == "ALREADY"
    assert late.approval == await ada.answer(PIN.id)
    assert late.approval is not None
    assert (late.approval.verdict, late.approval.who, late.approval.reason) == (Verdict.DENY, "bob", "no")


async def test_nobody_answers_when_the_time_is_over(stage: Stage) -> None:
    ada, turn = await asked(stage)
    await ada.elicit(turn.id, replace(PIN, id="late", seconds=0))
    assert (await stage.control.decide("ada", "late", Verdict.APPROVE, "bob")).outcome == "NONE"
    assert await ada.withdraw("late") is None


async def test_what_the_call_takes_back_cannot_be_answered(stage: Stage) -> None:
    ada, turn = await asked(stage)
    assert await ada.withdraw(PIN.id) is None
    assert await ada.withdraw(PIN.id) is None
    assert (await stage.control.decide("ada", PIN.id, Verdict.APPROVE, "bob")).outcome == "NONE"
    assert await stage.control.approvals("ada") == []
    assert await pending(stage) == 0
    taken_back = await ada.answer(PIN.id)
    assert taken_back is not None
    assert (taken_back.status, taken_back.verdict) == ("withdrawn", None)
    await commits(stage, ada, turn)
    assert [each["status"] for each in await told(stage)] == ["pending", "withdrawn"]


async def test_a_server_cannot_ask_without_end(stage: Stage) -> None:
    ada, turn = await asked(stage)
    told_apart = [replace(PIN, id=f"more-{number}") for number in range(100)]
    assert [await ada.elicit(turn.id, each) for each in told_apart] == [True] * 99 + [False]
    assert await ada.elicit(turn.id, PIN)


Ends = Callable[[Stage, MessageService, Turn], Awaitable[None]]


async def commits(stage: Stage, ada: MessageService, turn: Turn) -> None:
    await ada.commit(turn.id, 2, [record("assistant", "done")], Ending(text="done"))


async def is_claimed(stage: Stage, ada: MessageService, turn: Turn) -> None:
    await stage.runtime().claim(None)


async def is_reaped(stage: Stage, ada: MessageService, turn: Turn) -> None:
    await stage.control.reap("ada", "first")


async def retires(stage: Stage, ada: MessageService, turn: Turn) -> None:
    await ada.retire(force=True)


async def is_terminated(stage: Stage, ada: MessageService, turn: Turn) -> None:
    await stage.control.terminate("ada", "uid-ada")


@pytest.mark.parametrize("ends", [commits, is_claimed, is_reaped, retires, is_terminated])
async def test_it_ends_when_the_call_cannot_go_on(stage: Stage, ends: Ends) -> None:
    ada, turn = await asked(stage)
    await ends(stage, ada, turn)
    assert await stage.control.approvals("ada") == []
    assert [each["status"] for each in await told(stage)] == ["pending", "withdrawn"]


async def test_a_deleted_agent_leaves_no_question(stage: Stage) -> None:
    await asked(stage)
    await stage.control.delete("ada", "uid-ada")
    assert [name.rpartition("}:")[2] for name in await stage.key_names()] == ["r:m1"]


async def test_only_the_process_that_has_the_open_turn_asks(stage: Stage) -> None:
    ada, turn = await asked(stage)
    with pytest.raises(LostError):
        await ada.elicit("1-1", replace(PIN, id="another"))
    await stage.control.reap("ada", "first")
    heir = stage.runtime()
    await heir.claim(None)
    await heir.elicit(turn.id, PIN)
    for attempt in (
        ada.elicit(turn.id, replace(PIN, id="zombie")),
        ada.answer(PIN.id),
        ada.withdraw(PIN.id),
        ada.report_servers(b"{}"),
    ):
        with pytest.raises(FencedError):
            await attempt
    assert [each.id for each in await stage.control.approvals("ada")] == [PIN.id]
    assert await stage.control.servers("ada") is None


async def test_a_report_about_servers_is_kept_and_told_once(stage: Stage) -> None:
    ada = await stage.resident()
    assert await stage.control.servers("ada") is None
    await stage.control.dirty()
    await ada.report_servers(b'{"servers":[]}')
    assert await stage.control.servers("ada") == b'{"servers":[]}'
    assert await stage.control.dirty() == ["ada"]
    await ada.report_servers(b'{"servers":[]}')
    assert await stage.control.dirty() == []
    await stage.control.terminate("ada", "uid-ada")
    assert await stage.control.servers("ada") is None


async def test_the_report_outlives_the_process_and_goes_with_the_next_claim(stage: Stage) -> None:
    ada = await stage.resident()
    await ada.report_servers(b"{}")
    await stage.say("m1")
    await answer(ada, turn_of(await ada.all_unread()))
    await ada.retire()
    assert await stage.control.servers("ada") == b"{}"
    # The next one is not connected yet.
    await stage.runtime(token="of the next").claim(None)
    assert await stage.control.servers("ada") is None
