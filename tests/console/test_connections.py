"""The window when what lies between it and the agent breaks: nothing is missed, nothing is shown twice."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from horos_api.events import text_delta, text_end, text_start
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, Identity, Turn, Usage
from horos_gateway.app import gateway_app
from horos_gateway.settings import Settings
from tests.console.browser import Browser
from tests.console.conftest import Window
from tests.console.wire import Wire
from tests.gateway.conftest import TOKEN
from tests.model_fixtures import served
from tests.runtime.stage import FAST, Stage

_tokens = itertools.count(1)


@pytest.fixture
async def wire(gateway: str) -> AsyncIterator[Wire]:
    async with Wire(gateway).up() as up:
        yield up


async def runtime_of(stage: Stage) -> MessageService:
    """A runtime whose every move the test makes."""
    await stage.agent()
    runtime = MessageService(stage.bus, Identity("ada", "uid-ada", f"token-{next(_tokens)}"))
    await runtime.claim(None)
    return runtime


async def opened(stage: Stage, runtime: MessageService, text: str) -> Turn:
    await stage.say(text)
    turn = await runtime.all_unread()
    assert isinstance(turn, Turn)
    return turn


def record(turn: Turn, role: str, content: str) -> bytes:
    mid = {"mid": turn.inputs[0].mid} if role == "user" else {}
    return orjson.dumps({"role": role, "content": content, "run": turn.id, **mid})


async def finish(runtime: MessageService, turn: Turn, text: str) -> None:
    """Close the turn with one answer."""
    records = [record(turn, "user", turn.inputs[0].body), record(turn, "assistant", text)]
    await runtime.commit(turn.id, turn.base, records, Ending(text=text), Usage(1, 1))


async def test_a_cut_connection_goes_on_where_it_was(window: Window, wire: Wire) -> None:
    runtime = await runtime_of(window.stage)
    turn = await opened(window.stage, runtime, "count")
    message = f"{turn.id}/{turn.base + 1}"
    words = [f"{number} " for number in range(400)]
    there = Window(window.browser, window.stage, wire.address)
    await there.log_in("ada")
    await runtime.emit(turn.id, [text_start(message), *(text_delta(message, w) for w in words[:100])])
    await window.browser.shows("99", ".answer")
    wire.cut()
    await window.browser.shows("Connection lost", ".status")
    await runtime.emit(turn.id, [text_delta(message, word) for word in words[100:300]])
    wire.mend()
    await window.browser.shows("299", ".answer")
    await window.browser.until("document.querySelector('.status').hidden")
    await runtime.emit(turn.id, [*(text_delta(message, w) for w in words[300:]), text_end(message)])
    await window.browser.shows("399", ".answer")
    assert await window.browser.texts(".answer") == ["".join(words).strip()]
    assert await window.browser.texts(".said") == ["count"]


async def test_what_is_no_longer_kept_is_read_from_the_records(window: Window, wire: Wire) -> None:
    runtime = await runtime_of(window.stage)
    turn = await opened(window.stage, runtime, "one")
    message = f"{turn.id}/{turn.base + 1}"
    await Window(window.browser, window.stage, wire.address).log_in("ada")
    await runtime.emit(turn.id, [text_start(message), text_delta(message, "half")])
    await window.browser.shows("half", ".answer")
    wire.cut()
    await window.browser.shows("Connection lost", ".status")
    await finish(runtime, turn, "half and half")
    await finish(runtime, await opened(window.stage, runtime, "two"), "whole")
    await window.stage.bus.command("XTRIM", window.stage.bus.keys.events("ada"), "MAXLEN", "=", 2)
    wire.mend()
    await window.browser.shows("whole", ".answer")
    assert await window.browser.texts(".answer") == ["half and half", "whole"]
    assert await window.browser.texts(".said") == ["one", "two"]
    # It goes on from there.
    await finish(runtime, await opened(window.stage, runtime, "three"), "live again")
    await window.browser.shows("live again", ".answer")
    assert len(await window.browser.texts(".answer")) == 3


async def test_a_message_that_did_not_reach_the_gateway_is_sent_again_once(
    window: Window, wire: Wire
) -> None:
    runtime = await runtime_of(window.stage)
    there = Window(window.browser, window.stage, wire.address)
    await there.log_in("ada")
    await window.browser.shows("Nothing was said here yet")
    wire.cut()
    await there.say("are you there?")
    await window.browser.shows("cannot be reached", ".queue .foot")
    wire.mend()
    await window.browser.click(".queue .foot button")
    await window.browser.shows("Waits for its turn.", ".queue")
    turn = await runtime.all_unread()
    assert isinstance(turn, Turn)
    assert [each.body for each in turn.inputs] == ["are you there?"]
    await finish(runtime, turn, "yes")
    await window.browser.shows("yes", ".answer")
    assert await window.browser.texts(".said") == ["are you there?"]


async def test_a_new_process_takes_back_what_was_not_stored(window: Window) -> None:
    await window.stage.agent()
    await window.stage.model.load(
        {"chunks": ["from the old", {"text": " one", "hold": True}]}, {"text": "from the new one"}
    )
    await window.log_in("ada")
    await window.browser.shows("Nothing was said here yet")
    async with window.stage.running(pace=FAST.__class__(grace=0.05, coalesce=0.005)) as first:
        await window.say("who are you?")
        await window.browser.shows("from the old", ".answer")
        first.runtime.stop()
        await first.ends()
    async with window.stage.running():
        await window.browser.shows("from the new one", ".answer")
    assert await window.browser.texts(".answer") == ["from the new one"]
    await window.browser.shows("Another process took over", ".note")


async def test_a_long_thread_stays_small_in_the_page_and_older_parts_are_read_on_demand(
    window: Window,
) -> None:
    runtime = await runtime_of(window.stage)
    turn = await opened(window.stage, runtime, "begin")
    records = [record(turn, "user", "begin"), *(record(turn, "assistant", f"({i})") for i in range(999))]
    await runtime.commit(turn.id, turn.base, records, Ending(text="x"), Usage(1, 1))
    await window.log_in("ada")
    await window.browser.shows("(998)", ".answer")
    assert len(await window.browser.texts(".item")) == 80
    at_the_end = "return document.querySelector('.pane').scrollTop > 1000"
    assert await window.browser.run(at_the_end)
    await window.browser.click(".older")
    await window.browser.shows("(839)", ".answer")
    assert len(await window.browser.texts(".item")) == 160
    shown = await window.browser.texts(".answer")
    assert shown == [f"({i})" for i in range(839, 999)]
    for number in range(200):
        await finish(runtime, await opened(window.stage, runtime, f"q{number}"), f"a{number}")
    await window.browser.run("document.querySelector('.pane').scrollTop = 1e9")
    await window.browser.until("document.querySelector('.down').hidden")
    await finish(runtime, await opened(window.stage, runtime, "last question"), "last answer")
    await window.browser.shows("last answer", ".answer")
    await window.browser.until("document.querySelectorAll('.item').length <= 320")
    await window.browser.click(".older")
    await window.browser.until("document.querySelectorAll('.item').length > 300")
    numbers = [text for text in await window.browser.texts(".said") if text.startswith("q")]
    assert numbers == [f"q{i}" for i in range(200)][-len(numbers) :]


@asynccontextmanager
async def behind_a_prefix(redis_url: str) -> AsyncIterator[str]:
    """The gateway as the API server's service proxy shows it."""
    settings = Settings.model_validate({"redis_url": redis_url, "install": "test", "token": TOKEN})
    gateway = gateway_app(settings)
    prefix = "/api/v1/namespaces/horos-system/services/http:horos-gateway:http/proxy"
    app = Starlette(routes=[Mount(prefix, gateway)], lifespan=gateway.router.lifespan_context)
    with served(app) as address:
        yield address + prefix
        gateway.state.hub.end()


async def test_it_works_behind_the_service_proxy(browser: Browser, stage: Stage) -> None:
    await stage.agent()
    await stage.model.load({"text": "through the proxy"})
    async with behind_a_prefix(stage.redis_url) as address, stage.running():
        window = Window(browser, stage, address)
        await window.log_in("ada")
        await window.say("can you hear me?")
        await browser.shows("through the proxy", ".answer")
        cookies = (await browser.devtools("Network.getCookies", urls=[f"{address}/api/v1/x"]))["cookies"]
        assert [each["path"] for each in cookies] == [
            f"{address.partition('/api')[1]}{address.partition('/api')[2]}/api/v1"
        ]
        assert cookies[0]["httpOnly"]
        # Nobody else on this host gets it.
        outside = address.partition("/api")[0] + "/api/v1/namespaces"
        assert (await browser.devtools("Network.getCookies", urls=[outside]))["cookies"] == []
        await browser.open("about:blank")
