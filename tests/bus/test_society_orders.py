"""What agents ask of the operator: it is answered once, and the agent waits for that."""

import pytest

from horos_bus.message_service import MessageService
from horos_bus.operating import BadOrder, Child, ModeOrder, Order, OrderKind, Settled, SocietyOrder
from horos_bus.records import Effect, Ending, Usage
from horos_bus.sender import reply
from tests.bus.stage import Stage, answer, asking, ordering, record, turn_of, user

BOB = Child("bob", "uid-bob", "count")


async def ordered(stage: Stage, *effects: Effect, commit: bool = True) -> tuple[MessageService, Order]:
    """Ada, asked by a person, orders; with `commit` the turn ends and owes. Returns her and the order."""
    ada = await stage.resident("ada")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    stored = (await ada.append(turn.id, 0, step, effects)).stored
    assert len(stored) == 2 + len(effects)
    if commit:
        await ada.commit(turn.id, len(stored), [record("assistant", "")], Ending("part"), Usage())
    return ada, (await stage.control.orders())[-1]


async def settled(stage: Stage, order: Order, child: Child | None = BOB, outcome: str = "done") -> Settled:
    """The operator's answer."""
    assert isinstance(order, SocietyOrder)
    assert outcome in {"done", "refused"}
    return await stage.control.settle(order, "done" if outcome == "done" else "refused", "so it is", child)


async def test_a_child_is_born_with_its_task_and_answers_its_parent(stage: Stage) -> None:
    ada, order = await ordered(stage, ordering("bob", body='{"task": "count"}'))
    assert isinstance(order, SocietyOrder)
    assert (order.kind, order.agent, order.uid) == (OrderKind.CREATE_AGENT, "ada", "uid-ada")
    assert (order.name, order.thread, order.hops, order.body) == ("bob", "main", 1, b'{"task": "count"}')
    assert await reply(stage.bus, "m1") is None
    assert await stage.control.create("bob", "uid-bob", "ada", "ada") == "OK"
    assert await settled(stage, order) == Settled.OK
    assert await stage.control.orders() == []
    bob = stage.runtime("bob")
    await bob.claim(None)
    theirs = turn_of(await bob.all_unread())
    (asked,) = theirs.inputs
    assert (asked.mid, asked.sender, asked.sender_uid, asked.body) == (order.mid, "ada", "uid-ada", "count")
    await answer(bob, theirs, "three")
    told = turn_of(await ada.all_unread())
    assert [(m.sender, m.re, m.body, m.error) for m in told.inputs] == [("bob", order.mid, "three", False)]
    await answer(ada, told, "it is three")
    assert await reply(stage.bus, "m1") == Ending("it is three")
    seen = await stage.view("bob")
    assert (seen.parent, seen.root) == ("ada", "ada")


@pytest.mark.parametrize(("outcome", "child", "error"), [("done", None, False), ("refused", None, True)])
async def test_without_a_task_the_answer_is_the_operators(
    stage: Stage, outcome: str, child: Child | None, error: bool
) -> None:
    ada, order = await ordered(stage, ordering("bob"))
    assert await settled(stage, order, child, outcome) == Settled.OK
    told = turn_of(await ada.all_unread())
    assert [(m.sender, m.body, m.error) for m in told.inputs] == [("bob", "so it is", error)]
    await answer(ada, told, "well")
    assert await reply(stage.bus, "m1") == Ending("well")
    assert (await stage.view()).waits == 0


async def test_an_order_is_settled_once(stage: Stage) -> None:
    _, order = await ordered(stage, ordering("bob"))
    await stage.control.create("bob", "uid-bob")
    assert await settled(stage, order) == Settled.OK
    assert await settled(stage, order) == Settled.NOOP
    assert await settled(stage, order, None, "refused") == Settled.NOOP
    assert await stage.waiting("bob") == 1
    assert await stage.waiting("ada") == 0


async def test_a_child_that_has_gone_before_its_task_came_is_an_error_for_its_parent(stage: Stage) -> None:
    ada, order = await ordered(stage, ordering("bob"))
    assert await settled(stage, order) == Settled.OK
    told = turn_of(await ada.all_unread())
    assert [(m.error, m.body) for m in told.inputs] == [
        (True, "agent bob was created, and ended before it got its task")
    ]


@pytest.mark.parametrize("end", ["delete", "terminate"])
async def test_an_order_that_nobody_waits_for_stays_until_it_is_taken_back(stage: Stage, end: str) -> None:
    _, order = await ordered(stage, ordering("bob"))
    await stage.agent("bob")
    await getattr(stage.control, end)("ada", "uid-ada")
    for outcome in ("done", "refused"):
        assert await settled(stage, order, outcome=outcome) == Settled.GONE
    assert await stage.waiting("bob") == 0
    assert await stage.control.orders() == [order]
    await stage.control.done(order)
    assert await stage.control.orders() == []


async def test_an_order_has_no_deadline_and_the_task_has_one(stage: Stage) -> None:
    ada, order = await ordered(stage, ordering("bob"))
    await stage.control.create("bob", "uid-bob")
    later = stage.bus.keys.later
    debt = b"expire ada uid-ada m1"
    assert await stage.bus.command("ZRANGE", later, 0, -1) == [debt]
    await settled(stage, order)
    mine, last = await stage.bus.command("ZRANGE", later, 0, -1)
    assert last == debt
    bob = stage.runtime("bob")
    await bob.claim(None)
    await bob.all_unread()
    theirs = await stage.bus.command("ZSCORE", later, mine.replace(b"ada uid-ada", b"bob uid-bob"))
    assert theirs == await stage.bus.command("ZSCORE", later, mine)
    outcome = await stage.bus.call("expire", ["ada", "uid-ada", mine.split()[-1]])
    assert outcome == b"OK"
    told = turn_of(await ada.all_unread())
    assert [(m.error, m.body) for m in told.inputs] == [(True, "agent bob did not answer in time")]


async def test_too_many_orders_are_refused_and_the_end_of_nobody_is_told_at_once(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    ending = ordering("eve", OrderKind.TERMINATE_AGENT)
    step = [user(turn.inputs[0]), record("assistant", "")]
    many = [ordering(f"child-{number}") for number in range(101)]
    stored = (await ada.append(turn.id, 0, step, [ending, *many])).stored
    assert [b'"NOAGENT"' in each or b'"LIMIT"' in each for each in stored[2:]] == [
        True,
        *[False] * 100,
        True,
    ]
    assert len(await stage.control.orders()) == 100
    assert (await stage.view()).waits == 100


async def test_what_nobody_can_read_keeps_nothing_behind_it_from_being_read(stage: Stage) -> None:
    keys = stage.bus.keys
    await stage.bus.command("XADD", keys.requests, "*", "agent", "ada", "uid", "u", "mode", "Flying")
    await stage.bus.command("XADD", keys.requests, "*", "agent", "ada", "uid", "u", "mode", "Suspended")
    await stage.bus.command("XADD", keys.orders, "*", "kind", "create_agent", "agent", "ada")
    fields = ("kind", "fly", "agent", "ada", "uid", "u", "mid", "m", "thread", "main", "hops", "1")
    await stage.bus.command("XADD", keys.orders, "*", *fields, "name", "bob", "body", "{}")
    _, last = await ordered(stage, ordering("bob"))
    bad_mode, mode, short, unknown, good = await stage.control.orders()
    assert isinstance(mode, ModeOrder)
    assert good == last
    assert isinstance(good, SocietyOrder)
    for bad, word in ((bad_mode, "Flying"), (short, "uid"), (unknown, "fly")):
        assert isinstance(bad, BadOrder)
        assert word in bad.why
        await stage.control.done(bad)
    assert await stage.control.orders() == [mode, good]


async def test_watchers_see_orders_and_what_became_of_them(stage: Stage) -> None:
    _, order = await ordered(stage, ordering("bob"))
    await settled(stage, order, None, "refused")
    told = [event["value"] for event in await stage.events() if event.get("name") == "order"]
    assert isinstance(order, SocietyOrder)
    about = {"id": order.mid, "kind": "create_agent", "name": "bob"}
    assert told == [about | {"status": "asked"}, about | {"status": "refused", "message": "so it is"}]


async def test_a_child_can_ask_its_parent_back_before_it_answers(stage: Stage) -> None:
    ada, order = await ordered(stage, ordering("bob"))
    await stage.control.create("bob", "uid-bob", "ada", "ada")
    await settled(stage, order)
    bob = stage.runtime("bob")
    await bob.claim(None)
    theirs = turn_of(await bob.all_unread())
    step = [user(theirs.inputs[0]), record("assistant", "")]
    await bob.append(theirs.id, 0, step, [asking("ada", "what?")])
    await bob.commit(theirs.id, 3, [record("assistant", "")], Ending("part"), Usage())
    await answer(ada, turn_of(await ada.all_unread()), "apples")
    assert await reply(stage.bus, "m1") is None
    await answer(bob, turn_of(await bob.all_unread()), "three")
    await answer(ada, turn_of(await ada.all_unread()), "three apples")
    assert await reply(stage.bus, "m1") == Ending("three apples")


async def test_no_order_outlives_the_last_agent(stage: Stage) -> None:
    await ordered(stage, ordering("bob"))
    await stage.control.delete("ada", "uid-ada")
    assert [name for name in await stage.key_names() if ":r:" not in name] == []
