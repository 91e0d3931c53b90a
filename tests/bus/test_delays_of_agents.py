"""What agents send later, and what ends those that never stop sending."""

from collections.abc import Awaitable, Callable

import pytest

from horos_api.messages import MessageKind, NewMessage, SendOutcome
from horos_bus.message_service import MessageService
from horos_bus.records import Effect, Ending, Idle
from horos_bus.sender import send
from tests.bus.stage import (
    Stage,
    answer,
    asking,
    posting,
    record,
    sending,
    tool_result,
    turn_of,
    user,
)

HOPS_LIMIT = 100
SENDS_PER_MINUTE = 120


async def does(runtime: MessageService, *effects: Effect, closing: str = "done") -> list[bytes]:
    """Take the next turn with one step of these effects; returns their results."""
    turn = turn_of(await runtime.all_unread())
    step = [*map(user, turn.inputs), record("assistant", "")]
    appended = await runtime.append(turn.id, turn.base, step, effects)
    ix = turn.base + len(appended.stored)
    await runtime.commit(turn.id, ix, [record("assistant", closing)], Ending(text=closing))
    return list(appended.stored[len(step) :])


async def test_a_note_to_oneself_comes_when_it_is_due(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.say("m1")
    assert await does(ada, sending("ada", "good morning", delay_seconds=86_400)) == [
        tool_result("call-1", "OK")
    ]
    assert await stage.control.work_off_later() == 0
    assert await ada.all_unread() == Idle(0)
    await stage.time_comes()
    (note,) = turn_of(await ada.all_unread()).inputs
    assert (note.body, note.sender, note.hops) == ("good morning", "ada", 0)


async def test_a_short_delay_goes_on_counting_hops(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.say("m1")
    await does(ada, sending("ada", "short", delay_seconds=59), sending("ada", "long", delay_seconds=60))
    await stage.time_comes()
    assert {note.body: note.hops for note in turn_of(await ada.all_unread()).inputs} == {
        "short": 1,
        "long": 0,
    }


async def test_a_delayed_question_waits_from_now_and_has_its_time_from_then(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.say("m1")
    (told,) = await does(ada, asking("bob", delay_seconds=7200))
    assert told == tool_result("call-1", "OK")
    view = await stage.view("ada")
    assert (view.waits, view.owed) == (1, 1), "what it owes is held back from now on"
    now = await stage.now()
    times = [(entry.split(b" ")[0], float(time) / 1000 - now) for entry, time in await stage.later()]
    assert times == [
        (b"expire", pytest.approx(3600, abs=600)),
        (b"due", pytest.approx(7200, abs=600)),
        (b"expire", pytest.approx(7200 + 3600, abs=600)),
    ]
    await stage.time_comes(b"due ")
    await answer(bob, turn_of(await bob.all_unread()), "fine")
    (reply,) = turn_of(await ada.all_unread()).inputs
    assert (reply.kind, reply.body) == (MessageKind.REPLY, "fine")


async def test_a_delayed_question_to_somebody_who_is_gone_ends_with_an_error(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.agent("bob")
    await stage.say("m1")
    await does(ada, asking("bob", delay_seconds=60))
    await stage.control.delete("bob", "uid-bob")
    (reply,) = turn_of(await ada.all_unread()).inputs
    assert (reply.kind, reply.error, reply.body) == (MessageKind.REPLY, True, "agent bob was deleted")


async def test_nobody_to_send_to_later_is_said_at_once(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.say("m1")
    assert await does(ada, sending("zoe", delay_seconds=60)) == [tool_result("call-1", "NOAGENT")]


async def test_a_delayed_post_is_posted_when_it_is_due_and_once(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.agent("bob")
    await stage.group()
    await stage.say("m1")
    (told,) = await does(ada, posting(body="later", mentions=["bob"], delay_seconds=90))
    assert told == tool_result("call-1", "OK: %WOKEN% / %FULL% / %STRANGERS%"), "nobody knows yet"
    assert await stage.log() == []
    await stage.post("m2", "sooner")
    entries = await stage.later()
    await stage.time_comes()
    assert [post.body for post in await stage.log()] == ["sooner", "later"]
    assert (await stage.waiting("bob"), await stage.waiting("ada")) == (1, 0)
    await stage.bus.call("due_post", ["team", entries[0][0]])
    assert len(await stage.log()) == 2


async def test_whoever_posts_later_hears_whom_it_did_not_wake(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.agent("bob")
    await stage.group()
    await stage.say("m1")
    await does(ada, posting(mentions=["bob", "zoe"], delay_seconds=90))
    await stage.time_comes()
    turn = turn_of(await ada.all_unread())
    (notice,) = turn.inputs
    assert (notice.kind, notice.thread, notice.sender) == (MessageKind.NOTICE, "main", "ada")
    assert notice.body == (
        "Your delayed message to group team was posted. Not woken, since their inboxes are full: nobody. "
        "No members: zoe."
    )
    assert await stage.waiting("bob") == 1
    await stage.time_comes()
    assert await stage.waiting("ada") == 1, "told once"


async def test_a_delayed_post_ends_with_its_group(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.group()
    await stage.say("m1")
    await does(ada, posting(delay_seconds=90))
    ((entry, _),) = await stage.later()
    await stage.groups.delete("team", "uid-team")
    assert await stage.later() == []
    (notice,) = turn_of(await ada.all_unread()).inputs
    assert notice.kind == MessageKind.NOTICE
    assert notice.body == (
        "Your delayed message to group team was not posted: the group was deleted before it was due."
    )
    # One that a crash of Redis brought back finds no other group of the name.
    await stage.group("team")
    await stage.bus.command("HSET", f"{stage.bus.prefix}g:team:meta", "uid", "uid-2")
    await stage.bus.command("ZADD", stage.bus.keys.later, 1, entry)
    await stage.control.work_off_later()
    assert (await stage.log(), await stage.later()) == ([], [])


async def test_messages_count_how_many_led_to_them(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.say("m1")
    await does(ada, asking("bob"))
    (question,) = turn_of(await bob.all_unread()).inputs
    assert question.hops == 1
    await answer(bob, turn_of(await bob.all_unread()))
    (reply,) = turn_of(await ada.all_unread()).inputs
    assert reply.hops == 2
    await does(ada, sending("bob"))
    assert [m.hops for m in turn_of(await bob.all_unread()).inputs] == [3]


async def test_a_turn_counts_from_the_longest_way(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.say("m1", to="bob")
    await does(bob, sending("ada"))
    await stage.say("m2", to="ada")
    await does(ada, sending("bob"))
    assert [m.hops for m in turn_of(await bob.all_unread()).inputs] == [2]


async def test_two_that_always_answer_each_other_come_to_an_end(stage: Stage) -> None:
    names = ("ada", "bob")
    runtimes = {name: await stage.resident(name) for name in names}
    await stage.say("m1")
    sent = 0
    while True:
        name, other = names[sent % 2], names[(sent + 1) % 2]
        (told,) = await does(runtimes[name], sending(other))
        if told != tool_result("call-1", "OK"):
            break
        sent += 1
    assert (sent, told) == (HOPS_LIMIT, tool_result("call-1", "LOOP"))
    assert [await runtimes[name].all_unread() for name in names] == [Idle(0), Idle(0)]


async def test_a_loop_through_a_group_comes_to_an_end_too(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.group(members=["ada", "bob"])
    await inherit_hops(stage, HOPS_LIMIT)
    loop = tool_result("call-1", "LOOP: %WOKEN% / %FULL% / %STRANGERS%")
    later = tool_result("call-1", "OK: %WOKEN% / %FULL% / %STRANGERS%")
    assert await does(ada, posting(), posting(delay_seconds=59), posting(delay_seconds=60)) == [
        loop,
        loop,
        later,
    ]


async def inherit_hops(stage: Stage, hops: int) -> None:
    """Give ada a notice that so many messages have led to."""
    fields = {"mid": f"n{hops}", "from": "bob", "fuid": "uid-bob", "thread": "main", "kind": "notice"}
    words = [word for pair in (fields | {"re": "", "body": "", "hops": str(hops)}).items() for word in pair]
    await stage.bus.command("XADD", stage.bus.keys.inbox("ada"), "*", *words)


async def test_an_answer_is_given_however_long_the_way_was(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await inherit_hops(stage, HOPS_LIMIT)
    question = NewMessage(to="ada", mid="m1", body="?")
    assert await send(stage.bus, question) == SendOutcome.OK
    assert await does(ada, sending("ada"), asking("ada")) == [
        tool_result("call-1", "LOOP"),
        tool_result("call-1", "NOAGENT"),
    ]
    assert (await stage.view("ada")).owed == 0


async def test_what_is_narrowed_counts_for_itself(stage: Stage) -> None:
    await stage.resident("ada")
    await stage.say("m1", kind="notice")
    await inherit_hops(stage, 50)
    runtime = stage.runtime("ada", "next")
    await runtime.claim(None)
    assert len(turn_of(await runtime.all_unread()).inputs) == 2
    last = stage.runtime("ada", "last")
    await last.claim(None, max_attempts=1)
    await does(last, sending("ada"))
    assert sorted(m.hops for m in turn_of(await last.all_unread()).inputs) == [1, 50]


async def minute_of(stage: Stage) -> int:
    """The minute of Redis' clock."""
    return int(await stage.now()) // 60


async def within_a_minute(stage: Stage, act: Callable[[str], Awaitable[list[bytes]]]) -> list[bytes]:
    """Let agent after agent act, until a minute did not end meanwhile."""
    for name in ("ada", "bea", "cleo", "dora"):
        minute = await minute_of(stage)
        told = await act(name)
        if await minute_of(stage) == minute:
            return told
    raise AssertionError("the machine is too slow: four minutes ended while four agents acted")


async def test_an_agent_sends_only_so_much_in_a_minute(stage: Stage) -> None:
    members = ["kim", "lea", "mo"]
    for name in members:
        await stage.agent(name)
    await stage.group(members=members)
    refused = [sending("zoe")] * 10  # what is not accepted does not count
    effects = [*refused, *[posting(mentions=members)] * 29, *[sending("kim")] * 5, asking("lea"), posting()]

    async def act(name: str) -> list[bytes]:
        runtime = await stage.resident(name)
        await stage.say(f"to-{name}", to=name)
        return await does(runtime, *effects)

    assert (await within_a_minute(stage, act))[10:] == [
        *[tool_result("call-1", "OUTSIDE: kim, lea, mo / nobody / nobody")] * 29,
        *[tool_result("call-1", "OK")] * 4,
        *[tool_result("call-1", "RATE")] * 2,
        tool_result("call-1", "RATE: %WOKEN% / %FULL% / %STRANGERS%"),
    ]


async def test_what_was_sent_in_turns_before_counts_until_the_minute_is_over(stage: Stage) -> None:
    await stage.agent("kim")

    async def act(name: str) -> list[bytes]:
        runtime, state = await stage.resident(name), stage.bus.keys.state(name)
        await stage.say(f"1-{name}", to=name)
        await does(runtime, sending("kim"), sending("kim", delay_seconds=5))
        assert await stage.bus.command("HGET", state, "sent") == b"2"
        await stage.bus.command("HSET", state, "sent", SENDS_PER_MINUTE)
        await stage.say(f"2-{name}", to=name)
        told = await does(runtime, asking("kim"))
        await stage.bus.command("HSET", state, "minute", await minute_of(stage) - 1)
        await stage.say(f"3-{name}", to=name)
        return told + await does(runtime, asking("kim"))

    told = await within_a_minute(stage, act)
    assert told == [tool_result("call-1", "RATE"), tool_result("call-1", "OK")]
