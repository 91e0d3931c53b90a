"""Steering agents from the command line: cancel, suspend, resume, terminate, dead letters, delays, Ctrl-C."""

import asyncio
import contextlib
import os
import pty
import signal
from collections.abc import AsyncIterator

import pytest

from horos_api import events
from horos_api.resources import OperatingMode
from tests.asking_people import call_to_approve, end_turn
from tests.bus.stage import until
from tests.person.conftest import Here
from tests.person.stage import HOROS, SECONDS, Agent, Done, environment


@contextlib.asynccontextmanager
async def operator_of(ada: Agent) -> AsyncIterator[None]:
    """Carry out orders as the operator does, on the bus alone."""

    async def obey() -> None:
        while True:
            for order in await ada.control.orders():
                match order.mode:
                    case OperatingMode.SUSPENDED:
                        await ada.control.ctl(order.agent, "pause")
                    case OperatingMode.RUNNING:
                        await ada.control.ctl(order.agent, "resume")
                    case OperatingMode.TERMINATED:
                        await ada.control.terminate(order.agent, order.uid)
                await ada.control.done(order)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(obey())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_cancel_names_the_turn_and_whoever_asked_is_told(here: Here, ada: Agent) -> None:
    waiting = await here.start("send", "ada", "Hello", "--wait")
    turn = await ada.turn()
    await ada.say(turn, "Hel", done=False)
    await waiting.until("Hel")
    done = await here.horos("cancel", "ada")
    assert done == Done(0, "", f"ada: turn {turn.id} is cancelled; whoever asked is told\n")
    await ada.give_up(turn, "cancelled by a person")
    told = await waiting.end()
    assert told.code == 1
    assert "cancelled by a person; nobody will answer this message" in told.err


async def test_a_cancel_without_a_turn_or_of_another_one_is_refused(here: Here, ada: Agent) -> None:
    idle = await here.horos("cancel", "ada")
    assert (idle.code, "there is nothing to cancel" in idle.err) == (1, True)
    other = await here.horos("cancel", "ada", "--run", "1-1")
    assert (other.code, "turn 1-1 of agent ada is not open" in other.err) == (1, True)
    nobody = await here.horos("cancel", "nobody")
    assert nobody.code == 3


async def test_suspend_resume_and_terminate_wait_until_it_is_so(here: Here, ada: Agent) -> None:
    async with operator_of(ada):
        assert await here.horos("suspend", "ada") == Done(0, "", "ada is paused\n")
        assert await here.horos("resume", "ada") == Done(0, "", "ada is idle\n")
        assert await here.horos("terminate", "ada", "--yes") == Done(0, "", "ada is terminated\n")
        again = await here.horos("resume", "ada")
        assert (again.code, "ada was terminated" in again.err) == (1, True)
        message = await here.horos("send", "ada", "Hello?")
        assert (message.code, "it takes no messages" in message.err) == (1, True)


async def test_without_an_operator_the_order_waits_and_that_is_said(here: Here, ada: Agent) -> None:
    done = await here.horos("suspend", "ada", "--timeout", "0")
    assert done == Done(0, "", "ada is idle; the operator was asked to suspend it\n")
    late = await here.horos("suspend", "ada", "--timeout", "0.5")
    assert (late.code, "is the operator running?" in late.err) == (5, True)
    assert [order.mode for order in await ada.control.orders()] == [OperatingMode.SUSPENDED] * 2


async def test_dead_letters_are_told_with_their_reason(here: Here, ada: Agent) -> None:
    assert await here.horos("dead", "ada") == Done(0, "", "ada has given up no message\n")
    await here.horos("send", "ada", "a poisonous\nquestion")
    await ada.turn()
    await ada.die()
    listed = (await here.horos("dead", "ada", "-o", "json")).json
    assert [letter["text"] for letter in listed] == ["a poisonous\nquestion"]
    table = (await here.horos("dead", "ada")).out
    assert "a poisonous question" in table
    assert "a person" in table
    described = (await here.horos("describe", "ada")).out
    assert "1 message: see `horos dead`" in described


async def test_a_delayed_message_is_taken_and_comes_later(here: Here, ada: Agent) -> None:
    done = await here.horos("send", "ada", "later", "--delay", "3600")
    assert done.code == 0
    [agent] = (await here.horos("agents", "-o", "json")).json
    assert agent["waiting"] == 0
    wrong = await here.horos("send", "ada", "later", "--delay", "-1")
    assert (wrong.code, "--delay" in wrong.err) == (2, True)


async def test_what_keeps_an_answer_waiting_is_told(here: Here, ada: Agent) -> None:
    waiting = await here.start("send", "ada", "Ask around", "--wait")
    turn = await ada.turn()
    await ada.ask(turn, "ada-2")
    await ada.answer(turn, "I have asked.", written=3)
    await ada.control.terminate("ada-2", "uid-ada-2")
    await ada.answer(await ada.turn(), "ada-2 is gone.")
    done = await waiting.end()
    assert done.out == "ada-2 is gone.\n"
    assert "the agent waits for others or for a decision; it answers then" in done.err


class Typed:
    """`horos chat` at a terminal of its own."""

    def __init__(self, process: asyncio.subprocess.Process, terminal: int) -> None:
        self.process = process
        self.terminal = terminal
        self.seen = ""

    async def until(self, text: str) -> None:
        async with asyncio.timeout(SECONDS):
            while text not in self.seen:
                self.seen += (await asyncio.to_thread(os.read, self.terminal, 4096)).decode()

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())


@contextlib.asynccontextmanager
async def typing(here: Here) -> AsyncIterator[Typed]:
    terminal, side = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(HOROS, "chat", "ada", "-n", here.namespace),
        **dict.fromkeys(("stdin", "stdout", "stderr"), side),
        env=environment(**here.variables),
        start_new_session=True,
    )
    os.close(side)
    typed = Typed(process, terminal)
    yield typed
    if process.returncode is None:
        process.kill()
        await process.wait()
    os.close(terminal)


@pytest.fixture
async def chat(here: Here, ada: Agent) -> AsyncIterator[Typed]:
    async with typing(here) as typed:
        yield typed


async def test_ctrl_c_in_a_chat_stops_the_answer_and_the_chat_goes_on(chat: Typed, ada: Agent) -> None:
    await chat.until("Ctrl-C stops an answer")
    chat.type("Count to a million\n")
    turn = await ada.turn()
    message = await ada.say(turn, "One, two", done=False)
    await chat.until("One, two")
    chat.process.send_signal(signal.SIGINT)
    await chat.until("cancelled. Ctrl-C again leaves the chat.")
    assert (await ada.control.views(["ada"]))["ada"].cancelling
    await ada.emit(turn, events.text_end(message))
    await ada.give_up(turn, "cancelled by a person")
    chat.type("Again\n")
    await ada.answer(await ada.turn(), "Here I am")
    await chat.until("Here I am")


async def test_ctrl_c_before_the_agent_has_begun_cancels_nobody_elses_turn(
    chat: Typed, here: Here, ada: Agent
) -> None:
    await here.horos("send", "ada", "from somebody else", "--thread", "other")
    await ada.turn()
    await chat.until("main>")
    chat.type("Mine\n")

    async def waiting() -> bool:
        return (await ada.control.views(["ada"]))["ada"].waiting == 2

    await until(waiting)
    chat.process.send_signal(signal.SIGINT)
    await chat.until("left; ada answers it later.")
    assert not (await ada.control.views(["ada"]))["ada"].cancelling


async def bought(chat: Typed, ada: Agent, line: str) -> str:
    """Say something that makes ada ask for approval; the id of that."""
    await chat.until("main>")
    chat.type(line)
    turn = await ada.turn()
    approval_id = await call_to_approve(ada.runtime, turn, item="pot")
    await end_turn(ada.runtime, turn)
    await chat.until("decide here: /approve")
    return approval_id


async def test_what_an_answer_waits_for_is_decided_in_the_chat(chat: Typed, ada: Agent) -> None:
    approval_id = await bought(chat, ada, "Buy a pot\n")
    assert f"? shop__buy(item=pot): `horos approve {approval_id}`" in chat.seen
    chat.type("and hurry\n")
    await chat.until("said when this is decided")
    chat.type("/approve please\n")
    await chat.until("/approve 'please': expected NAME=VALUE")
    chat.type("/deny it is too dear\n")
    await chat.until("ada may not call shop__buy(")
    acting = await ada.turn()
    assert [(each.verdict, each.reason) for each in acting.inputs] == [("deny", "it is too dear")]
    await ada.answer(acting, "Then I do not buy it.")
    await chat.until("Then I do not buy it.")
    # Its event says nothing that the person does not know.
    assert "shop__buy: denied" not in chat.seen
    assert [each.body for each in (await ada.turn()).inputs] == ["and hurry"]


async def test_a_decision_can_be_left_for_later_and_the_answer_comes_then(chat: Typed, ada: Agent) -> None:
    approval_id = await bought(chat, ada, "Buy a pot\n")
    chat.process.send_signal(signal.SIGINT)
    await chat.until("left; ada answers it later.")
    chat.type("/approve bob/1-0/0.0\n")
    await chat.until("/approve 'bob/1-0/0.0': expected NAME=VALUE")
    chat.type("/approve ada/1-0/0.0\n")
    await chat.until("nothing called ada/1-0/0.0 waits")
    chat.type(f"/approve {approval_id}\n")
    await chat.until("ada may call shop__buy(")
    acting = await ada.turn()
    await ada.say(acting, "Bought.")
    await ada.answer(acting, "Bought.")
    await chat.until("Bought.")
    chat.type("/deny\n")
    await chat.until("/deny: nothing waits for a decision in this chat")


async def test_a_chat_begins_with_what_waits_and_asks_which_one_is_meant(here: Here, ada: Agent) -> None:
    for item in ("pot", "pan"):
        await here.horos("send", "ada", f"Buy a {item}")
        turn = await ada.turn()
        await call_to_approve(ada.runtime, turn, item=item)
        await end_turn(ada.runtime, turn)
    async with typing(here) as chat:
        await chat.until("? shop__buy(item=pan)")
        await chat.until("main>")
        chat.type("/approve\n")
        await chat.until("/approve: say which: ada/")
