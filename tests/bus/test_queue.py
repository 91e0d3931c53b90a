"""Who waits for a slot, and where: what the operator tells people."""

import pytest

from horos_bus.control import LIMIT_SECONDS
from horos_bus.operating import Place, Waiting
from horos_bus.records import Turn
from tests.bus.stage import Stage, answer, turn_of


@pytest.fixture
async def crowd(stage: Stage) -> Stage:
    """A namespace with three agents."""
    for name in ("ada", "bob", "cid"):
        await stage.agent(name)
    return stage


async def test_work_says_who_waits_since_when_the_oldest_first(crowd: Stage) -> None:
    before = await crowd.now()
    await crowd.say("m1", "cid")
    between = await crowd.now()
    while await crowd.now() == between:
        pass
    await crowd.say("m2", "ada")
    await crowd.say("m3", "cid")
    first, second = await crowd.control.work()
    assert (first.agent, second.agent) == ("cid", "ada")
    assert before <= first.since <= between < second.since <= await crowd.now()
    assert first == Waiting("cid", (await crowd.view("cid")).since)


async def test_everybody_is_told_their_place(crowd: Stage) -> None:
    await crowd.control.tell_queue(["cid", "ada"])
    assert await crowd.control.queue() == ["cid", "ada"]
    assert await crowd.control.place("cid") == Place(1, 2)
    assert await crowd.control.place("ada") == Place(2, 2)
    assert await crowd.control.place("bob") is None
    assert await crowd.control.place("nobody") is None


async def test_a_later_queue_takes_the_place_of_the_one_before(crowd: Stage) -> None:
    await crowd.control.tell_queue(["cid", "ada"])
    await crowd.control.tell_queue(["ada", "bob"])
    assert await crowd.control.queue() == ["ada", "bob"]
    await crowd.control.tell_queue(["bob", "cid", "ada"])
    assert await crowd.control.queue() == ["bob", "cid", "ada"]


async def test_an_empty_queue_leaves_no_key(crowd: Stage) -> None:
    before = await crowd.key_names()
    await crowd.control.tell_queue(["cid"])
    assert await crowd.key_names() != before
    await crowd.control.tell_queue([])
    await crowd.bus.command("UNLINK", crowd.bus.keys.doorbell)
    assert await crowd.key_names() == before


async def test_the_same_queue_is_written_once(crowd: Stage) -> None:
    await crowd.control.tell_queue(["cid", "ada"])
    assert await _writes(crowd, ["cid", "ada"]) == 0
    assert await _writes(crowd, ["ada", "cid"]) > 0
    assert await _writes(crowd, []) > 0
    assert await _writes(crowd, []) == 0


async def _writes(stage: Stage, queue: list[str]) -> int:
    """How many changes of keys Redis counts."""
    before = await stage.bus.command("INFO", "persistence")
    await stage.control.tell_queue(queue)
    after = await stage.bus.command("INFO", "persistence")
    return int(after["rdb_changes_since_last_save"]) - int(before["rdb_changes_since_last_save"])


async def test_whoever_is_deleted_waits_no_longer(crowd: Stage) -> None:
    await crowd.control.tell_queue(["cid", "ada", "bob"])
    await crowd.control.delete("cid", "uid-cid")
    assert await crowd.control.queue() == ["ada", "bob"]
    assert await crowd.control.place("ada") == Place(1, 2)


async def test_an_operator_that_is_late_tells_of_nobody_who_is_gone(crowd: Stage) -> None:
    await crowd.control.delete("ada", "uid-ada")
    await crowd.control.tell_queue(["ada", "bob"])
    assert await crowd.control.queue() == ["bob"]
    for name in ("bob", "cid"):
        await crowd.control.delete(name, f"uid-{name}")
    await crowd.control.tell_queue(["ada", "bob", "cid"])
    assert await crowd.key_names() == []


async def test_whoever_begins_to_wait_rings_once(crowd: Stage) -> None:
    await crowd.control.tell_queue([])
    assert await crowd.rings() == []
    for queue in (["cid"], ["cid"], ["cid", "bob"], ["bob"], [], ["bob"]):
        await crowd.control.tell_queue(queue)
    assert await crowd.rings() == ["cid", "bob"]


async def test_whoever_comes_to_rest_rings_only_while_others_wait(crowd: Stage) -> None:
    runtime = crowd.runtime("ada")
    await runtime.claim(None)
    await crowd.say("m1")
    await answer(runtime, turn_of(await runtime.all_unread()))
    assert await crowd.rings() == []
    await crowd.control.tell_queue(["bob"])
    for mid in ("m2", "m3"):
        await crowd.say(mid)
    turn = turn_of(await runtime.all_unread())
    await crowd.say("m4", thread="other")
    assert isinstance(await answer(runtime, turn), Turn), "it goes on"
    assert await crowd.rings() == ["bob"]
    await answer(runtime, turn_of(await runtime.all_unread()))
    assert await crowd.rings() == ["bob", "ada"]
    await runtime.all_unread()
    await runtime.retire()
    assert await crowd.rings() == ["bob", "ada"], "once"


async def test_whoever_is_stuck_in_error_rings_while_others_wait(crowd: Stage) -> None:
    runtime = crowd.runtime("ada")
    await runtime.claim(None)
    await crowd.control.tell_queue(["bob"])
    await crowd.say("m1")
    turn = turn_of(await runtime.all_unread())
    for _ in range(2):
        await runtime.fail(turn.id, "Reason", "message")
    assert await crowd.rings() == ["bob", "ada"]


async def test_whoever_goes_for_good_before_others_rings(crowd: Stage) -> None:
    for name in ("ada", "bob"):
        await crowd.say(f"to-{name}", name)
    await crowd.control.tell_queue(["ada", "bob", "cid"])
    before = await crowd.rings()
    await crowd.control.terminate("ada", "uid-ada")
    await crowd.control.delete("bob", "uid-bob")
    assert await crowd.rings() == [*before, "ada", "bob"]


async def test_the_last_one_that_waits_leaves_nothing_behind(crowd: Stage) -> None:
    await crowd.control.tell_queue(["bob"])
    await crowd.control.delete("bob", "uid-bob")
    assert not {crowd.bus.keys.queue, crowd.bus.keys.crowded} & set(await crowd.key_names())


async def test_a_queue_of_thousands_is_told_whole(stage: Stage) -> None:
    names = [f"agent-{number}" for number in range(2500)]
    await stage.bus.command(
        "HSET", stage.bus.keys.agents, *(word for name in names for word in (name, "uid"))
    )
    await stage.control.tell_queue(names)
    assert await stage.control.queue() == names
    await stage.control.tell_queue(names[1200:])
    assert await stage.control.place("agent-1200") == Place(1, 1300)


async def test_the_limit_is_told_until_there_is_none(crowd: Stage) -> None:
    assert await crowd.control.limit() is None
    for limit in (20, 0, None, 5):
        await crowd.control.tell_limit(limit)
        assert await crowd.control.limit() == limit
    await crowd.control.tell_limit(None)
    assert crowd.bus.keys.limit not in await crowd.key_names()


async def test_a_limit_that_nobody_tells_any_more_is_over_in_an_hour(crowd: Stage) -> None:
    await crowd.control.tell_limit(3)
    await crowd.bus.command("PEXPIRE", crowd.bus.keys.limit, 5000)
    await crowd.control.tell_limit(3)
    assert 5000 < await crowd.bus.command("PTTL", crowd.bus.keys.limit) <= LIMIT_SECONDS * 1000
