"""Agents and their processes from the command line: wake, hibernate, the pool, and who waits for whom."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import pytest

from horos_bus.message_service import MessageService
from horos_bus.records import Identity, Leave
from tests.bus.stage import until
from tests.person.conftest import Cluster, Here
from tests.person.stage import Agent, Done, Running

VALID = ("True", "Valid", "the spec can be carried out")


@pytest.fixture
async def asleep(ada: Agent) -> Agent:
    """Ada without a process: nothing to do, nobody holds it."""
    await ada.runtime.retire()
    return ada


@asynccontextmanager
async def obedient(ada: Agent) -> AsyncIterator[None]:
    """Let ada's process leave when it is asked to, as the runtime does."""

    async def obey() -> None:
        while not isinstance(await ada.runtime.all_unread(), Leave):
            await ada.runtime.wait_for_wake(5)
        await ada.runtime.retire()

    async with running(obey()):
        yield


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_resident_agent_is_awake_already(here: Here, ada: Agent) -> None:
    assert await here.horos("wake", "ada") == Done(0, "", "ada is resident already\n")


async def test_an_agent_that_was_asked_to_leave_and_is_woken_comes_back(here: Here, ada: Agent) -> None:
    await here.horos("send", "ada", "Hello")
    turn = await ada.turn()
    await here.horos("hibernate", "ada", "--timeout", "0")
    said = f"ada leaves after its turn {turn.id} and comes back then\n"
    assert await here.horos("wake", "ada") == Done(0, "", said)
    await ada.answer(turn, "Done.")
    await ada.runtime.all_unread()
    await ada.runtime.retire()
    assert [each.agent for each in await ada.control.work()] == ["ada"]


async def test_wake_waits_until_a_process_has_the_agent(here: Here, asleep: Agent) -> None:
    waking = await here.start("wake", "ada")
    await waking.says("ada is waking up\n")
    await asleep.runtime.claim(None)
    assert await waking.end() == Done(0, "", "ada is waking up\nada is resident\n")


async def test_in_a_full_pool_wake_tells_the_place_as_it_falls(here: Here, asleep: Agent) -> None:
    for name in ("bob", "cleo"):
        await asleep.control.create(name, f"uid-{name}")
    await asleep.control.tell_queue(["bob", "cleo", "ada"])
    waking = await here.start("wake", "ada")
    places = ["ada is 3rd of 3 in the pool's queue\n", "ada is 2nd of 2 in the pool's queue\n"]
    await waking.says(places[0])
    await asleep.control.tell_queue(["cleo", "ada"])
    await waking.says(places[1])
    await asleep.control.tell_queue([])
    await waking.says("ada is waking up\n")
    await asleep.runtime.claim(None)
    assert await waking.end() == Done(0, "", "".join([*places, "ada is waking up\n", "ada is resident\n"]))


async def test_wake_does_not_wait_when_nobody_wants_it_to(here: Here, asleep: Agent) -> None:
    assert await here.horos("wake", "ada", "--timeout", "0") == Done(0, "", "ada is waking up\n")
    await asleep.control.tell_queue(["ada"])
    placed = await here.horos("wake", "ada", "--timeout", "0")
    assert placed == Done(0, "", "ada is 1st of 1 in the pool's queue\n")


async def test_wake_gives_up_in_time_and_says_what_it_waited_for(here: Here, asleep: Agent) -> None:
    late = await here.horos("wake", "ada", "--timeout", "0.4")
    said = "ada is waking up\nerror: ada has no process after 0.4 s; is the operator running?\n"
    assert late == Done(5, "", said)
    await asleep.control.tell_queue(["ada"])
    late = await here.horos("wake", "ada", "--timeout", "0.4")
    place = "1st of 1 in the pool's queue"
    said = f"ada is {place}\nerror: ada is still {place} after 0.4 s; it wakes when a slot is free\n"
    assert late == Done(5, "", said)


async def test_wake_that_gives_up_says_what_the_agent_says(cluster: Cluster) -> None:
    await cluster.control.create("ada", "uid-ada")
    failed = ("False", "ImagePullFailed", "the image you/horos-agent cannot be had")
    cluster.door.says("ada", Accepted=VALID, Ready=failed)
    late = await cluster.horos("wake", "ada", "--timeout", "0.1")
    assert late.code == 5
    assert late.err.endswith(f"ada has no process after 0.1 s; {failed[1]}: {failed[2]}\n")


async def test_an_agent_that_leaves_again_at_once_has_been_woken(here: Here, asleep: Agent) -> None:
    waking = await here.start("wake", "ada")
    await waking.says("ada is waking up\n")
    heir = MessageService(here.bus, Identity("ada", "uid-ada", "heir"))
    await heir.claim(None)
    await heir.retire()
    done = await waking.end()
    assert (done.code, done.err.splitlines()[-1]) in [
        *((0, "ada was resident and has left its pod again"), (0, "ada is resident"))
    ]


async def test_who_is_suspended_while_it_is_awaited_does_not_wake(here: Here, asleep: Agent) -> None:
    waking = await here.start("wake", "ada")
    await waking.says("ada is waking up\n")
    await asleep.control.ctl("ada", "pause")
    done = await waking.end()
    assert (done.code, done.err.splitlines()[-1]) == (1, "error: ada does not wake: it is paused now")


@pytest.mark.parametrize("order", ["wake", "hibernate"])
async def test_a_suspended_a_terminated_and_an_unknown_agent_are_refused(
    here: Here, asleep: Agent, order: str
) -> None:
    await asleep.control.ctl("ada", "pause")
    suspended = await here.horos(order, "ada")
    said = "error: agent ada is suspended: it has no process until it is resumed\n"
    assert suspended == Done(1, "", said)
    await asleep.control.terminate("ada", "uid-ada")
    over = await here.horos(order, "ada")
    assert (over.code, "agent ada was terminated" in over.err) == (1, True)
    nobody = await here.horos(order, "nobody")
    assert (nobody.code, "there is no agent nobody" in nobody.err) == (3, True)


@pytest.mark.parametrize("order", ["wake", "hibernate"])
async def test_a_name_that_no_agent_has_and_a_wrong_timeout_are_wrong_usage(here: Here, order: str) -> None:
    assert (await here.horos(order, "No Name")).code == 2
    assert (await here.horos(order, "ada", "--timeout", "-1")).code == 2
    assert (await here.horos(order, "ada", "--timeout", "soon")).code == 2


async def test_an_idle_agent_hibernates_and_the_second_time_it_has(here: Here, ada: Agent) -> None:
    async with obedient(ada):
        done = await here.horos("hibernate", "ada")
    assert done == Done(0, "", "ada is hibernated; the next message wakes it\n")
    assert await here.horos("hibernate", "ada") == Done(0, "", "ada is hibernated already\n")


async def test_a_turn_is_finished_first(here: Here, ada: Agent) -> None:
    await here.horos("send", "ada", "Hello")
    turn = await ada.turn()
    leaves = f"leaves after its turn {turn.id}"
    asked = await here.horos("hibernate", "ada", "--timeout", "0")
    assert asked == Done(0, "", f"ada {leaves}\n")
    late = await here.horos("hibernate", "ada", "--timeout", "0.4")
    said = f"ada {leaves}\nerror: ada is still resident after 0.4 s; it {leaves}\n"
    assert late == Done(5, "", said)
    leaving = await here.start("hibernate", "ada")
    await leaving.says(leaves)
    await ada.answer(turn, "Done.")
    async with obedient(ada):
        done = await leaving.end()
    assert done == Done(0, "", f"ada {leaves}\nada is hibernated; the next message wakes it\n")


async def test_a_process_that_does_not_obey_is_told_as_such(here: Here, ada: Agent) -> None:
    asked = await here.horos("hibernate", "ada", "--timeout", "0")
    assert asked == Done(0, "", "ada was asked to leave its pod\n")
    late = await here.horos("hibernate", "ada", "--timeout", "0.4")
    assert late == Done(5, "", "error: ada is still resident after 0.4 s; it was asked to leave its pod\n")


async def test_what_waits_brings_it_back(here: Here, ada: Agent) -> None:
    await here.horos("send", "ada", "Hello")
    turn = await ada.turn()
    await here.horos("send", "ada", "And another thing", "--thread", "side")
    leaving = await here.start("hibernate", "ada")
    await leaving.says("leaves after its turn")
    await ada.answer(turn, "Done.")
    async with obedient(ada):
        done = await leaving.end()
    said = "ada gave up its process and comes back when there is room, since 1 message waits"
    assert (done.code, done.err.splitlines()[-1]) == (0, said)


async def test_an_agent_that_stays_resident_comes_back(here: Here, ada: Agent) -> None:
    config = orjson.dumps({"generation": 1, "spec": {}, "idleSeconds": 0})
    await ada.control.configure("ada", "uid-ada", 1, config)
    async with obedient(ada):
        done = await here.horos("hibernate", "ada")
    said = "ada gave up its process and comes back when there is room, since its idleSeconds is 0\n"
    assert done == Done(0, "", said)


async def test_who_waits_for_a_process_has_none_to_give_up(here: Here, asleep: Agent) -> None:
    await here.horos("send", "ada", "Hello")
    done = await here.horos("hibernate", "ada")
    assert done == Done(1, "", "error: agent ada has no process to give up: it waits for one\n")


async def test_a_namespace_without_a_pool_has_no_limit_and_says_so(here: Here, ada: Agent) -> None:
    done = await here.horos("pool")
    assert (done.code, done.err) == (0, f"no AgentPool in namespace {here.namespace}: no limit\n")
    numbers, _, residents = done.out.partition("\nResident, the idle longest first:\n")
    assert [line.rstrip() for line in numbers.splitlines()] == [
        *("Limit:      none", "Resident:   1", "Queued:     0", "Hibernated: 0")
    ]
    assert [line.split()[:2] for line in residents.splitlines()] == [["NAME", "STATE"], ["ada", "idle"]]


async def test_a_pool_that_the_operator_has_told_of(here: Here, asleep: Agent) -> None:
    await asleep.control.tell_limit(0)
    await here.horos("send", "ada", "Hello")
    await asleep.control.tell_queue(["ada"])
    done = await here.horos("pool")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Limit:      0 pods\nResident:   0\nQueued:     1\n")
    assert re.fullmatch(r"1 +ada +idle +\d+s +a message waits *", done.out.splitlines()[-1])
    told = (await here.horos("pool", "-o", "json")).json
    assert (told["agentPool"], told["live"]["maxRunning"]) == (None, 0)
    assert [each["name"] for each in told["live"]["queue"]] == ["ada"]
    assert (await here.horos("pool", "-o", "yaml")).out.startswith("agentPool: null\nlive:\n")
    assert (await here.horos("pool", "-o", "xml")).code == 2


POOL: dict[str, Any] = {
    "metadata": {"name": "default", "namespace": "here"},
    "spec": {"maxRunning": 2, "idleSeconds": 300, "evict": "IdleLongest"},
    "status": {"running": 0, "quota": {"name": "horos-agents", "hard": 2, "used": 0}},
}


async def test_through_the_cluster_the_pool_itself_is_read(cluster: Cluster) -> None:
    assert (await cluster.horos("pool")).err == "no AgentPool in namespace here: no limit\n"
    cluster.door.pool = POOL
    assert (await cluster.horos("pool")).out.startswith("Limit:      2 pods\n"), "it concerns nobody yet"
    await cluster.control.create("ada", "uid-ada")
    done = await cluster.horos("pool")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Limit:      2 pods; the operator has not taken it in yet\n")
    await cluster.control.tell_limit(2)
    told = (await cluster.horos("pool")).out
    cluster.door.pool = None
    gone = await cluster.horos("pool")
    await cluster.control.tell_limit(None)
    assert gone.err == "no AgentPool in namespace here: no limit\n"
    assert gone.out.startswith("Limit:      none; the operator has not taken it in yet\n")
    cluster.door.pool = POOL
    assert told.startswith("Limit:      2 pods\n")
    assert "Quota:      0 of 2 pods in ResourceQuota horos-agents\n" in told
    assert (await cluster.horos("pool", "-o", "json")).json["agentPool"] == POOL


async def test_without_the_right_to_read_pools_the_gateway_tells_the_limit(cluster: Cluster) -> None:
    cluster.door.may_read_pools = False
    await cluster.control.tell_limit(7)
    done = await cluster.horos("pool")
    await cluster.control.tell_limit(None)
    assert (done.code, done.err, done.out.splitlines()[0]) == (0, "", "Limit:      7 pods")


async def test_a_gateway_that_is_not_there_is_said_to_be(here: Here) -> None:
    for command in (("wake", "ada"), ("hibernate", "ada"), ("pool",)):
        done = await Here(here.namespace, here.bus, "http://127.0.0.1:9").horos(*command)
        assert (done.code, "cannot be reached" in done.err) == (4, True)


async def has_both(ada: Agent) -> None:
    """Wait until two messages are in ada's inbox."""

    async def both() -> bool:
        view = await ada.control.view("ada")
        return view is not None and view.waiting == 2

    await until(both)


async def answered(waiting: Running, ada: Agent) -> Done:
    """Let ada get its process and answer."""
    await ada.runtime.claim(None)
    turn = await ada.turn()
    await ada.answer(turn, "Here I am.")
    return await waiting.end()


async def test_whoever_waits_for_an_answer_is_told_that_the_agent_wakes_up_once(
    here: Here, asleep: Agent
) -> None:
    waiting = await here.start("send", "ada", "Hello", "--wait")
    await waiting.says("ada is waking up\n")
    assert await answered(waiting, asleep) == Done(0, "Here I am.\n", "ada is waking up\n")


async def test_whoever_waits_for_an_answer_is_told_its_place_as_it_falls(here: Here, asleep: Agent) -> None:
    for name in ("bob", "cleo"):
        await asleep.control.create(name, f"uid-{name}")
    await asleep.control.tell_queue(["bob", "cleo", "ada"])
    waiting = await here.start("send", "ada", "Hello", "--wait")
    places = [f"ada is {place} in the pool's queue\n" for place in ("3rd of 3", "2nd of 2", "1st of 1")]
    await waiting.says(places[0])
    for left in (["cleo", "ada"], ["ada"]):
        await asleep.control.tell_queue(left)
        await waiting.says(places[3 - len(left)])
    assert await answered(waiting, asleep) == Done(0, "Here I am.\n", "".join(places))


async def test_an_agent_that_goes_while_a_message_waits_is_told_of_again(here: Here, ada: Agent) -> None:
    await here.horos("send", "ada", "Something else", "--thread", "side")
    turn = await ada.turn()
    waiting = await here.start("send", "ada", "Hello", "--wait")
    await has_both(ada)
    await ada.control.ctl("ada", "evict")
    await ada.answer(turn, "Done.")
    async with obedient(ada):
        await waiting.says("ada is waking up\n")
    done = await answered(waiting, ada)
    assert (done.code, done.out) == (0, "Here I am.\n")


async def test_a_message_for_a_queued_agent_tells_its_place(here: Here, asleep: Agent) -> None:
    await here.horos("send", "ada", "Hello")
    await asleep.control.tell_queue(["ada"])
    sent = await here.horos("send", "ada", "Hello?")
    assert (sent.code, sent.err.splitlines()[1:]) == (0, ["ada is 1st of 1 in the pool's queue"])


async def test_a_chat_with_a_queued_agent_begins_with_its_place(here: Here, asleep: Agent) -> None:
    await here.horos("send", "ada", "Hello")
    await asleep.control.tell_queue(["ada"])
    chat = await here.start("chat", "ada")
    await chat.says("ada is 1st of 1 in the pool's queue\n")
    await chat.type("And?\n")
    await has_both(asleep)
    await asleep.runtime.claim(None)
    await asleep.answer(await asleep.turn(), "Here I am.")
    await chat.until("Here I am.")
    done = await chat.end("")
    assert done.err == "ada is 1st of 1 in the pool's queue\n"


async def test_a_chat_tells_each_time_that_the_agent_wakes_up(here: Here, asleep: Agent) -> None:
    chat = await here.start("chat", "ada")
    for said in ("One?", "Two?"):
        await chat.type(f"{said}\n")
        await chat.says("ada is waking up\n" * (1 if said == "One?" else 2))
        await asleep.runtime.claim(None)
        await asleep.answer(await asleep.turn(), f"{said} Yes.")
        await chat.until(f"{said} Yes.")
        await asleep.runtime.retire()
    assert await chat.end("") == Done(0, "One? Yes.\nTwo? Yes.\n", "ada is waking up\n" * 2)


async def test_a_pod_that_does_not_come_is_asked_about(cluster: Cluster) -> None:
    await cluster.control.create("ada", "uid-ada")
    cluster.door.says("ada", Accepted=VALID, Ready=("True", "Hibernated", "it wakes when it is needed"))
    waiting = await cluster.start("send", "ada", "Hello", "--wait")
    await waiting.says("ada is waking up\n")
    cluster.door.says("ada", Accepted=VALID, Ready=("False", "ImagePullFailed", "no such image"))
    await waiting.says("ada cannot answer yet: ImagePullFailed: no such image\n")
    waiting.process.kill()
    await waiting.end()


async def test_the_list_and_the_description_tell_where_an_agent_stands(here: Here, asleep: Agent) -> None:
    hibernated = (await here.horos("describe", "ada")).out
    assert "  Residency: hibernated, idle for " in hibernated
    await here.horos("send", "ada", "Hello")
    assert "  Residency: starting: its pod is on its way\n" in (await here.horos("describe", "ada")).out
    await asleep.control.tell_queue(["ada"])
    assert (
        "  Residency: queued: 1st of 1 in the pool's queue for " in (await here.horos("describe", "ada")).out
    )
    [_, line] = (await here.horos("agents")).out.splitlines()
    assert line.split()[:4] == ["ada", "idle", "queued", "1/1"]
    assert "waits for a slot for " in line
    events = (await here.horos("events", "ada", "--no-follow")).out
    assert "hibernated process 1 gave the agent back" in events
    assert "wake it needs a process: a message waits" in events
