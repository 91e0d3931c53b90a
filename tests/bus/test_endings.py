"""How agents end: a Task by itself, and what a parent hears of the end of its children."""

from collections.abc import AsyncIterator

import pytest

from horos_api.agent_state import AgentState
from horos_api.messages import MessageKind, SendOutcome
from horos_bus.message_service import MessageService
from horos_bus.operating import Child, OrderKind, Settled, SocietyOrder
from horos_bus.records import Ending, Idle, Leave, Usage
from horos_bus.sender import reply
from tests.bus.stage import Stage, answer, asking, calling, ordering, record, replying, turn_of, user


async def task(stage: Stage, name: str = "ada", parent: str = "") -> MessageService:
    """A resident agent of lifetime Task."""
    await stage.control.create(name, f"uid-{name}", parent, parent)
    await stage.control.configure(name, f"uid-{name}", 1, b"{}", lifetime="Task")
    runtime = stage.runtime(name)
    await runtime.claim(None)
    return runtime


async def test_a_task_ends_when_it_has_answered(stage: Stage) -> None:
    ada = await task(stage)
    await stage.say("m1")
    assert await answer(ada, turn_of(await ada.all_unread())) == Leave("terminated")
    assert await reply(stage.bus, "m1") == Ending("answer")
    seen = await stage.view()
    assert (seen.state, seen.reason, seen.in_work) == (AgentState.TERMINATED, "TaskDone", False)
    assert 0 < seen.ended <= await stage.now()
    assert (await stage.told())[-3:] == ["state idle", "RUN_FINISHED", "state terminated"]
    assert await ada.retire() is True
    assert await stage.say("m2") == SendOutcome.NO_AGENT
    assert await stage.control.terminate("ada", "uid-ada") == "SAME"
    assert len((await stage.control.stretch("ada", "main")).records) == 2


async def test_a_commit_that_is_repeated_finds_its_task_ended(stage: Stage) -> None:
    ada = await task(stage)
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    for _ in range(2):
        assert await answer(ada, turn) == Leave("terminated")


async def test_who_is_no_task_goes_on(stage: Stage) -> None:
    ada = await stage.resident()
    await stage.say("m1")
    assert isinstance(await answer(ada, turn_of(await ada.all_unread())), Idle)
    assert (await stage.view()).ended == 0.0


async def test_a_task_that_was_not_asked_yet_goes_on(stage: Stage) -> None:
    ada = await task(stage)
    await stage.say("m1", kind=MessageKind.NOTICE)
    assert isinstance(await answer(ada, turn_of(await ada.all_unread())), Idle)
    await stage.say("m2")
    assert await answer(ada, turn_of(await ada.all_unread())) == Leave("terminated")


async def test_a_mention_is_no_request_that_a_task_was_made_for(stage: Stage) -> None:
    ada = await task(stage)
    await stage.group(members=("ada",))
    await stage.post("m1", "@ada")
    assert isinstance(await answer(ada, turn_of(await ada.all_unread())), Idle)
    assert len(await stage.log()) == 2
    await stage.say("m2")
    turn = turn_of(await ada.all_unread())
    await stage.post("m3", "@ada")
    following = turn_of(await answer(ada, turn))
    assert await answer(ada, following) == Leave("terminated")
    assert len(await stage.log()) == 4


async def test_a_task_reads_what_came_meanwhile(stage: Stage) -> None:
    ada = await task(stage)
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await stage.say("m2", thread="other")
    following = turn_of(await answer(ada, turn))
    assert await answer(ada, following) == Leave("terminated")
    assert await reply(stage.bus, "m2") == Ending("answer")


async def test_a_task_waits_for_a_message_that_is_delayed(stage: Stage) -> None:
    ada = await task(stage)
    await stage.say("m1", delay_seconds=60)
    await stage.say("m2")
    assert isinstance(await answer(ada, turn_of(await ada.all_unread())), Idle)
    (entry,) = await stage.bus.command("ZRANGE", stage.bus.keys.later, 0, -1)
    assert await stage.bus.call("due", ["ada", entry]) == b"OK"
    assert await answer(ada, turn_of(await ada.all_unread())) == Leave("terminated")


async def test_a_task_that_has_answered_early_waits_for_what_it_has_asked(stage: Stage) -> None:
    ada, bob = await task(stage), await stage.resident("bob")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    await ada.append(turn.id, 0, step, [replying("m1"), asking("bob")])
    assert isinstance(await ada.commit(turn.id, 4, [], Ending(), Usage()), Idle)
    await answer(bob, turn_of(await bob.all_unread()))
    assert await answer(ada, turn_of(await ada.all_unread())) == Leave("terminated")


async def test_a_task_waits_for_answers_decisions_and_orders(stage: Stage) -> None:
    ada = await task(stage)
    await stage.agent("bob")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    effects = [replying("m1"), asking("bob"), calling(), ordering("eve")]
    await ada.append(turn.id, 0, step, effects)
    assert isinstance(await ada.commit(turn.id, 6, [], Ending(), Usage()), Idle)
    (order,) = await stage.control.orders()
    assert isinstance(order, SocietyOrder)
    await stage.control.settle(order, "refused", "no")
    assert isinstance(await answer(ada, turn_of(await ada.all_unread())), Idle)
    bob = stage.runtime("bob")
    await bob.claim(None)
    await answer(bob, turn_of(await bob.all_unread()))
    assert isinstance(await answer(ada, turn_of(await ada.all_unread())), Idle)
    (asked,) = await stage.control.approvals("ada")
    await stage.bus.call("expire", ["ada", "uid-ada", asked.id])
    assert await answer(ada, turn_of(await ada.all_unread())) == Leave("terminated")


async def test_a_task_whose_only_request_is_buried_ends(stage: Stage) -> None:
    ada = await task(stage)
    await stage.say("m1")
    await ada.all_unread()
    successor = stage.runtime()
    await successor.claim(None, max_attempts=1)
    assert await successor.all_unread() == Leave("terminated")
    ending = await reply(stage.bus, "m1")
    assert ending is not None
    assert ending.error


async def test_a_suspended_task_ends_too(stage: Stage) -> None:
    ada = await task(stage)
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await stage.control.ctl("ada", "pause")
    assert await answer(ada, turn) == Leave("terminated")


@pytest.fixture
async def family(stage: Stage) -> AsyncIterator[tuple[MessageService, MessageService]]:
    """Ada, resident, and her child bob."""
    ada = await stage.resident("ada")
    await stage.control.create("bob", "uid-bob", "ada", "ada")
    bob = stage.runtime("bob")
    await bob.claim(None)
    yield ada, bob


async def heard(stage: Stage, name: str = "ada") -> list[str]:
    """The notices in an inbox."""
    entries = await stage.control.inbox(name)
    return [message.body for message in entries if message.kind is MessageKind.NOTICE]


@pytest.mark.parametrize(("end", "word"), [("terminate", "terminated"), ("delete", "deleted")])
async def test_a_parent_hears_of_the_end_of_its_child_once(
    stage: Stage, family: tuple[MessageService, MessageService], end: str, word: str
) -> None:
    for _ in range(2):
        await getattr(stage.control, end)("bob", "uid-bob")
    await stage.control.delete("bob", "uid-bob")
    assert await heard(stage) == [f"agent bob has ended: it was {word}"]
    told = [event["value"] for event in await stage.events() if event.get("name") == "child"]
    assert told == [{"name": "bob", "status": "ended", "reason": word.capitalize()}]


async def test_a_parent_hears_nothing_of_a_task_that_has_answered(stage: Stage) -> None:
    await stage.agent("ada")
    bob = await task(stage, "bob", "ada")
    await stage.say("m1", to="bob")
    assert await answer(bob, turn_of(await bob.all_unread())) == Leave("terminated")
    await stage.control.delete("bob", "uid-bob")
    assert await heard(stage) == []
    told = [event["value"]["reason"] for event in await stage.events() if event.get("name") == "child"]
    assert told == ["TaskDone"]


async def test_a_parent_that_ordered_the_end_hears_of_it_by_the_answer(
    stage: Stage, family: tuple[MessageService, MessageService]
) -> None:
    ada, _ = family
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    ending = ordering("bob", OrderKind.TERMINATE_AGENT)
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [ending])
    await ada.commit(turn.id, 3, [], Ending(), Usage())
    (order,) = await stage.control.orders()
    assert isinstance(order, SocietyOrder)
    await stage.control.terminate("bob", "uid-bob")
    assert await stage.control.settle(order, "done", "bob has ended") == Settled.OK
    told = turn_of(await ada.all_unread())
    assert [(m.kind, m.body) for m in told.inputs] == [(MessageKind.REPLY, "bob has ended")]


async def test_an_end_that_was_refused_leaves_the_next_one_to_be_heard_of(
    stage: Stage, family: tuple[MessageService, MessageService]
) -> None:
    ada, _ = family
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    ending = ordering("bob", OrderKind.TERMINATE_AGENT)
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [ending])
    (order,) = await stage.control.orders()
    assert isinstance(order, SocietyOrder)
    await stage.control.settle(order, "refused", "no")
    await stage.control.terminate("bob", "uid-bob")
    assert await heard(stage) == ["agent bob has ended: it was terminated"]


async def test_only_a_parents_order_is_an_answer(stage: Stage) -> None:
    await stage.agent("eve")
    ada = await stage.resident("ada")
    await stage.control.create("bob", "uid-bob", "eve", "eve")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    ending = ordering("bob", OrderKind.TERMINATE_AGENT)
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [ending])
    await stage.control.terminate("bob", "uid-bob")
    assert await heard(stage, "eve") == ["agent bob has ended: it was terminated"]


async def test_a_later_agent_of_the_parents_name_is_no_parent(
    stage: Stage, family: tuple[MessageService, MessageService]
) -> None:
    await stage.control.delete("ada", "uid-ada")
    await stage.control.create("ada", "uid-later")
    await stage.control.terminate("bob", "uid-bob")
    assert await stage.waiting("ada") == 0


async def test_a_parent_that_has_ended_hears_nothing(
    stage: Stage, family: tuple[MessageService, MessageService]
) -> None:
    await stage.control.terminate("ada", "uid-ada")
    await stage.control.terminate("bob", "uid-bob")
    assert await stage.waiting("ada") == 0


async def test_the_notice_comes_into_the_thread_in_which_the_child_was_ordered(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.say("m1", thread="garden")
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [ordering("bob")])
    (order,) = await stage.control.orders()
    assert isinstance(order, SocietyOrder)
    await stage.control.create("bob", "uid-bob", "ada", "ada")
    await stage.control.settle(order, "done", "there", Child("bob", "uid-bob"))
    await stage.control.terminate("bob", "uid-bob")
    threads = {message.thread for message in await stage.control.inbox("ada")}
    assert threads == {"garden"}


async def test_a_family_that_was_not_known_at_birth_is_told_later(stage: Stage) -> None:
    await stage.agent("bob")
    await stage.agent("ada")
    assert await stage.control.create("bob", "uid-bob", "ada", "ada") == "SAME"
    seen = await stage.view("bob")
    assert (seen.parent, seen.root) == ("ada", "ada")
    assert await stage.control.create("bob", "uid-bob") == "SAME"
    assert (await stage.view("bob")).parent == ""
