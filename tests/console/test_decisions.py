"""What a person decides in the window: calls that wait, questions of tool servers; and the servers."""

from typing import Any

import orjson
import pytest

from horos_api.messages import Verdict
from horos_api.server_report import ServerReport, ServersReport, ServerState
from horos_bus.approvals import Approval
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, Turn, Usage
from horos_runtime.tool_registry import ToolRegistry
from horos_runtime.tool_registry import tool as as_tool
from tests.asking_people import FORM, QUESTION, call_to_approve, end_turn, heard, question
from tests.console.browser import ENTER
from tests.console.conftest import Window
from tests.console.test_connections import opened, runtime_of
from tests.console.test_looks import SIZES, looked_at
from tests.runtime.stage import until

TAB = "\ue004"
ESCAPE = "\ue00c"


def control(window: Window) -> Control:
    return Control(window.stage.bus)


async def waiting(window: Window, **arguments: Any) -> tuple[MessageService, Turn, str]:
    """An agent whose call waits for approval, in an open turn."""
    runtime = await runtime_of(window.stage)
    turn = await opened(window.stage, runtime, "Buy a pot")
    approval_id = await call_to_approve(runtime, turn, **(arguments or {"item": "pot", "price": 12}))
    return runtime, turn, approval_id


async def decided(window: Window) -> Approval:
    """Wait until the one thing that is asked is decided."""
    found: list[Approval] = []

    async def there() -> bool:
        found[:] = [each for each in await control(window).approvals("ada") if each.verdict]
        return bool(found)

    await until(there)
    return found[0]


async def test_a_call_that_waits_is_a_card_and_is_approved_with_name_and_reason(window: Window) -> None:
    runtime, turn, _ = await waiting(window)
    await window.log_in("ada")
    await window.browser.shows("ada asks before it uses a tool", ".ask")
    assert await window.browser.texts(".ask .tool") == ["shop__buy"]
    assert await window.browser.texts(".ask .code") == ['{\n  "item": "pot",\n  "price": 12\n}']
    assert await window.browser.texts(".ask .left") == ["10 min left"]
    await window.browser.type(".ask [aria-label=Reason]", "cheap")
    await window.browser.type(".ask .who", "alice")
    await window.browser.click(".ask .primary")
    found = await decided(window)
    assert (found.verdict, found.who, found.reason) == (Verdict.APPROVE, "alice", "cheap")
    await window.browser.shows("shop__buy was approved by alice", ".decision")
    await window.browser.shows("cheap", ".decision .why")
    assert await window.browser.texts(".ask") == []
    # The agent has not acted on it, so the list still tells.
    await window.browser.reload()
    await window.browser.shows("shop__buy was approved by alice", ".decision")
    await end_turn(runtime, turn)
    acting = await runtime.all_unread()
    assert isinstance(acting, Turn)
    answer = orjson.dumps({"role": "assistant", "content": "Bought.", "run": acting.id})
    await runtime.commit(acting.id, acting.base, [*heard(acting), answer], Ending(text="Bought."), Usage())
    await window.browser.shows("Bought.", ".answer")
    assert len(await window.browser.texts(".decision")) == 1
    # Nothing of it was said by anybody.
    assert await window.browser.texts(".said") == ["Buy a pot"]
    await window.browser.reload()
    await window.browser.shows("Bought.", ".answer")
    assert await window.browser.texts(".decision") == ["✓shop__buy: Decided by alice."]


@as_tool(approval=True)
def pay(to: str, euros: int) -> str:
    """Pay somebody."""
    return f"paid {euros} to {to}"


async def test_a_real_agent_asks_runs_the_call_once_approved_and_answers(window: Window) -> None:
    await window.stage.agent()
    call = {"name": "pay", "arguments": {"to": "carol", "euros": 5}}
    await window.stage.model.load({"toolCalls": [call]}, {"text": "I wait for you."}, {"text": "Paid."})
    async with window.stage.running(tools=ToolRegistry(pay)):
        await window.log_in("ada")
        await window.say("Pay carol")
        await window.browser.shows("I wait for you.", ".answer")
        await window.browser.click(".ask .primary")
        await window.browser.shows("Paid.", ".answer")
        await window.browser.shows("pay was approved by someone with the gateway's token", ".decision")
        assert (await window.browser.texts(".call .outcome"))[-1] == "paid 5 to carol"
        await window.browser.shows("idle", ".state")
    shown = await window.browser.texts(".said, .decision, .answer, .call .tool")
    assert shown[0] == "Pay carol"
    assert shown.count("pay") == 2
    await window.browser.reload()
    await window.browser.shows("Paid.", ".answer")
    again = await window.browser.texts(".said, .decision, .answer, .call .tool")
    decision = "✓pay: Approved by someone with the gateway's token"
    assert again == [decision if "✓" in each else each for each in shown]


async def test_what_is_asked_while_one_watches_appears_and_stays_after_a_reload(window: Window) -> None:
    await window.stage.agent("bob")
    await window.log_in()
    await window.browser.shows("bob", "#agents")
    await waiting(window)
    await window.browser.shows("1", ".badge")
    await window.browser.click("#agents a[href$=ada]")
    await window.browser.shows("shop__buy", ".ask")
    await window.browser.reload()
    await window.browser.shows("shop__buy", ".ask")
    assert len(await window.browser.texts(".ask")) == 1
    assert await window.browser.texts(".said") == ["Buy a pot"]


async def test_a_decision_from_elsewhere_is_seen_as_it_happens(window: Window) -> None:
    runtime = await runtime_of(window.stage)
    await window.log_in("ada")
    await window.browser.shows("Nothing was said here yet")
    turn = await opened(window.stage, runtime, "Buy a pot")
    approval_id = await call_to_approve(runtime, turn, item="pot")
    await window.browser.shows("shop__buy", ".ask")
    await control(window).decide("ada", approval_id, Verdict.DENY, "bob", reason="too dear")
    await window.browser.shows("shop__buy was denied by bob", ".decision.denied")
    await window.browser.shows("“too dear”", ".decision .why")
    assert await window.browser.texts(".ask") == []
    await window.browser.until("!document.querySelector('.badge').checkVisibility()")


async def test_whoever_comes_second_sees_who_was_first(window: Window) -> None:
    _, _, approval_id = await waiting(window)
    await window.log_in("ada")
    await window.browser.shows("shop__buy", ".ask")
    bus = window.stage.bus
    # The event of bob's decision has not come through.
    stored = orjson.loads(await bus.command("HGET", bus.keys.approvals("ada"), approval_id))
    stored = orjson.dumps(
        {**stored, "status": "denied", "who": "bob", "reason": "", "decided": stored["asked"]}
    )
    await bus.command("HSET", bus.keys.approvals("ada"), approval_id, stored)
    await bus.command("SET", bus.keys.decision(approval_id), stored)
    await window.browser.run("document.querySelector('.ask .primary').click()")
    await window.browser.shows("shop__buy was denied by bob", ".decision")
    await window.browser.shows(f"{approval_id} was denied by bob at", ".note")
    assert await window.browser.texts(".ask") == []


async def test_what_nobody_decides_in_time_is_denied(window: Window) -> None:
    runtime = await runtime_of(window.stage)
    turn = await opened(window.stage, runtime, "Buy a pot")
    await call_to_approve(runtime, turn, seconds=1)
    await window.log_in("ada")
    await window.browser.shows("time is up", ".ask .left")

    async def worked_off() -> bool:
        return await control(window).work_off_later() > 0

    await until(worked_off)
    await window.browser.shows("shop__buy was denied: nobody decided in time", ".decision.expired")


async def test_everything_can_be_done_with_the_keyboard_and_enter_in_a_field_approves_nothing(
    window: Window,
) -> None:
    _, _, approval_id = await waiting(window)
    await window.log_in("ada")
    await window.browser.type(".ask [aria-label=Reason]", f"why not{ENTER}{TAB}bob{ENTER}{TAB}")
    focused = "return document.activeElement.textContent"
    assert await window.browser.run(focused) == "Deny"
    assert (await control(window).approvals("ada"))[0].status == "pending"
    await window.browser.type(".ask .stop", ENTER)
    found = await decided(window)
    assert (found.id, found.verdict, found.who, found.reason) == (approval_id, Verdict.DENY, "bob", "why not")
    await window.browser.until("document.activeElement.classList.contains('pane')")


async def test_a_question_is_answered_with_its_defaults_filled_in(window: Window) -> None:
    runtime = await runtime_of(window.stage)
    await window.log_in("ada")
    await window.browser.shows("Nothing was said here yet")
    turn = await opened(window.stage, runtime, "Send it")
    question_id = await question(runtime, turn)
    await window.browser.shows("shop asks, for shop__buy", ".ask")
    await window.browser.shows(QUESTION, ".ask .question")
    labels = await window.browser.texts(".ask .field > label, .ask legend")
    assert labels == ["City (required)", "units", "days", "gift", "extras", "mail"]
    named = "[...document.querySelectorAll('.ask [name]')].map((e) => [e.name, e.value])"
    filled = f"return Object.fromEntries({named})"
    assert await window.browser.run(filled) == {
        "city": "",
        "units": "celsius",
        "days": "3",
        "gift": "on",
        "extras": None,
        "mail": "",
    }
    # The browser does not let go of what is missing.
    await window.browser.click(".ask .primary")
    assert await window.browser.run("return document.activeElement.name") == "city"
    await window.browser.type(".ask [name=city]", "Bern")
    await window.browser.clear(".ask [name=days]")
    await window.browser.type(".ask [name=days]", "2")
    await window.browser.click(".ask [name=gift]")
    await window.browser.click(".ask [value=ribbon]")
    await window.browser.type(".ask [name=mail]", f"a@b.example{ENTER}")
    await window.browser.shows("shop__buy was answered by someone with the gateway's token", ".decision")
    found = await runtime.answer(question_id)
    assert found is not None
    assert orjson.loads(found.content) == {
        "city": "Bern",
        "units": "celsius",
        "days": 2,
        "gift": True,
        "extras": ["ribbon"],
        "mail": "a@b.example",
    }


async def test_a_value_that_the_gateway_refuses_is_marked_and_can_be_mended(window: Window) -> None:
    runtime = await runtime_of(window.stage)
    turn = await opened(window.stage, runtime, "Send it")
    some = {"type": "array", "items": {"type": "string", "enum": ["card", "ribbon"]}, "minItems": 1}
    schema = orjson.dumps({"type": "object", "properties": {"extras": some}}).decode()
    await question(runtime, turn, schema)
    await window.log_in("ada")
    await window.browser.click(".ask .primary")
    await window.browser.shows(
        "extras is []; expected a list of at least 1 of card, ribbon", ".ask .complaint"
    )
    assert await window.browser.run("return document.querySelector('[aria-invalid]').name") == "extras"
    await window.browser.click(".ask [value=card]")
    await window.browser.click(".ask .primary")
    await window.browser.shows("was answered", ".decision")


async def test_a_question_is_declined_and_one_whose_call_is_over_goes_away(window: Window) -> None:
    runtime = await runtime_of(window.stage)
    turn = await opened(window.stage, runtime, "Send it")
    question_id = await question(runtime, turn)
    await window.log_in("ada")
    await window.browser.click(".ask .stop")
    await window.browser.shows("shop__buy was declined", ".decision.denied")
    await runtime.withdraw(question_id)
    other = await question(runtime, turn, number=2)
    await window.browser.shows("Where does it go?", ".ask")
    await runtime.withdraw(other)
    await window.browser.until("!document.querySelector('.ask')")


async def test_what_would_be_run_is_shown_as_it_is(window: Window) -> None:
    await waiting(
        window, amount=12345678901234567890, to="eve\u202ecod.exe", tag="<b>&", empty={}, of=[1, []]
    )
    await window.log_in("ada")
    await window.browser.shows("shop__buy", ".ask")
    shown = (await window.browser.texts(".ask .code"))[0]
    assert '"amount": 12345678901234567890,' in shown
    assert '"to": "eve\\u202ecod.exe",' in shown
    assert '"tag": "<b>&",' in shown
    assert '"empty": {},\n  "of": [\n    1,\n    []\n  ]\n}' in shown


async def test_what_other_threads_wait_for_is_told_with_the_way_there(window: Window) -> None:
    runtime = await runtime_of(window.stage)
    await window.log_in("ada")
    await window.browser.shows("Nothing was said here yet")
    await window.stage.say("Buy a pot", thread="trip")
    turn = await runtime.all_unread()
    assert isinstance(turn, Turn)
    await call_to_approve(runtime, turn, item="pot")
    await window.browser.shows("To decide in trip", ".elsewhere")
    assert await window.browser.texts(".ask") == []
    await window.browser.click(".elsewhere a")
    await window.browser.shows("shop__buy", ".ask")
    await window.browser.until("!document.querySelector('.elsewhere').innerText")


CLOCK = ServerReport(
    name="clock",
    transport="stdio",
    state=ServerState.CONNECTED,
    since=1,
    tools=("clock__now", "clock__zones"),
    hidden=3,
)
DOCS = ServerReport(
    name="docs",
    server_name="shared-docs",
    state=ServerState.FAILED,
    since=1,
    error="connection refused",
    error_at=2,
    stderr="warming up\nout of memory\n",
)


async def test_the_head_tells_of_the_servers_and_on_demand_all_about_them(window: Window) -> None:
    runtime = await runtime_of(window.stage)
    await runtime.report_servers(ServersReport(at=1, servers=(CLOCK, DOCS)).encoded())
    await window.log_in("ada")
    await window.browser.shows("2 tool servers", ".servers summary")
    await window.browser.shows("1 failing", ".servers .failing")
    await window.browser.type(".servers summary", ENTER)
    await window.browser.shows("clock__now  clock__zones", ".panel")
    await window.browser.shows("2 tools, 3 hidden", ".panel")
    await window.browser.shows("connection refused", ".panel .complaint")
    await window.browser.shows("out of memory", ".panel .code")
    await window.browser.shows("ToolServer shared-docs", ".panel")
    await window.browser.type(".servers summary", ESCAPE)
    await window.browser.until("!document.querySelector('.servers').open")
    # It is looked at again now and then.
    await runtime.report_servers(ServersReport(at=2, servers=(CLOCK,)).encoded())
    await window.browser.shows("1 tool server", ".servers summary")
    assert await window.browser.texts(".servers .failing") == []


async def test_what_is_told_of_servers_can_be_clicked_in_and_goes_with_a_click_beside_it(
    window: Window,
) -> None:
    runtime = await runtime_of(window.stage)
    await runtime.report_servers(ServersReport(at=1, servers=(CLOCK, DOCS)).encoded())
    await window.log_in("ada")
    await window.browser.click(".servers summary")
    await window.browser.shows("connection refused", ".panel .complaint")
    await window.browser.click(".panel .complaint")
    assert await window.browser.run("return document.querySelector('.servers').open") is True
    await window.browser.click(".head h1")
    await window.browser.until("!document.querySelector('.servers').open")


async def test_an_agent_without_servers_says_nothing_of_them(window: Window) -> None:
    await window.stage.agent()
    await window.log_in("ada")
    await window.browser.shows("Nothing was said here yet")
    assert await window.browser.texts(".servers") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_decisions_are_legible_and_fit(window: Window, scheme: str, size: str) -> None:
    browser = window.browser
    runtime, turn, approval_id = await waiting(
        window,
        to="shop@pots.example",
        item="A pot of cast iron, 24 cm",
        price=89.5,
        currency="CHF",
        lines=[1, 2],
    )
    await runtime.report_servers(ServersReport(at=1, servers=(CLOCK, DOCS)).encoded())
    await control(window).decide(
        "ada", approval_id, Verdict.APPROVE, "alice@example.org", reason="we need one"
    )
    await end_turn(runtime, turn)
    turn = await runtime.all_unread()  # type: ignore[assignment]
    await call_to_approve(
        runtime, turn, "shop__cancel_subscription", subscription="pots-monthly", refund=True
    )
    await question(runtime, turn, FORM)
    await browser.looks(*SIZES[size], scheme)
    await window.log_in("ada")
    await browser.shows("Where does it go?", ".ask")
    if size == "wide":
        await browser.shows("2", ".badge")
    await looked_at(window, f"decide-{size}-{scheme}")
    await browser.click(".servers summary")
    await browser.shows("out of memory", ".panel")
    await looked_at(window, f"servers-{size}-{scheme}")
