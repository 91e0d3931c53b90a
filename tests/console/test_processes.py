"""The window and the processes of agents: who hibernates, who waits, what a person asks."""

from collections.abc import AsyncIterator

import pytest

from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, Identity, Leave, Turn, Usage
from tests.console.conftest import Window
from tests.console.test_looks import SIZES, looked_at, record

ROW = "#agents [aria-current]"


@pytest.fixture
async def ada(window: Window) -> AsyncIterator[MessageService]:
    """An agent whose process the test plays; it hibernates."""
    await window.stage.agent()
    runtime = MessageService(window.stage.bus, Identity("ada", "uid-ada", "token-ada"))
    await runtime.claim(None)
    await runtime.retire()
    yield runtime


async def talk(window: Window, ada: MessageService, said: str, answer: str) -> None:
    """Let a person say something and ada answer it in one turn."""
    await window.stage.say(said)
    turn = await ada.all_unread()
    assert isinstance(turn, Turn)
    records = [
        record(turn.id, "user", said, mid=turn.inputs[0].mid),
        record(turn.id, "assistant", answer),
    ]
    await ada.commit(turn.id, turn.base, records, Ending(text=answer), Usage(10, 5))


async def queue(window: Window, *names: str) -> None:
    """Tell a queue as the operator does; agents that are not there are made."""
    control = Control(window.stage.bus)
    for name in names:
        await control.create(name, f"uid-{name}")
    await control.tell_queue(names)


async def test_who_waits_sees_the_place_fall_and_then_the_answer(window: Window, ada: MessageService) -> None:
    browser = window.browser
    await window.log_in("ada")
    await browser.shows("hibernated", ".state")
    await browser.shows("hibernated", ROW)
    await queue(window, "bob", "cleo", "ada")
    await window.say("Are you there?")
    await browser.shows("queued · 3rd of 3", ".state")
    await browser.shows("queued · 3rd of 3 · 1 waiting", ROW)
    await browser.shows("3rd of 3 in the pool’s queue.", ".note")
    await queue(window, "cleo", "ada")
    await browser.shows("queued · 2nd of 2", ".state")
    await browser.shows("2nd of 2 in the pool’s queue.", ".note")
    await queue(window)
    await browser.shows("waking", ".state")
    await ada.claim(None)
    await browser.shows("Awake after", ".note")
    await browser.shows("idle", ".state")
    # One line tells all of it.
    assert len(await browser.texts(".note")) == 1


async def test_a_page_that_is_opened_while_the_agent_waits_shows_its_place(
    window: Window, ada: MessageService
) -> None:
    await window.stage.say("Are you there?")
    await queue(window, "ada")
    await window.log_in("ada")
    await window.browser.shows("1st of 1 in the pool’s queue.", ".note")
    assert await window.browser.run("return document.querySelector('.state').title.slice(0, 21)") == (
        "needs a process since"
    )
    await window.browser.shows("Waits for its turn.", ".queue")


async def test_a_hibernated_agent_is_woken_with_a_click(window: Window, ada: MessageService) -> None:
    await window.log_in("ada")
    await window.browser.shows("Wake", ".order")
    await window.browser.click(".order")
    await window.browser.shows("waking", ".state")
    assert await window.browser.texts(".order") == []
    await ada.claim(None)
    await window.browser.shows("idle", ".state")
    await window.browser.shows("Hibernate", ".order")


async def test_an_idle_agent_hibernates_with_a_click_and_says_so_quietly(
    window: Window, ada: MessageService
) -> None:
    await ada.claim(None)
    await talk(window, ada, "hello", "Hello!")
    await window.log_in("ada")
    await window.browser.shows("Hello!", ".answer")
    await window.browser.click(".order")
    await window.browser.until("!document.querySelector('.order').disabled")
    assert await ada.all_unread() == Leave("evict")
    await ada.retire()
    await window.browser.shows("Hibernated: the next message wakes it.", ".note")
    await window.browser.shows("hibernated", ".state")
    await window.browser.shows("Wake", ".order")
    before = await window.browser.texts(".item")
    await window.browser.reload()
    await window.browser.shows("Hibernated: the next message wakes it.", ".note")
    assert await window.browser.texts(".item") == before


async def test_a_turn_is_finished_first_and_that_is_said(window: Window, ada: MessageService) -> None:
    await ada.claim(None)
    await window.log_in("ada")
    await window.say("hello")
    await window.browser.shows("Waits for its turn.", ".queue")
    turn = await ada.all_unread()
    assert isinstance(turn, Turn)
    await window.browser.shows("running", ".state")
    await window.browser.click(".order")
    await window.browser.shows("It leaves its pod after this turn.", ".note")
    records = [record(turn.id, "user", "hello", mid=turn.inputs[0].mid), record(turn.id, "assistant", "Bye.")]
    assert await ada.commit(turn.id, turn.base, records, Ending(text="Bye."), Usage()) == Leave("evict")
    await ada.retire()
    await window.browser.shows("Bye.", ".answer")
    await window.browser.shows("hibernated", ".state")


async def test_an_order_that_is_refused_says_why(window: Window, ada: MessageService) -> None:
    await window.log_in("ada")
    await window.browser.shows("Nothing was said here yet")
    await window.browser.shows("Wake", ".order")
    # The page does not look at it again before the click.
    await window.browser.run("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    await Control(window.stage.bus).ctl("ada", "pause")
    await window.browser.run(
        "const order = document.querySelector('.order'); order.hidden = false; order.value = 'wake';"
        "order.click()"
    )
    await window.browser.shows("agent ada is suspended: it has no process until it is resumed", ".note")
    await window.browser.shows("Suspended: it keeps its messages", ".banner")
    await window.browser.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    await window.browser.until("!document.querySelector('.order').checkVisibility()")


async def test_a_new_thread_stays_empty_while_processes_come_and_go(
    window: Window, ada: MessageService
) -> None:
    await window.log_in("ada/another")
    await window.browser.shows("Nothing was said here yet")
    await ada.claim(None)
    await window.browser.shows("idle", ".state")
    await ada.retire()
    await window.browser.shows("hibernated", ".state")
    await window.browser.shows("Nothing was said here yet")
    assert await window.browser.texts(".note") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_queue_and_hibernation_are_legible_and_fit(
    window: Window, ada: MessageService, scheme: str, size: str
) -> None:
    browser = window.browser
    await ada.claim(None)
    await talk(
        window, ada, "Which tables are older than the backup?", "`orders` and `invoices`, both by a day."
    )
    bob = MessageService(window.stage.bus, Identity("bob", "uid-bob", "token-bob"))
    await Control(window.stage.bus).create("bob", "uid-bob")
    await bob.claim(None)
    await ada.retire()
    await browser.looks(*SIZES[size], scheme)
    await window.log_in("ada")
    await browser.shows("invoices", ".answer")
    await browser.shows("hibernated", ".state")
    await looked_at(window, f"hibernated-{size}-{scheme}")
    await queue(window, "cleo", "dan", "ada")
    await window.say("And by how many rows?")
    await browser.shows("3rd of 3 in the pool’s queue.", ".note")
    await browser.shows("queued · 3rd of 3", ".state")
    await looked_at(window, f"queued-{size}-{scheme}")
