"""The credentials of one namespace are good for its agents and for nothing else."""

import re
from urllib.parse import quote

import pytest

from horos_api.messages import Verdict
from horos_api.names import key_prefix
from horos_bus.acl import AclOutcome, ensure_namespace_user, namespace_user_name
from horos_bus.approvals import Elicitation
from horos_bus.connection import Bus, BusError, BusUnavailableError, NotPermittedError
from horos_bus.operating import DayLimits, OrderKind, SocietyOrder
from horos_bus.records import Charge, Ending, Leave, Usage
from tests.bus.conftest import OpenBus
from tests.bus.stage import (
    Stage,
    asking,
    calling,
    kept,
    ordering,
    posting,
    record,
    replying,
    sending,
    turn_of,
    user,
)
from tests.redis_fixtures import RedisProcess

INSTALL = "acl"


def _url(server: RedisProcess, namespace: str, password: str) -> str:
    name = quote(namespace_user_name(INSTALL, namespace), safe="")
    return f"redis://{name}:{password}@127.0.0.1:{server.port}/0"


@pytest.fixture
async def admin(redis_process: RedisProcess, open_bus: OpenBus) -> Bus:
    """An administrator's bus in namespace red, with users made for red and blue."""
    opened = open_bus(redis_process.url, key_prefix(INSTALL, "red"))
    for namespace in ("red", "blue"):
        assert await ensure_namespace_user(opened, INSTALL, namespace, f"pw-{namespace}") == "CREATED"
    return opened


@pytest.fixture
def red(admin: Bus, redis_process: RedisProcess, open_bus: OpenBus) -> Bus:
    """What an agent of namespace red has."""
    return open_bus(_url(redis_process, "red", "pw-red"), admin.prefix)


@pytest.fixture
def blue(admin: Bus, redis_process: RedisProcess, open_bus: OpenBus) -> Bus:
    """What an agent of namespace blue has."""
    return open_bus(_url(redis_process, "blue", "pw-blue"), key_prefix(INSTALL, "blue"))


async def test_a_runtime_lives_its_whole_life_with_them(admin: Bus, red: Bus) -> None:
    stage = Stage(admin)
    for name in ("ada", "bob"):
        await stage.agent(name)
    await stage.control.configure("ada", "uid-ada", 1, b"{}")
    runtime = stage.runtime(bus=red)
    await runtime.subscribe()
    await runtime.claim(0)
    await stage.say("m1")
    await runtime.wait_for_wake(5)
    assert await runtime.config() == b"{}"
    assert await runtime.agents() == ["ada", "bob"]
    turn = turn_of(await runtime.all_unread())
    await runtime.charge(turn.id, Charge(20_000, 10, 10, tokens_limit=100))
    step = [user(turn.inputs[0]), record("assistant", "")]
    used = Usage(100, 1, 1)
    await runtime.append(turn.id, 0, step, [sending("bob")], usage=used, day=20_000, offloaded={"1": b"long"})
    assert await runtime.offloaded("main", "1") == b"long"
    assert (await runtime.charge(turn.id, Charge(20_000, 10, 10, tokens_limit=100))).exhausted
    await stage.say("m2")
    joined = (await runtime.append(turn.id, 3, [record("assistant", "")], [asking("bob")])).joined
    await runtime.append(turn.id, 5, [user(joined[0])], [replying("m1")])
    await runtime.emit(turn.id, [{"type": "X"}])
    assert len(await kept(runtime)) == 7
    assert (await runtime.standing()).held
    await stage.control.tell_queue(["bob"])
    await runtime.fail(turn.id, "Reason", "message")
    await runtime.all_unread()
    await runtime.commit(turn.id, 7, [record("assistant", "")], Ending(), Usage())
    for mid in ("m3", "m4"):
        await stage.say(mid)
    await runtime.all_unread()
    for _ in range(3):
        # One attempt: the batch is taken apart, then its first message is buried.
        await runtime.retire(force=True)
        runtime = stage.runtime(bus=red)
        await runtime.claim(None, max_attempts=0)
    assert [letter.message.mid for letter in await stage.control.dead_letters("ada")] == ["m3"]
    turn = turn_of(await runtime.all_unread())
    closing = [*map(user, turn.inputs), record("assistant", "")]
    await runtime.commit(turn.id, turn.base, closing, Ending(), keep_from=5)
    assert (await runtime.stretch("main")).start == 5
    await runtime.retire()


async def test_a_runtime_asks_people_with_them(admin: Bus, red: Bus) -> None:
    stage = Stage(admin)
    await stage.agent()
    runtime = stage.runtime(bus=red)
    await runtime.claim(0)
    await runtime.report_servers(b"{}")
    assert await stage.control.servers("ada") == b"{}"
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    await runtime.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [calling()])
    for number in range(3):
        await runtime.elicit(turn.id, Elicitation(f"ada/{number}", "pay", "bank", "PIN?", "{}", 9))
    assert await runtime.answer("ada/0") is None
    await runtime.withdraw("ada/0")
    await runtime.commit(turn.id, 3, [record("assistant", "")], Ending())
    assert len(await stage.control.approvals("ada")) == 1
    await stage.control.decide("ada", f"ada/{turn.id}/0.0", Verdict.APPROVE, "bob")
    turn = turn_of(await runtime.all_unread())
    await runtime.commit(turn.id, 4, [user(turn.inputs[0])], Ending())
    assert await stage.control.approvals("ada") == []


async def test_a_member_talks_in_its_group_with_them(admin: Bus, red: Bus) -> None:
    stage, theirs = Stage(admin), Stage(red)
    for name in ("ada", "bob"):
        await stage.agent(name)
    await stage.group(retain=2)
    runtime = theirs.runtime(token="t")
    await runtime.claim(0)
    for mid in ("m1", "m2", "m3"):
        await stage.post(mid, "@ada")
    turn = turn_of(await runtime.all_unread())
    assert len((await theirs.reading(token="t").unread(turn.inputs[2])).posts) == 2
    assert [line.name for line in await theirs.reading().groups()] == ["team"]
    step = [*map(user, turn.inputs), record("assistant", "")]
    effects = [posting(mentions=["bob"]), posting(delay_seconds=60), sending("bob", delay_seconds=60)]
    appended = await runtime.append(turn.id, 0, step, effects)
    await runtime.commit(turn.id, len(appended.stored), [record("assistant", "")], Ending(text="yes"))
    assert [post.body for post in await stage.log()] == ["hear", "yes"]
    view = await stage.groups.view("team")
    assert view is not None
    assert view.unread == {"ada": 0, "bob": 2}


async def test_a_runtime_orders_waits_and_ends_as_a_task_with_them(admin: Bus, red: Bus) -> None:
    stage = Stage(admin)
    for name, parent in (("eve", ""), ("ada", "eve"), ("bob", "ada")):
        await stage.control.create(name, f"uid-{name}", parent, "eve" if parent else "")
    await stage.control.configure("ada", "uid-ada", 1, b"{}", lifetime="Task")
    await stage.control.configure("eve", "uid-eve", 1, b"{}", limits=DayLimits(tokens=100))
    runtime = stage.runtime(bus=red)
    await runtime.claim(0)
    await stage.say("m1")
    turn = turn_of(await runtime.all_unread())
    assert (await runtime.charge(turn.id, Charge(20_000, 10, 10))).exhausted == ""
    effects = [ordering("new"), ordering("bob", OrderKind.TERMINATE_AGENT)]
    step = [user(turn.inputs[0]), record("assistant", "")]
    await runtime.append(turn.id, 0, step, effects, usage=Usage(100, 0, 0), day=20_000)
    assert (await runtime.charge(turn.id, Charge(20_000, 10, 10))).root == "eve"
    await runtime.commit(turn.id, 4, [], Ending())
    for order in await stage.control.orders():
        assert isinstance(order, SocietyOrder)
        await stage.control.settle(order, "refused", "no")
    turn = turn_of(await runtime.all_unread())
    closing = [*map(user, turn.inputs), record("assistant", "")]
    assert await runtime.commit(turn.id, turn.base, closing, Ending("done")) == Leave("terminated")
    assert await runtime.retire() is True
    told = [event["value"] for event in await stage.events("eve")]
    assert told == [{"name": "ada", "status": "ended", "reason": "TaskDone"}]


async def test_another_namespace_is_out_of_reach(admin: Bus, blue: Bus) -> None:
    await Stage(admin).resident("ada", token="t")
    keys = admin.keys
    forbidden: list[tuple[str, ...]] = [
        ("GET", keys.config("ada")),
        ("HGETALL", keys.agents),
        ("XRANGE", keys.inbox("ada"), "-", "+"),
        ("HSET", keys.state("ada"), "holder", "me"),
        ("XADD", keys.inbox("ada"), "*", "mid", "x"),
        ("XADD", keys.orders, "*", "kind", "create_agent"),
        ("PUBLISH", keys.wake("ada"), "m"),
    ]
    for command in forbidden:
        with pytest.raises(NotPermittedError):
            await blue.command(*command)
    intruder = Stage(blue.at(admin.prefix))
    spy = intruder.runtime(token="t")
    for attempt in (spy.subscribe(), spy.all_unread(), kept(spy), intruder.say("m1")):
        with pytest.raises(BusError):
            await attempt


async def test_what_the_operator_tells_or_is_told_is_not_theirs_to_write(admin: Bus, red: Bus) -> None:
    stage = Stage(admin)
    await stage.agent()
    await stage.control.tell_queue(["ada"])
    keys = admin.keys
    forbidden: list[tuple[str, ...]] = [
        ("ZADD", keys.queue, "0", "me"),
        ("ZREM", keys.queue, "ada"),
        ("SET", keys.limit, "1000"),
        ("XADD", keys.requests, "*", "agent", "ada"),
        ("SET", f"{admin.prefix}anything", "x"),
    ]
    for command in forbidden:
        with pytest.raises(NotPermittedError):
            await red.command(*command)
    with pytest.raises(BusError, match=r"(?i)acl|permission"):
        await Stage(red).control.tell_queue([])
    assert await stage.control.queue() == ["ada"]


async def test_a_script_of_their_own_reaches_no_further(admin: Bus, blue: Bus) -> None:
    await Stage(admin).resident("ada")
    for code in (
        f"return redis.call('HGETALL', '{admin.keys.state('ada')}')",
        f"return redis.call('PUBLISH', '{admin.keys.wake('ada')}', 'm')",
        "return redis.call('FLUSHALL')",
    ):
        digest = await blue.command("SCRIPT LOAD", code)
        with pytest.raises(BusError, match=r"(?i)acl|permission"):
            await blue.command("EVALSHA", digest, 0)


@pytest.mark.parametrize(
    "command",
    [
        "ACL WHOAMI",
        "ACL LIST",
        "CONFIG GET *",
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "SCAN 0",
        "DBSIZE",
        "INFO",
        "CLIENT LIST",
        "SCRIPT FLUSH",
        "MONITOR",
        "SHUTDOWN",
        "PSUBSCRIBE *",
        "DEL horos:acl:{blue}:agents",
        "MEMORY DOCTOR",
    ],
)
async def test_nothing_of_the_server_is_in_reach(blue: Bus, command: str) -> None:
    with pytest.raises(NotPermittedError):
        await blue.command(*command.split())


async def test_making_the_user_again_changes_nothing(admin: Bus, red: Bus) -> None:
    await Stage(admin).agent()
    runtime = Stage(admin).runtime(bus=red)
    await runtime.subscribe()
    connected = await _subscribers(admin)
    assert await ensure_namespace_user(admin, INSTALL, "red", "pw-red") is AclOutcome.SAME
    assert await _subscribers(admin) == connected
    assert len(connected) == 1


async def test_a_new_password_replaces_the_old_one(
    admin: Bus, red: Bus, redis_process: RedisProcess, open_bus: OpenBus
) -> None:
    assert await ensure_namespace_user(admin, INSTALL, "red", "new") is AclOutcome.CREATED
    await open_bus(_url(redis_process, "red", "new"), admin.prefix).ping()
    with pytest.raises(BusUnavailableError):
        await red.ping()


async def test_the_user_outlives_a_restart(red: Bus, redis_process: RedisProcess) -> None:
    redis_process.restart()
    await red.ping()


async def test_whoever_may_not_make_users_is_told(red: Bus) -> None:
    assert await ensure_namespace_user(red, INSTALL, "green", "pw") is AclOutcome.NOT_ALLOWED


def test_no_two_namespaces_share_a_user() -> None:
    pairs = [("a", "b-c"), ("a-b", "c"), ("a.b", "c"), ("a", "b")]
    assert len({namespace_user_name(*pair) for pair in pairs}) == len(pairs)


async def _subscribers(admin: Bus) -> list[bytes]:
    """Ids of the connections that listen."""
    return re.findall(rb"(?m)^id=(\d+)", await admin.command("CLIENT", "LIST", "TYPE", "pubsub"))
