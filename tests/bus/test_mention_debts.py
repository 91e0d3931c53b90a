"""A mention is owed like a request: it ends in exactly one quiet post, whatever happens."""

import pytest

from horos_api.messages import MessageKind
from horos_bus.records import Ending, Idle, LostError
from horos_bus.sender import reply
from tests.bus.stage import Stage, answer, asking, posting, record, replying, turn_of, user


async def posts(stage: Stage) -> list[tuple[str, str, bool]]:
    """Who said what in the group, and whether it is an error; without what people wrote."""
    return [(post.sender, post.body, post.error) for post in await stage.log() if post.sender]


async def test_who_asks_others_first_answers_later_and_once(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.group(members=["ada"])
    await stage.post("m1", "@ada")
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [asking("bob")])
    assert await ada.commit(turn.id, 3, [record("assistant", "wait")], Ending(text="wait")) == Idle(0)
    assert await posts(stage) == []
    view = await stage.groups.view("team")
    assert view is not None
    assert view.unread == {"ada": 0}, "it has read what it was told, though it has not answered"
    await answer(bob, turn_of(await bob.all_unread()), "bob says")
    await answer(ada, turn_of(await ada.all_unread()), "so bob says")
    assert await posts(stage) == [("ada", "so bob says", False)]


async def test_whoever_asked_in_the_group_does_not_get_a_part_either(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.group()
    await stage.post("m1", "@ada")
    turn = turn_of(await ada.all_unread())
    await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")], [asking("bob")])
    await ada.commit(turn.id, 3, [record("assistant", "wait")], Ending(text="wait"))
    # bob mentions whom it owes an answer to; that is no asking back.
    turn = turn_of(await bob.all_unread())
    step = [*map(user, turn.inputs), record("assistant", "")]
    await bob.append(turn.id, 0, step, [posting(mentions=["ada"])])
    await answer(ada, turn_of(await ada.all_unread()), "still waiting")
    assert [post for post in await posts(stage) if post[0] == "ada"] == []
    await bob.commit(turn.id, 3, [record("assistant", "!")], Ending(text="bob says"))
    await answer(ada, turn_of(await ada.all_unread()), "so bob says")
    (quiet,) = [post for post in await stage.log() if post.sender == "ada"]
    assert len(quiet.answers) == 2


async def test_two_mentions_of_different_turns_that_wait_are_answered_by_one_post(stage: Stage) -> None:
    ada, bob = await stage.resident("ada"), await stage.resident("bob")
    await stage.group(members=["ada"])
    for mid in ("m1", "m2"):
        await stage.post(mid, "@ada")
        turn = turn_of(await ada.all_unread())
        step = [user(turn.inputs[0]), record("assistant", "")]
        ix = turn.base
        await ada.append(turn.id, ix, step, [asking("bob")])
        await ada.commit(turn.id, ix + 3, [record("assistant", "wait")], Ending(text="wait"))
    await answer(bob, turn_of(await bob.all_unread()), "bob says")
    await answer(ada, turn_of(await ada.all_unread()), "so bob says")
    (quiet,) = [post for post in await stage.log() if post.sender]
    assert (quiet.mid, quiet.answers) == ("m1@ada!answer", ("m1@ada", "m2@ada"))


async def test_nobody_answers_in_time(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.group(members=["ada"])
    await stage.post("m1", "@ada")
    turn = turn_of(await ada.all_unread())
    await stage.time_comes()
    await answer(ada, turn, "too late")
    assert await posts(stage) == [("ada", "agent ada did not answer in time", True)]


async def test_who_ends_owes_nothing_and_says_so_once(stage: Stage) -> None:
    for name, end in (("ada", "deleted"), ("bob", "terminated")):
        runtime = await stage.resident(name)
        await stage.group(name, members=[name])
        await stage.post(f"{name}-1", f"@{name} taken", group=name)
        await runtime.all_unread()
        await stage.post(f"{name}-2", f"@{name} unread", group=name)
        if end == "deleted":
            await stage.control.delete(name, f"uid-{name}")
        else:
            await stage.control.terminate(name, f"uid-{name}")
        (quiet,) = [post for post in await stage.log(name) if post.sender]
        assert (quiet.body, quiet.error) == (f"agent {name} was {end}", True)
        assert set(quiet.answers) == {f"{name}-1@{name}", f"{name}-2@{name}"}
    assert await stage.bus.command("ZCARD", stage.bus.keys.later) == 0


async def test_what_was_answered_already_is_not_answered_again_at_the_end(stage: Stage) -> None:
    for name, early in (("ada", True), ("bob", False)):
        runtime = await stage.resident(name)
        await stage.group(name, members=[name])
        await stage.post(f"{name}-1", f"@{name}", group=name)
        turn = turn_of(await runtime.all_unread())
        if early:
            step = [user(turn.inputs[0]), record("assistant", "")]
            await runtime.append(turn.id, 0, step, [replying(f"{name}-1@{name}", "soon")])
            await stage.control.terminate(name, f"uid-{name}")
        else:
            await stage.time_comes()
            await stage.control.delete(name, f"uid-{name}")
        assert len([post for post in await stage.log(name) if post.sender]) == 1


async def test_a_buried_mention_ends_with_an_error_and_is_read(stage: Stage) -> None:
    await stage.resident("ada")
    await stage.group(members=["ada"])
    await stage.post("m1", "@ada poison")
    runtime = stage.runtime("ada", "next")
    await runtime.claim(None)
    await runtime.all_unread()
    await stage.runtime("ada", "last").claim(None, max_attempts=1)
    ((sender, body, error),) = await posts(stage)
    assert (sender, error) == ("ada", True)
    assert "died in 1 attempts" in body
    (letter,) = await stage.control.dead_letters("ada")
    assert (letter.message.mid, letter.message.kind) == ("m1@ada", MessageKind.MENTION)
    view = await stage.groups.view("team")
    assert view is not None
    assert view.unread == {"ada": 0}


async def test_a_mention_that_goes_back_to_the_inbox_is_not_owed(stage: Stage) -> None:
    await stage.resident("ada")
    await stage.group(members=["ada"])
    await stage.post("m1", "@ada")
    await stage.post("m2", "@ada")
    runtime = stage.runtime("ada", "next")
    await runtime.claim(None)
    assert len(turn_of(await runtime.all_unread()).inputs) == 2
    last = stage.runtime("ada", "last")
    await last.claim(None, max_attempts=1)
    assert await stage.bus.command("HKEYS", stage.bus.keys.owed("ada")) == [b"m1@ada"]
    first = turn_of(await last.all_unread())
    second = turn_of(await answer(last, first, "one"))
    await answer(last, second, "two")
    assert await posts(stage) == [("ada", "one", False), ("ada", "two", False)]


async def test_one_can_be_answered_early(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.group(members=["ada"])
    await stage.post("m1", "@ada")
    turn = turn_of(await ada.all_unread())
    step = [user(turn.inputs[0]), record("assistant", "")]
    await ada.append(turn.id, 0, step, [replying("m1@ada", "soon")])
    await ada.commit(turn.id, 3, [record("assistant", "later")], Ending(text="later"))
    assert await posts(stage) == [("ada", "soon", False)]


async def test_a_repeated_commit_posts_nothing_more(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.group(members=["ada"])
    await stage.post("m1", "@ada")
    turn = turn_of(await ada.all_unread())
    for _ in range(2):
        assert await answer(ada, turn, "once") == Idle(0)
    assert await posts(stage) == [("ada", "once", False)]


async def test_a_process_that_was_written_off_posts_nothing(stage: Stage) -> None:
    ada = await stage.resident("ada", "old")
    await stage.group(members=["ada"])
    await stage.post("m1", "@ada")
    turn = turn_of(await ada.all_unread())
    await stage.control.terminate("ada", "uid-ada")
    with pytest.raises(LostError):
        await answer(ada, turn, "ghost")
    assert await posts(stage) == [("ada", "agent ada was terminated", True)]


async def test_a_person_s_request_in_the_groups_thread_is_answered_to_the_person_alone(stage: Stage) -> None:
    ada = await stage.resident("ada")
    await stage.group(members=["ada"])
    await stage.say("m1", thread="group.team")
    await answer(ada, turn_of(await ada.all_unread()), "between us")
    assert await posts(stage) == []
    assert await reply(stage.bus, "m1") == Ending(text="between us")


async def test_people_who_mention_join_the_open_turn_of_the_group(stage: Stage) -> None:
    ada = await stage.resident("ada", "here")
    await stage.agent("bob")
    await stage.group()
    await stage.post("m1", "@ada")
    turn = turn_of(await ada.all_unread())
    await stage.post("m2", "between")
    await stage.post("m3", "@ada one more thing")
    appended = await ada.append(turn.id, 0, [user(turn.inputs[0]), record("assistant", "")])
    (joined,) = appended.joined
    assert (joined.mid, joined.kind) == ("m3@ada", MessageKind.MENTION)
    unread = await stage.reading("ada", "here").unread(joined, turn.inputs)
    assert [post.mid for post in unread.posts] == ["m2", "m3"]
    await ada.commit(turn.id, 2, [user(joined), record("assistant", "both")], Ending(text="both"))
    assert (await stage.log())[-1].answers == ("m1@ada", "m3@ada")
