"""Groups in the window: the list, what is said in one as it comes, and what became of one's own message."""

import asyncio

from horos_api.mentions import Wake
from horos_bus.control import Control
from horos_bus.group_records import NewPost
from horos_bus.group_service import GroupService
from tests.console.conftest import Window

SAID = ".message .said"
BY = ".message .by"


async def a_group(window: Window, *members: str, name: str = "review", retain: int = 1000) -> GroupService:
    service = GroupService(window.stage.bus)
    for member in members:
        await Control(window.stage.bus).create(member, f"uid-{member}")
    lives = {member: f"uid-{member}" for member in members}
    assert await service.put(name, f"uid-of-{name}", Wake.MENTIONED, retain, lives) in {"OK", "SAME"}
    return service


async def says(service: GroupService, text: str, who: str = "Eve", group: str = "review") -> None:
    await service.post(NewPost(group, f"mid-{text}", who, text))


async def test_groups_stand_above_the_agents_and_are_opened_from_there(window: Window) -> None:
    service = await a_group(window, "ada", "bob")
    await says(service, "Hello all")
    await window.log_in()
    await window.browser.shows("@review\n2 members · 1 message", "#groups")
    await window.browser.click("#groups a")
    await window.browser.shows("Hello all", SAID)
    assert await window.browser.texts(BY) == ["Eve"]
    assert await window.browser.texts("h1") == ["@review"]
    assert await window.browser.run("return document.querySelector('#groups a').ariaCurrent") == "page"


async def test_without_groups_nothing_is_said_of_them(window: Window) -> None:
    await Control(window.stage.bus).create("ada", "uid-ada")
    await window.log_in()
    await window.browser.shows("ada", "#agents")
    assert await window.browser.run("return document.querySelector('#groups').checkVisibility()") is False


async def test_what_is_said_appears_as_it_comes_and_whose_it_is(window: Window) -> None:
    service = await a_group(window, "ada")
    await window.log_in("@review")
    await window.browser.shows("Nothing was said here yet")
    await window.browser.shows("horos send @review")
    for text in ("one", "**two**"):
        await says(service, text)
    await window.browser.shows("two", f"{SAID} strong")
    await window.browser.hides("Nothing was said here yet")
    assert await window.browser.texts(SAID) == ["one", "two"]


async def test_a_message_is_posted_once_and_one_is_told_whom_it_wakes(window: Window) -> None:
    service = await a_group(window, "ada", "bob")
    await window.log_in("@review")
    await window.say("@ada well? @eve too")
    await window.browser.shows("It wakes ada. Not a member: eve.")
    await window.browser.shows("@ada well? @eve too", SAID)
    assert [each.body for each in await service.read("review")] == ["@ada well? @eve too"]
    await window.say("just so")
    await window.browser.shows("It wakes nobody.")
    assert await window.browser.texts(SAID) == ["@ada well? @eve too", "just so"]


async def test_who_belongs_to_it_and_what_they_have_not_read_is_shown(window: Window) -> None:
    service = await a_group(window, "ada", "bob")
    await says(service, "news")
    await window.log_in("@review")
    await window.browser.shows("2 members · a message wakes whom it mentions", ".belongs")
    await window.browser.click(".belongs > summary")
    await window.browser.shows("ada 1 unread", ".members li")
    await window.browser.click(".members a")
    await window.browser.shows("ada", "h1")


async def test_older_messages_are_read_on_demand(window: Window) -> None:
    service = await a_group(window, "ada")
    for number in range(70):
        await says(service, f"m{number}")
    await window.log_in("@review")
    await window.browser.shows("m69", SAID)
    assert len(await window.browser.texts(SAID)) == 60
    await window.browser.run("document.querySelector('.pane').scrollTop = 0")
    await window.browser.click(".older")
    await window.browser.shows("m0", f"{SAID} p")
    assert await window.browser.texts(SAID) == [f"m{number}" for number in range(70)]
    assert await window.browser.run("return document.querySelector('.older').hidden") is True


async def test_a_group_that_is_deleted_says_so_and_takes_no_more(window: Window) -> None:
    service = await a_group(window, "ada")
    await window.log_in("@review")
    await window.browser.shows("Nothing was said here yet")
    await service.delete("review", "uid-of-review")
    await window.browser.shows("@review is not there (any more)")
    assert await window.browser.run("return document.querySelector('textarea').disabled") is True


async def test_a_group_that_never_was_says_so(window: Window) -> None:
    await window.log_in("@nothing")
    async with asyncio.timeout(20):
        await window.browser.shows("@nothing is not there (any more): it was deleted, or never made")
