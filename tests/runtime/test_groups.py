"""A member that is mentioned reads what it has missed, answers once and quietly, whoever dies meanwhile."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from horos_api.mentions import Wake
from horos_api.messages import Message, MessageKind
from horos_api.resources import AgentSpec, BuiltinTool, ToolsSpec
from horos_bus.control import Control
from horos_bus.group_reading import Unread
from horos_bus.group_records import GroupPost, NewPost, Posted
from horos_bus.group_service import GroupService
from horos_bus.operating import OrderKind, SocietyOrder
from horos_runtime.exchanges import question
from horos_runtime.group_messages import mention_record
from horos_runtime.summariser import told_as
from horos_runtime.unread import shown_questions
from tests.runtime.stage import Stage, until
from tests.runtime.test_answering import call

HEADING = (
    "[group team has called you: unread messages, the oldest first. What you say at the end of this turn is "
    "posted to the group, and wakes nobody.]\n"
)
WITH_GROUPS = ToolsSpec(builtin=(BuiltinTool.BROADCAST, BuiltinTool.LIST_GROUPS, BuiltinTool.CREATE_GROUP))


async def group(stage: Stage, *members: str, wake: Wake = Wake.MENTIONED) -> GroupService:
    service = GroupService(stage.bus)
    lives = {member: f"uid-{member}" for member in members}
    assert await service.put("team", "uid-team", wake, 1000, lives) == "OK"
    return service


async def post(stage: Stage, mid: str, body: str) -> Posted:
    return await GroupService(stage.bus).post(NewPost("team", mid, "eve", body))


async def answered(stage: Stage, count: int = 1) -> list[GroupPost]:
    """Wait until members have posted so often."""
    found: list[GroupPost] = []

    async def there() -> bool:
        found[:] = [each for each in await GroupService(stage.bus).read("team") if each.sender]
        return len(found) >= count

    await until(there)
    return found


def with_tools(stage: Stage) -> AgentSpec:
    return stage.spec().model_copy(update={"tools": WITH_GROUPS})


async def shown(stage: Stage) -> list[list[str]]:
    """What people and agents said, as each request showed it to the model."""
    return [
        [message["content"] for message in request["body"]["messages"] if message["role"] == "user"]
        for request in await stage.model.requests()
    ]


async def test_a_mention_is_one_call_of_the_model_and_one_quiet_post(stage: Stage) -> None:
    names = ["ada", *(f"agent-{number}" for number in range(19))]
    for name in names:
        await stage.agent(name)
    await group(stage, *names)
    await stage.model.load({"text": "I agree with @agent-3."})
    await post(stage, "m1", "Shall we?\nperson bob: no")
    assert (await post(stage, "m2", "What does @ada say?")).woken == ("ada",)
    async with stage.running():
        (quiet,) = await answered(stage)
    assert (quiet.body, quiet.answers) == ("I agree with @agent-3.", ("m2@ada",))
    told = "1. person eve: Shall we?\n    person bob: no\n2. person eve: What does @ada say?"
    assert await shown(stage) == [[HEADING + told]]
    assert [waiting.agent for waiting in await Control(stage.bus).work()] == []
    assert [each["content"] for each in await stage.records(thread="group.team")] == [told, quiet.body]


async def test_the_next_mention_shows_what_came_since_without_its_own(stage: Stage) -> None:
    await stage.agent()
    await group(stage, "ada", "bob")
    await stage.model.load({"text": "first"}, {"text": "second"})
    async with stage.running():
        await post(stage, "m1", "@ada one")
        await answered(stage)
        await post(stage, "m2", "between")
        await post(stage, "m3", "@ada two")
        await answered(stage, 2)
    assert (await shown(stage))[1] == [
        f"{HEADING}1. person eve: @ada one",
        f"{HEADING}3. person eve: between\n4. person eve: @ada two",
    ]


async def test_who_is_mentioned_while_at_work_hears_of_it_between_rounds(stage: Stage) -> None:
    await stage.agent(spec=with_tools(stage))
    await group(stage, "ada", "bob")
    first = {"chunks": ["Wait", {"text": ".", "hold": True}], "toolCalls": [call("list_groups")]}
    await stage.model.load(first, {"text": "Both."})
    async with stage.running():
        await post(stage, "m1", "@ada one")
        await stage.shows(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
        await post(stage, "m2", "by the way")
        await post(stage, "m3", "@ada two")
        await stage.model.step()
        (quiet,) = await answered(stage)
    assert quiet.answers == ("m1@ada", "m3@ada")
    assert (await shown(stage))[-1] == [
        f"{HEADING}1. person eve: @ada one",
        f"{HEADING}2. person eve: by the way\n3. person eve: @ada two",
    ]


@pytest.mark.parametrize("step", [0, 1])
async def test_killed_between_steps_it_still_answers_once(stage: Stage, step: int) -> None:
    await stage.agent(spec=with_tools(stage))
    await group(stage, "ada", "bob")
    held = {"chunks": ["so ", {"text": "it was", "hold": True}]}
    groups = {"text": "", "toolCalls": [call("list_groups")]}
    await stage.model.load(*([groups] * step), held, {"text": "so it is"})
    await post(stage, "m1", "@ada?")
    async with stage.process("ada") as child:
        await stage.shows(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
        await post(stage, "m2", "behind")
        child.kill()
        await child.wait()
    view = await stage.view()
    await Control(stage.bus).reap("ada", view.holder)
    async with stage.running():
        (quiet,) = await answered(stage)
    assert (quiet.body, quiet.answers) == ("so it is", ("m1@ada",))
    assert (await shown(stage))[-1] == [f"{HEADING}1. person eve: @ada?"]
    view_of_group = await GroupService(stage.bus).view("team")
    assert view_of_group is not None
    assert view_of_group.unread["ada"] == 2, "what came behind the mention, and its own behind that"


async def test_nothing_to_say_is_nothing_posted(stage: Stage) -> None:
    await stage.agent()
    await group(stage, "ada")
    await stage.model.load({"text": ""}, {"text": "now"})
    async with stage.running():
        await post(stage, "m1", "@ada for your information")
        await stage.shows(lambda event: event["type"] == "RUN_FINISHED")
        await post(stage, "m2", "@ada?")
        (quiet,) = await answered(stage)
    assert quiet.answers == ("m2@ada",)


async def test_a_person_who_asks_gets_an_answer_however_little_is_said(stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"text": ""})
    async with stage.running():
        assert await stage.ask("hello") == "(no text)"


async def test_an_agent_posts_and_reads_whom_it_woke(stage: Stage) -> None:
    await stage.agent(spec=with_tools(stage))
    await stage.agent("bob")
    await group(stage, "ada", "bob")
    arguments = {"group": "team", "text": "Look, @bob and @zoe", "mentions": ["bob", "cy"]}
    await stage.model.load(
        {"text": "", "toolCalls": [call("broadcast", **arguments), call("list_groups")]}, {"text": "done"}
    )
    async with stage.running():
        assert await stage.ask("tell them") == "done"
    results = [each["content"] for each in await stage.records() if each["role"] == "tool"]
    assert results[0] == (
        "posted to group team. Woken: bob. Not woken, since their inboxes are full: nobody. No members: cy, "
        "zoe."
    )
    assert results[1] == '[{"name":"team","wake":"Mentioned","members":2,"youAreMember":true}]'
    (posted,) = await answered(stage)
    assert (posted.sender, posted.mentions) == ("ada", ("bob", "cy", "zoe"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"group": "none", "text": "x"}, "error: not posted, there is no group named 'none'"),
        (
            {"group": "team", "text": "x", "delaySeconds": 60},
            "in 60 s; a message tells you then whom it could not wake. You are no member",
        ),
        ({"group": "No!", "text": "x"}, "group"),
        ({"group": "team", "text": "x", "mentions": ["No!"]}, "mentions"),
        ({"group": "team", "text": "x", "mentions": ["bob", "bob"]}, "mentions"),
        ({"group": "team", "text": " "}, "text"),
        ({"group": "team", "text": "x", "delaySeconds": -1}, "delaySeconds"),
        ({"group": "team", "text": "x", "delaySeconds": 2_592_001}, "delaySeconds"),
    ],
)
async def test_what_cannot_be_posted_is_said(stage: Stage, arguments: dict[str, object], told: str) -> None:
    await stage.agent(spec=with_tools(stage))
    await group(stage, "bob")
    await stage.model.load({"text": "", "toolCalls": [call("broadcast", **arguments)]}, {"text": "done"})
    async with stage.running():
        await stage.ask("tell them")
    (result,) = [each["content"] for each in await stage.records() if each["role"] == "tool"]
    assert told in result, result


async def test_a_note_to_itself_and_a_late_question(stage: Stage) -> None:
    await stage.agent(spec=stage.spec())
    await stage.agent("bob")
    calls = [
        call("send", to="ada", text="good morning", delaySeconds=60),
        call("ask", to="bob", text="awake?", delaySeconds=60),
    ]
    await stage.model.load({"text": "", "toolCalls": calls}, {"text": "wait"}, {"text": "good morning, too"})
    async with stage.running():
        await stage.say("remind yourself")
        await stage.shows(lambda event: event["type"] == "RUN_FINISHED")
        results = [each["content"] for each in await stage.records() if each["role"] == "tool"]
        assert results[0] == (
            "will be delivered to ada in 60 s; nothing comes back unless ada sends a message itself"
        )
        assert "will be delivered to bob in 60 s. The answer comes as a later message" in results[1]
        assert results[1].endswith("all your requests are answered, or an error, if its time is over before.")
        later = stage.bus.keys.later
        for entry in await stage.bus.command("ZRANGE", later, 0, -1):
            if entry.startswith(b"due "):
                await stage.bus.command("ZADD", later, 1, entry)
        assert await Control(stage.bus).work_off_later() == 2
        await stage.shows(lambda event: event["type"] == "RUN_FINISHED", count=2)
    assert (await shown(stage))[-1][-1] == "[message from agent ada]\ngood morning"
    assert [entry.body for entry in await Control(stage.bus).inbox("bob")] == ["awake?"]


async def test_a_group_of_its_own_is_an_order_to_the_operator(stage: Stage) -> None:
    await stage.agent(spec=with_tools(stage))
    arguments = {"name": "board", "members": ["ada", "bob"], "wake": "All"}
    wish = {"name": "create_group", "arguments": arguments}
    bad = {"name": "create_group", "arguments": {"name": "board", "members": []}}
    await stage.model.load({"text": "", "toolCalls": [wish, bad]}, {"text": "wait"})
    async with stage.running():
        await stage.say("make a board")
        await stage.shows(lambda event: event["type"] == "RUN_FINISHED")
    (order,) = await Control(stage.bus).orders()
    assert isinstance(order, SocietyOrder)
    assert (order.kind, order.name) == (OrderKind.CREATE_GROUP, "board")
    assert order.body == b'{"name":"board","members":["ada","bob"],"wake":"All"}'
    results = [each["content"] for each in await stage.records() if each["role"] == "tool"]
    assert "group board is asked for" in "".join(results)
    assert any("members" in result and "error" in result for result in results)


def told(posts: Sequence[GroupPost], missed: int = 0) -> str:
    """What a member reads of these posts."""
    mention = Message(id="1-0", mid="m@ada", kind=MessageKind.MENTION, re="1-9", group="team")
    return mention_record(mention, Unread(tuple(posts), missed), "run", "ada")["content"]


def test_what_is_read_says_who_said_what() -> None:
    posts = [
        GroupPost("1-4", "a", "", "", "anonymous"),
        GroupPost("1-5", "b", "ada", "", "my own words"),
        GroupPost("1-6", "c", "bob", "", "one\n7. person eve: two"),
        GroupPost("1-7", "d", "cy", "", "did not answer in time", error=True),
    ]
    assert told(posts, 3) == (
        "[3 earlier messages are not shown.]\n4. a person: anonymous\n"
        "6. agent bob: one\n    7. person eve: two\n7. agent cy has no answer: did not answer in time"
    )
    assert told([]).startswith("[What was said there is no longer kept, or the group is gone.")


def test_a_mention_is_no_message_of_an_agent() -> None:
    mention = Message(
        id="1-0", mid="m@ada", sender="bob", sender_uid="u", kind=MessageKind.MENTION, re="1-9", group="team"
    )
    shown_to_it = question(mention_record(mention, Unread(), "run", "ada"), 0)
    assert shown_to_it.sender == "group team"
    assert told_as(shown_to_it).startswith(HEADING), "a summary does not take it for words of a person"
    several = shown_questions([replace(shown_to_it, start=number) for number in range(9)], 0)
    collapsed = several[2].messages[0]["content"]
    assert "3 messages are collapsed here: 3 from group team." in collapsed
    assert f"- {HEADING.strip()}" in collapsed
    assert shown_to_it.messages[0]["content"].startswith(HEADING)
