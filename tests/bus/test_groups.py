"""Groups: one order for all, mentions that wake, places up to which members have read."""

import asyncio

import pytest

from horos_api.mentions import Wake
from horos_api.messages import MessageKind
from horos_bus.decoding import effect_words
from horos_bus.group_records import GroupSpan, NewPost, Posted
from horos_bus.group_service import GroupService
from horos_bus.records import Ending, FencedError, Idle, Turn
from tests.bus.stage import Stage, answer, kept, posting, record, tool_result, turn_of, user


async def heard(stage: Stage, name: str, token: str, turn: Turn) -> list[str]:
    """What a member reads in a turn, mention by mention."""
    reading, told = stage.reading(name, token), []
    for index, mention in enumerate(turn.inputs):
        unread = await reading.unread(mention, turn.inputs[:index])
        told.append(" ".join(post.mid for post in unread.posts))
    return told


async def test_a_post_wakes_whom_it_mentions_and_nobody_else(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    assert await stage.group() == "OK"
    posted = await stage.post("m1", "what do you think, @ada? @zoe @eve")
    assert posted == Posted("OK", posted.id, woken=("ada",), strangers=("eve", "zoe"))
    turn = turn_of(await ada.all_unread())
    (mention,) = turn.inputs
    assert (turn.thread, mention.kind, mention.mid) == ("group.team", MessageKind.MENTION, "m1@ada")
    assert (mention.re, mention.group, mention.group_uid) == (posted.id, "team", "uid-team")
    assert (mention.body, mention.sender, mention.from_person) == ("", "", True)
    assert await bob.all_unread() == Idle(0)
    assert await stage.in_work() == ["ada"]


async def test_all_read_the_same_in_the_same_order(stage: Stage) -> None:
    names = [f"agent-{number}" for number in range(20)]
    runtimes = {name: await stage.resident(name, f"token-{name}") for name in names}
    await stage.group(members=names)
    for number in range(5):
        await stage.post(f"m{number}", f"thought {number}")
    assert (await stage.post("call", mentions=names)).woken == tuple(sorted(names))
    for name, runtime in runtimes.items():
        turn = turn_of(await runtime.all_unread())
        assert len(turn.inputs) == 1
        assert await heard(stage, name, f"token-{name}", turn) == ["m0 m1 m2 m3 m4 call"]


async def test_the_final_text_is_posted_quietly_and_once(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.group(wake=Wake.ALL)
    assert (await stage.post("m1")).woken == ("ada", "bob")
    assert await answer(ada, turn_of(await ada.all_unread()), "I think @bob is right") == Idle(0)
    (_, quiet) = await stage.log()
    assert (quiet.mid, quiet.sender, quiet.body) == ("m1@ada!answer", "ada", "I think @bob is right")
    assert (quiet.answers, quiet.error, quiet.mentions) == (("m1@ada",), False, ())
    # Neither the group's wake nor the name in the text wakes anybody.
    assert [m.mid for m in turn_of(await bob.all_unread()).inputs] == ["m1@bob"]


async def test_several_mentions_of_one_turn_make_one_post_and_are_read_once(stage: Stage) -> None:
    ada = await stage.resident("ada", "here")
    await stage.group()
    for mid, body in [("m1", "@ada one"), ("m2", "between"), ("m3", "@ada two"), ("m4", "behind")]:
        await stage.post(mid, body)
    turn = turn_of(await ada.all_unread())
    assert await heard(stage, "ada", "here", turn) == ["m1", "m2 m3"]
    await answer(ada, turn, "both")
    quiet = (await stage.log())[-1]
    assert (quiet.mid, quiet.answers) == ("m1@ada!answer", ("m1@ada", "m3@ada"))
    await stage.post("m5", "@ada again")
    assert await heard(stage, "ada", "here", turn_of(await ada.all_unread())) == ["m4 m1@ada!answer m5"]


async def test_nothing_to_say_is_nothing_posted(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.group()
    await stage.post("m1", "@ada for your information")
    assert await answer(ada, turn_of(await ada.all_unread()), "") == Idle(0)
    assert [post.mid for post in await stage.log()] == ["m1"]
    assert await stage.bus.command("HLEN", stage.bus.keys.owed("ada")) == 0


async def test_an_error_is_posted_as_one(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.group()
    await stage.post("m1", "@ada")
    turn = turn_of(await ada.all_unread())
    closing = [user(turn.inputs[0]), record("assistant", "")]
    await ada.commit(turn.id, 0, closing, Ending(error="cancelled by a person"))
    quiet = (await stage.log())[-1]
    assert (quiet.error, quiet.body, quiet.answers) == (True, "cancelled by a person", ("m1@ada",))


async def test_who_joins_later_reads_nothing_from_before(stage: Stage) -> None:
    await stage.resident("ada", "here")
    await stage.group(members=["bob"])
    await stage.post("m1", "before")
    assert await stage.group(members=["ada", "bob"]) == "OK"
    assert await stage.group(members=["bob", "ada"]) == "SAME"
    await stage.post("m2", "after")
    assert (await stage.post("m3", "@ada")).woken == ("ada",)
    turn = turn_of(await stage.runtime("ada", "here").all_unread())
    assert await heard(stage, "ada", "here", turn) == ["m2 m3"]


async def test_who_leaves_reads_no_more_and_who_returns_begins_anew(stage: Stage) -> None:
    ada = await stage.resident("ada", "here")
    await stage.group()
    await stage.post("m0", "@ada")
    await answer(ada, turn_of(await ada.all_unread()))
    await stage.post("m1", "secret")
    await stage.post("m2", "@ada")
    assert "cur:team" in await stage.state_fields("ada")
    assert await stage.group(members=["bob"]) == "OK"
    assert "cur:team" not in await stage.state_fields("ada")
    assert (await stage.post("m3", "@ada are you there?")).strangers == ("ada",)
    turn = turn_of(await ada.all_unread())
    assert await heard(stage, "ada", "here", turn) == ["m2"], "what it was woken for, and nothing else"
    await answer(ada, turn, "gone")
    assert (await stage.log())[-1].body == "gone"
    assert not [name for name in await stage.state_fields("ada") if name.startswith("cur:")]
    await stage.group(members=["ada", "bob"])
    await stage.post("m4", "@ada welcome back")
    assert await heard(stage, "ada", "here", turn_of(await ada.all_unread())) == ["m4"]


async def test_another_life_of_a_name_is_another_member(stage: Stage) -> None:
    await stage.resident("ada")
    await stage.group()
    await stage.control.delete("ada", "uid-ada")
    await stage.control.create("ada", "uid-new")
    assert (await stage.post("m1", "@ada")).strangers == ("ada",)
    await stage.groups.put("team", "uid-team", Wake.MENTIONED, 1000, {"ada": "uid-new", "bob": "uid-bob"})
    assert (await stage.post("m2", "@ada")).woken == ("ada",)
    view = await stage.groups.view("team")
    assert view is not None
    assert view.unread == {"ada": 1, "bob": 2}


async def test_unread_counts_what_lies_behind_the_place(stage: Stage) -> None:
    ada = await stage.resident("ada", "here")
    await stage.agent("bob")
    await stage.group(retain=3)
    for number in range(5):
        await stage.post(f"m{number}")
    await stage.post("m5", "@ada")
    view = await stage.groups.view("team")
    assert view is not None
    assert (view.uid, view.wake, view.retain, view.length) == ("uid-team", Wake.MENTIONED, 3, 3)
    assert view.unread == {"ada": 3, "bob": 3}, "what is no longer kept is no longer unread"
    await answer(ada, turn_of(await ada.all_unread()))
    view = await stage.groups.view("team")
    assert view is not None
    assert view.unread == {"ada": 0, "bob": 3}, "whoever had read all before has read its own, too"
    assert (await stage.log())[-1].id == view.last
    assert (await stage.log())[0].id == view.oldest
    assert await stage.groups.span("team") == GroupSpan(view.oldest, view.last)
    assert await stage.groups.span("nobody") is None


async def test_whoever_posts_first_has_read_its_own_words(stage: Stage) -> None:
    ada = await stage.resident("ada", "here")
    await stage.agent("bob")
    await stage.group()
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [posting()])
    view = await stage.groups.view("team")
    assert view is not None
    assert view.unread == {"ada": 0, "bob": 1}
    await stage.post("m2", "@ada")
    await ada.commit(turn.id, 3, [record("assistant", "done")], Ending(text="done"))
    assert await heard(stage, "ada", "here", turn_of(await ada.all_unread())) == ["m2"]


async def test_a_post_of_somebody_who_is_gone_leaves_no_key_of_it(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.group()
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    await ada.append(turn.id, 0, step, [posting(delay_seconds=90)])
    await stage.control.delete("ada", "uid-ada")
    await stage.time_comes()
    assert [post.sender for post in await stage.log()] == ["ada"]
    assert await stage.bus.command("EXISTS", stage.bus.keys.state("ada")) == 0


async def test_the_newest_are_kept_and_numbers_go_on(stage: Stage) -> None:
    await stage.agent("ada")
    await stage.group(retain=10)
    for number in range(25):
        await stage.post(f"m{number}")
    assert [post.number for post in await stage.log()] == list(range(16, 26))
    assert await stage.group(retain=2) == "OK"
    assert [post.mid for post in await stage.log()] == ["m23", "m24"]


async def test_a_mention_of_many_unread_posts_says_how_many_are_missed(stage: Stage) -> None:
    ada = await stage.resident("ada", "here")
    await stage.group()
    for number in range(80):
        await stage.post(f"m{number}", "x" * 2000)
    await stage.post("call", "@ada")
    (mention,) = turn_of(await ada.all_unread()).inputs
    unread = await stage.reading("ada", "here").unread(mention)
    # 64 KiB of bodies, the newest; the one that mentions it takes 4 bytes.
    assert len(unread.posts) == 33
    assert (unread.posts[-1].mid, unread.missed) == ("call", 81 - 33)


async def test_one_that_is_longer_than_all_is_shown_alone(stage: Stage) -> None:
    ada = await stage.resident("ada", "here")
    await stage.group()
    await stage.post("m1")
    await stage.post("m2", "@ada " + "x" * 200_000)
    (mention,) = turn_of(await ada.all_unread()).inputs
    unread = await stage.reading("ada", "here").unread(mention)
    assert ([post.mid for post in unread.posts], unread.missed) == (["m2"], 1)


async def test_at_most_64_are_shown(stage: Stage) -> None:
    ada = await stage.resident("ada", "here")
    await stage.group()
    for number in range(70):
        await stage.post(f"m{number}")
    await stage.post("call", "@ada")
    (mention,) = turn_of(await ada.all_unread()).inputs
    unread = await stage.reading("ada", "here").unread(mention)
    assert (len(unread.posts), unread.posts[0].mid, unread.missed) == (64, "m7", 7)


async def test_reading_moves_nothing_and_is_for_the_holder(stage: Stage) -> None:
    ada = await stage.resident("ada", "here")
    await stage.group()
    await stage.post("m1", "@ada")
    turn = turn_of(await ada.all_unread())
    before = await stage.contents()
    for _ in range(2):
        assert await heard(stage, "ada", "here", turn) == ["m1"]
    assert await stage.contents() == before
    with pytest.raises(FencedError):
        await stage.reading("ada", "another").unread(turn.inputs[0])


async def test_a_post_of_somebody_is_accepted_once(stage: Stage) -> None:
    await stage.agent("ada")
    assert await stage.post("m0") == Posted("NOGROUP")
    await stage.group()
    assert (await stage.post("m1", "@ada")).outcome == "OK"
    assert await stage.post("m1", "@ada") == Posted("DUP")
    assert len(await stage.log()) == 1
    assert await stage.waiting("ada") == 1
    retry = NewPost("team", "m2", "eve", "hear", group_uid="uid-other")
    assert await stage.groups.post(retry) == Posted("NOGROUP")
    with pytest.raises(ValueError, match="mentions: name 'no name'"):
        await stage.post("m3", mentions=["no name"])


async def test_an_agents_post_is_told_whom_it_woke(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.agent("bob")
    await stage.agent("cy")
    await stage.group(members=["ada", "bob", "cy"])
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    effect = posting(body="look", mentions=["bob", "zoe", "ada"])
    appended = await ada.append(turn.id, 0, step, [effect])
    told = tool_result("call-1", "OK: bob / nobody / zoe")
    assert appended.stored == (*step, told)
    assert (await kept(ada))[2] == told
    assert (await ada.append(turn.id, 0, step, [effect])).stored == appended.stored
    (post,) = await stage.log()
    assert (post.mid, post.sender, post.mentions) == (f"ada/{turn.id}/0.0", "ada", ("bob", "zoe", "ada"))
    (entry,) = await stage.control.inbox("bob")
    assert (entry.sender, entry.sender_uid, entry.from_person) == ("ada", "uid-ada", False)
    assert await stage.waiting("cy") == 0


async def test_whose_inbox_is_full_is_told_and_the_text_names_twenty(stage: Stage) -> None:
    ada = await stage.resident("ada", "here")
    names = [f"agent-{number:04}" for number in range(1000)]
    for number, name in enumerate(names):
        await stage.agent(name)
        if number >= 30:
            await stage.say(f"to-{name}", to=name, kind="notice")
    assert await stage.group(members=[*names, "ada"], wake=Wake.ALL) == "OK"
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    words = ["ada", "here", turn.id, 0, 1, 0, 0, 0, 0, 1, 0, user(turn.inputs[0])]
    answered = await stage.bus.call("append", [*words, *effect_words(posting())])
    found = answered[4][0]
    first, last = ", ".join(names[:20]), ", ".join(names[30:50])
    assert found == tool_result("call-1", f"OK: {first} and 10 more / {last} and 950 more / nobody")
    assert [entry.kind for entry in await stage.control.inbox(names[29])] == ["mention"]
    assert [entry.kind for entry in await stage.control.inbox(names[30])] == ["notice"]
    view = await stage.groups.view("team")
    assert view is not None
    assert view.unread[names[500]] == 1, "who was not woken can read it all the same"


async def test_who_is_no_member_may_post_and_is_told_so(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.agent("bob")
    await stage.group(members=["bob"])
    await stage.say("m1")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    appended = await ada.append(turn.id, 0, step, [posting(mentions=["bob"]), posting("nogroup")])
    assert appended.stored[2:] == (
        tool_result("call-1", "OUTSIDE: bob / nobody / nobody"),
        tool_result("call-1", "NOGROUP: %WOKEN% / %FULL% / %STRANGERS%"),
    )


async def test_a_group_ends_with_its_keys_and_another_of_its_name_begins_anew(stage: Stage) -> None:
    ada = await stage.resident("ada", "here")
    await stage.agent("bob")
    await stage.group()
    for number in range(3):
        await stage.post(f"m{number}", "@ada")
    await answer(ada, turn_of(await ada.all_unread()))
    await stage.post("late", "@ada")
    turn = turn_of(await ada.all_unread())
    assert await stage.groups.put("team", "uid-2", Wake.ALL, 9, {}) == "EXISTS"
    assert await stage.groups.delete("team", "uid-2") == "GONE"
    assert await stage.groups.delete("team", "uid-team") == "OK"
    assert await stage.groups.delete("team", "uid-team") == "GONE"
    assert not [name for name in await stage.key_names() if ":g:" in name or name.endswith("groups")]
    assert not [name for name in await stage.state_fields("ada") if name.startswith("cur:")]
    assert await stage.groups.view("team") is None
    assert await stage.groups.groups() == {}

    members = {"ada": "uid-ada", "bob": "uid-bob"}
    assert await stage.groups.put("team", "uid-2", Wake.MENTIONED, 9, members) == "OK"
    assert await stage.groups.groups() == {"team": "uid-2"}
    await stage.post("fresh")
    await stage.post("new", "@ada")
    assert await heard(stage, "ada", "here", turn) == [""], "it was asked in a group that is gone"
    await answer(ada, turn, "for the old ones")
    assert [post.mid for post in await stage.log()] == ["fresh", "new"]
    assert await heard(stage, "ada", "here", turn_of(await ada.all_unread())) == ["fresh new"]


async def test_an_agent_sees_the_groups_and_whether_it_belongs_to_them(stage: Stage) -> None:
    await stage.group("team", ["ada", "bob"])
    await stage.group("board", ["bob"], wake=Wake.ALL)
    lines = await stage.reading("ada").groups()
    assert [(line.name, line.wake, line.members, line.member) for line in lines] == [
        ("board", Wake.ALL, 1, False),
        ("team", Wake.MENTIONED, 2, True),
    ]


async def test_reading_the_log_goes_on_behind_an_id_and_waits(stage: Stage) -> None:
    await stage.group()
    first = await stage.post("m1")
    await stage.post("m2")
    assert [post.mid for post in await stage.groups.read("team", first.id)] == ["m2"]
    assert [post.mid for post in await stage.groups.read("team", count=1)] == ["m1"]
    assert await stage.groups.read("none") == []
    last = (await stage.log())[-1]
    assert await stage.groups.read("team", last.id, wait_seconds=0.01) == []
    with pytest.raises(ValueError, match="id 'x': expected"):
        await stage.groups.read("team", "x")


async def test_a_watcher_that_waits_hears_of_a_post(stage: Stage) -> None:
    await stage.group()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(GroupService(stage.bus).read("team", wait_seconds=20))
        tasks.create_task(stage.post("m1"))
    assert [post.mid for post in waiting.result()] == ["m1"]


async def test_a_clock_that_goes_back_breaks_no_order(stage: Stage) -> None:
    await stage.group()
    first = await stage.post("m1")
    ahead = f"{int(first.id.split('-')[0]) + 10**9}-1"
    meta = f"{stage.bus.prefix}g:team:meta"
    await stage.bus.command("DEL", stage.bus.keys.group_log("team"))
    await stage.bus.command("XADD", stage.bus.keys.group_log("team"), ahead, "mid", "x")
    await stage.bus.command("HSET", meta, "last", ahead)
    assert (await stage.post("m2")).id == ahead.replace("-1", "-2")
