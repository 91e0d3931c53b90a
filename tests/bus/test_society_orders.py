"""What agents ask of the operator: it is done and answered once, and the agent waits for that."""

from horos_bus.operating import Child, OrderKind, Settled, SocietyOrder
from horos_bus.records import Ending, Usage
from horos_bus.sender import reply
from tests.bus.stage import Stage, answer, ordering, record, turn_of, user


async def test_a_child_is_born_with_its_task_and_answers_its_parent(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    await ada.append(turn.id, 0, step, [ordering("bob", body='{"task": "count"}')])
    (order,) = await stage.control.orders()
    assert isinstance(order, SocietyOrder)
    mid = f"ada/{turn.id}/0.0"
    assert order == SocietyOrder(
        order.id, OrderKind.CREATE_AGENT, "ada", "uid-ada", mid, "main", 1, "bob", b'{"task": "count"}'
    )
    await ada.commit(turn.id, 3, [record("assistant", "")], Ending("part"), Usage())
    assert await reply(stage.bus, "m1") is None
    assert await stage.control.create("bob", "uid-bob", "ada", "ada") == "OK"
    assert (
        await stage.control.settle(order, "done", "bob is there", Child("bob", "uid-bob", "count"))
        == Settled.OK
    )
    bob = stage.runtime("bob")
    await bob.claim(None)
    theirs = turn_of(await bob.all_unread())
    (asked,) = theirs.inputs
    assert (asked.mid, asked.sender, asked.sender_uid, asked.body) == (mid, "ada", "uid-ada", "count")
    await answer(bob, theirs, "three")
    told = turn_of(await ada.all_unread())
    assert [(m.sender, m.re, m.body, m.error) for m in told.inputs] == [("bob", mid, "three", False)]
    await answer(ada, told, "it is three")
    assert await reply(stage.bus, "m1") == Ending("it is three")
    assert await stage.control.orders() == []
