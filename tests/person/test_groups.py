"""The commands about groups against a real gateway and Redis, with members whose moves the test makes."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

import pytest

from horos.group_lines import groups_table, post_lines, posted_words, why_not_well
from horos_api.mentions import Wake
from horos_api.names import BODY_BYTES
from horos_bus.group_records import NewPost
from horos_bus.group_service import GroupService
from tests.person.conftest import Cluster, Here
from tests.person.stage import Agent, Done

NOBODY_ANSWERS = "mention a member as @name to have it answer"


async def a_group(
    here: Here, *members: str, wake: Wake = Wake.MENTIONED, name: str = "review"
) -> GroupService:
    service = GroupService(here.bus)
    await service.put(name, f"uid-of-{name}", wake, 100, {each: f"uid-{each}" for each in members})
    return service


@pytest.fixture
async def bob(here: Here) -> AsyncIterator[Agent]:
    agent = await Agent(here.bus, "bob").start()
    yield agent
    await agent.end()


async def test_groups_are_listed(here: Here, ada: Agent) -> None:
    service = await a_group(here, "ada")
    await a_group(here, "ada", wake=Wake.ALL, name="board")
    await service.post(NewPost("review", "m1", "", "hello"))
    done = await here.horos("groups")
    assert (done.code, done.err) == (0, "")
    head, board, review = (line.split() for line in done.out.splitlines())
    assert head == ["NAME", "WAKE", "MEMBERS", "MESSAGES", "LAST", "REASON"]
    assert board == ["board", "All", "1", "0", "-", "-"]
    assert (review[:4], review[5]) == (["review", "Mentioned", "1", "1"], "-")
    assert re.fullmatch(r"\d+s", review[4])
    as_json = (await here.horos("groups", "-o", "json")).json
    assert [each["name"] for each in as_json] == ["board", "review"]
    assert (await here.horos("groups", "-o", "yaml")).out.startswith("- name: board\n")


async def test_a_namespace_without_groups_says_so(here: Here) -> None:
    assert await here.horos("groups") == Done(0, "", f"no groups in namespace {here.namespace}\n")


async def test_a_message_to_a_group_tells_whom_it_wakes(here: Here, ada: Agent) -> None:
    service = await a_group(here, "ada", "zoe")
    done = await here.horos("send", "@review", "@ada please look, @eve too", "--id", "my-1")
    again = (
        await here.horos("send", "@review", "@ada please look, @eve too", "--id", "my-1", "-o", "json")
    ).json
    assert (done.code, done.out) == (0, "")
    assert done.err == f"@review has message {again['id']}; it wakes ada\nno members: eve\n"
    assert again["duplicate"] is True
    assert len((await ada.turn()).inputs) == 1
    (post,) = await service.read("review")
    assert post.who, "whoever typed it is named to the members"


async def test_a_message_that_mentions_nobody_says_how_to(here: Here, ada: Agent) -> None:
    await a_group(here, "ada")
    done = await here.horos("send", "@review", "anybody?")
    first, second = done.err.splitlines()
    assert first.endswith("; it wakes nobody")
    assert second == NOBODY_ANSWERS


async def test_waiting_shows_each_answer_and_ends_with_the_last(here: Here, ada: Agent, bob: Agent) -> None:
    await a_group(here, "ada", "bob", wake=Wake.ALL)
    running = await here.start("send", "@review", "What do you think?", "--wait")
    await ada.answer(await ada.turn(), "Good.\nVery good.")
    await running.until("Very good.")
    assert running.process.returncode is None
    await bob.answer(await bob.turn(), "Bad.")
    done = await running.end()
    assert done.code == 0
    lines = [line[10:] for line in done.out.splitlines()]
    assert lines == ["ada: Good.", "Very good.", "bob: Bad."]


async def test_waiting_for_a_message_that_was_sent_before_finds_its_answers(here: Here, ada: Agent) -> None:
    await a_group(here, "ada")
    running = await here.start("send", "@review", "@ada well?", "--id", "once", "--wait", "-o", "json")
    await ada.answer(await ada.turn(), "Well.")
    first = (await running.end()).json
    again = (await here.horos("send", "@review", "@ada well?", "--id", "once", "--wait", "-o", "json")).json
    assert [each["text"] for each in first["answers"]] == ["Well."]
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert again["answers"] == first["answers"]


@pytest.mark.parametrize(("wake", "text"), [(Wake.ALL, "well?"), (Wake.MENTIONED, "@ada @eve well?")])
async def test_whom_a_message_woke_that_was_sent_before_is_known(
    here: Here, ada: Agent, wake: Wake, text: str
) -> None:
    await a_group(here, "ada", wake=wake)
    await here.horos("send", "@review", text, "--id", "once")
    running = await here.start("send", "@review", text, "--id", "once", "--wait", "--timeout", "60")
    await running.says("again")
    await ada.answer(await ada.turn(), "Well.")
    done = await running.end()
    assert (done.code, done.out[10:]) == (0, "ada: Well.\n")
    assert "eve" not in done.err


async def test_who_cannot_answer_is_told_and_the_command_fails(here: Here, ada: Agent) -> None:
    await a_group(here, "ada")
    running = await here.start("send", "@review", "@ada well?", "--wait")
    await ada.give_up(await ada.turn(), "the budget is used up")
    done = await running.end()
    assert done.code == 1
    assert "ada cannot answer: " in done.out and "the budget is used up" in done.out
    assert done.err.endswith("error: no answer from ada\n")


async def test_waiting_ends_when_somebody_has_nothing_to_say(here: Here, ada: Agent, bob: Agent) -> None:
    await a_group(here, "ada", "bob")
    running = await here.start("send", "@review", "@ada @bob well?", "--wait", "--timeout", "60")
    await ada.answer(await ada.turn(), "Well.")
    await bob.answer(await bob.turn(), "")
    done = await running.end()
    assert (done.code, done.out[10:]) == (0, "ada: Well.\n"), done.err
    assert done.err.endswith("bob has nothing to say\n")


async def test_no_answer_in_time_names_who_is_silent(here: Here, ada: Agent, bob: Agent) -> None:
    await a_group(here, "ada", "bob")
    done = await here.horos("send", "@review", "@bob @ada?", "--wait", "--timeout", "1")
    assert done.code == 5
    assert done.err.endswith("error: no answer from ada, bob within 1 s; see `horos watch @review`\n")


async def test_what_is_said_is_watched_from_the_last_messages_on(here: Here, ada: Agent) -> None:
    service = await a_group(here, "ada")
    for number in range(4):
        await service.post(NewPost("review", f"m{number}", "Eve", f"text {number}"))
    running = await here.start("watch", "@review", "--last", "2")
    await running.until("text 3")
    await here.horos("send", "@review", "and @ada?")
    await running.until("and @ada?")
    await ada.answer(await ada.turn(), "Yes.")
    await running.until("ada: Yes.")
    running.process.send_signal(signal.SIGINT)
    done = await running.end()
    assert (done.code, "Traceback" in done.err) == (130, False)
    lines = [line[10:] for line in done.out.splitlines()]
    assert lines[:2] == ["Eve: text 2", "Eve: text 3"]
    assert len(lines) == 4


async def test_what_is_there_is_printed_and_no_more(here: Here, ada: Agent) -> None:
    service = await a_group(here, "ada")
    await service.post(NewPost("review", "m1", "", "one\ntwo"))
    done = await here.horos("watch", "review", "--no-follow")
    assert (done.code, done.err) == (0, "")
    assert [line[10:] for line in done.out.splitlines()] == ["somebody: one", "two"]
    (line,) = (await here.horos("watch", "@review", "--no-follow", "-o", "json")).out.splitlines()
    assert json.loads(line)["text"] == "one\ntwo"
    assert (await here.horos("watch", "@review", "--no-follow", "--last", "0")).out == ""


async def test_watching_a_group_that_is_deleted_ends(here: Here, ada: Agent) -> None:
    service = await a_group(here, "ada")
    await service.post(NewPost("review", "m1", "", "first"))
    running = await here.start("watch", "@review")
    await running.until("first")
    await service.delete("review", "uid-of-review")
    done = await running.end()
    assert (done.code, done.err) == (3, "error: @review was deleted\n")


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("send", "@review", "hi"), 3, "error: there is no group review in namespace"),
        (("watch", "@review"), 3, "error: there is no group review in namespace"),
        (("send", "@Review", "hi"), 2, "error: group 'Review' is not a DNS label"),
        (("send", "@", "hi"), 2, "error: group '' is not a DNS label"),
        (("watch", "a.b"), 2, "error: group 'a.b' is not a DNS label"),
        (
            ("chat", "@review"),
            2,
            "error: @review names a group; expected an agent. For groups there are `horos",
        ),
        (("describe", "@review"), 2, "error: @review names a group; expected an agent"),
        (("send", "@review", " "), 2, "error: the message is empty; say something"),
        (("send", "@review", "x" * (BODY_BYTES + 1)), 2, "error: the message has 262145 bytes"),
        (("send", "@review", "hi", "--thread", "main"), 2, "error: --thread: a group has one conversation"),
        (("send", "@review", "hi", "--delay", "5"), 2, "error: --delay: a group gets messages at once"),
        (("send", "@review", "hi", "--id", "not a key"), 2, "error: --id 'not a key'"),
    ],
)
async def test_what_cannot_be_is_told_with_its_exit_code(
    here: Here, command: tuple[str, ...], code: int, said: str
) -> None:
    done = await here.horos(*command)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(said)


def manifest(
    name: str, status: str = "True", reason: str = "MembersPresent", message: str = ""
) -> dict[str, Any]:
    told = [{"type": "Ready", "status": status, "reason": reason, "message": message}]
    return {"metadata": {"name": name}, "spec": {}, "status": {"conditions": told}}


async def test_with_a_cluster_the_list_says_what_is_wrong_with_a_group(cluster: Cluster) -> None:
    service = GroupService(cluster.bus)
    await service.put("review", "uid", Wake.ALL, 100, {})
    cluster.door.groups["review"] = manifest("review", "False", "NoMembers", "no member exists: ada")
    cluster.door.groups["new"] = {"metadata": {"name": "new"}, "spec": {}}
    done = await cluster.horos("groups")
    _, review, new = done.out.splitlines()
    assert review.rstrip().endswith("NoMembers: no member exists: ada")
    assert new.split()[:2] == ["new", "-"] and "the operator has not looked at it yet" in new
    await service.delete("review", "uid")


async def test_a_group_that_was_applied_a_moment_ago_is_waited_for(cluster: Cluster) -> None:
    cluster.door.groups["review"] = {"metadata": {"name": "review"}, "spec": {}}
    running = await cluster.start("send", "@review", "hello")
    async with asyncio.timeout(20):
        while cluster.door.groups_listed == 0:  # noqa: ASYNC110 - it happens in another thread
            await asyncio.sleep(0.05)
    service = GroupService(cluster.bus)
    await service.put("review", "uid", Wake.MENTIONED, 100, {})
    done = await running.end()
    assert (done.code, "it wakes nobody" in done.err) == (0, True)
    (post,) = await service.read("review")
    assert post.who == cluster.door.user
    await service.delete("review", "uid")


def test_a_group_that_is_well_has_no_reason() -> None:
    assert why_not_well(manifest("g")) == ""
    assert why_not_well(manifest("g", "True", "MembersMissing", "not there (yet): bob")) == (
        "MembersMissing: not there (yet): bob"
    )
    assert groups_table([], [manifest("g")]).row_count == 1


POSTED = {"id": "m-1", "place": "1-1", "duplicate": False, "woken": [], "full": [], "strangers": []}


@pytest.mark.parametrize(
    ("posted", "said"),
    [
        ({}, ["@g has message m-1; it wakes nobody", NOBODY_ANSWERS]),
        ({"woken": ["ada", "bob", "cyd"]}, ["@g has message m-1; it wakes ada, bob and cyd"]),
        (
            {"woken": [f"a{number}" for number in range(12)]},
            ["@g has message m-1; it wakes a0, a1, a2, a3, a4, a5, a6, a7, a8, a9 and 2 more"],
        ),
        (
            {"full": ["ada"], "strangers": ["eve", "zoe"]},
            [
                "@g has message m-1; it wakes nobody",
                "not woken, since their inboxes are full: ada",
                "no members: eve and zoe",
            ],
        ),
        ({"duplicate": True}, ["@g has message m-1 (again: it was taken before)"]),
    ],
)
def test_what_became_of_a_message_is_a_sentence(posted: dict[str, Any], said: list[str]) -> None:
    assert posted_words("@g", POSTED | posted) == said


@pytest.mark.parametrize(
    ("post", "lines"),
    [
        ({"sender": "ada", "text": "one\ntwo"}, ["00:00:05  ada: one", "          two"]),
        ({"who": "Eve", "text": "hi"}, ["00:00:05  Eve: hi"]),
        ({"text": ""}, ["00:00:05  somebody: "]),
        ({"sender": "ada", "error": True, "text": "no"}, ["00:00:05  ada cannot answer: no"]),
    ],
)
def test_a_message_is_a_line_with_what_follows_set_in(post: dict[str, Any], lines: list[str]) -> None:
    usual = {"id": "5000-1", "sender": "", "who": "", "error": False}
    assert post_lines(usual | post, UTC) == lines
