"""What the gateway tells of processes, and what it lets one ask of them: wake, hibernate, the pool."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from horos_api.agent_state import AgentState
from horos_bus.agent_view import AgentView
from horos_bus.operating import Place
from horos_bus.records import Ending, Leave, Usage
from horos_gateway.agent_bodies import residency_of
from horos_gateway.pool import pool_body
from tests.gateway.conftest import heard
from tests.gateway.test_messages import refused


def is_recent(moment):
    return timedelta() <= datetime.now(UTC) - datetime.fromisoformat(moment) < timedelta(minutes=1)


async def asleep(space, name="ada"):
    """An agent that had a process and gave it back."""
    runtime = await space.agent(name)
    await runtime.retire()
    return runtime


async def standing(space, name="ada"):
    agent = (await space.http.get(f"/{name}")).json()
    return agent["residency"], agent["queue"]


async def the_pool(space):
    answer = await space.http.get(space.agents_url.removesuffix("agents") + "pool")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_agent_is_told_as_resident_hibernated_or_queued(space):
    await space.control.create("ada", "uid-ada")
    assert await standing(space) == ("queued", None), "its first process is on its way"
    runtime = await space.agent()
    assert await standing(space) == ("resident", None)
    await runtime.retire()
    assert await standing(space) == ("hibernated", None)
    await space.say("hello")
    assert await standing(space) == ("queued", None)
    await space.control.tell_queue(["ada"])
    residency, queue = await standing(space)
    assert (residency, queue["position"], queue["length"]) == ("queued", 1, 1)
    assert is_recent(queue["since"])


async def test_positions_fall_as_the_queue_moves_on(space):
    names = ("ada", "bob", "cleo")
    for name in names:
        await asleep(space, name)
        await space.say("hello", agent=name)
    await space.control.tell_queue(["cleo", "bob", "ada"])
    listed = (await space.http.get(space.agents_url)).json()["items"]
    assert [(each["name"], each["queue"]["position"]) for each in listed] == [
        *(("ada", 3), ("bob", 2), ("cleo", 1))
    ]
    assert {each["queue"]["length"] for each in listed} == {3}
    await space.control.tell_queue(["bob", "ada"])
    listed = (await space.http.get(space.agents_url)).json()["items"]
    assert [(each["residency"], each["queue"] and each["queue"]["position"]) for each in listed] == [
        *(("queued", 2), ("queued", 1), ("queued", None))
    ]


async def test_idle_time_is_told_only_of_who_has_nothing_to_do(space):
    runtime = await space.agent()
    assert is_recent((await space.http.get("/ada")).json()["idleSince"])
    turn = await space.turn(runtime)
    assert (await space.http.get("/ada")).json()["idleSince"] is None
    await runtime.commit(turn.id, turn.base, heard(turn), Ending(), Usage())
    idle = (await space.http.get("/ada")).json()["idleSince"]
    assert is_recent(idle)
    await runtime.retire()
    assert (await space.http.get("/ada")).json()["idleSince"] == idle, "it has been idle since its turn"
    await space.say("again")
    assert (await space.http.get("/ada")).json()["idleSince"] is None


@pytest.mark.parametrize("seconds", [300, 0, None])
async def test_the_idle_time_that_the_operator_configured_is_told(space, seconds):
    await space.agent()
    config = {"generation": 1, "spec": {}} | ({} if seconds is None else {"idleSeconds": seconds})
    await space.control.configure("ada", "uid-ada", 1, orjson.dumps(config))
    assert (await space.http.get("/ada")).json()["idleSeconds"] == seconds


async def test_a_hibernated_agent_is_woken_without_a_message(space):
    runtime = await asleep(space)
    answer = await space.http.post("/ada/wake")
    told = answer.json()
    assert (answer.status_code, told["residency"], told["queue"]) == (202, "queued", None)
    assert [each.agent for each in await space.control.work()] == ["ada"]
    await space.control.tell_queue(["ada"])
    again = (await space.http.post("/ada/wake")).json()
    assert (again["residency"], again["queue"]["position"]) == ("queued", 1)
    await runtime.claim(None)
    awake = (await space.http.get("/ada")).json()
    assert (awake["residency"], awake["epoch"]) == ("resident", 2)


async def test_waking_a_resident_leaves_nothing_behind(space):
    runtime = await space.agent()
    answer = await space.http.post("/ada/wake")
    assert (answer.status_code, answer.json()["residency"]) == (202, "resident")
    await runtime.retire()
    assert await standing(space) == ("hibernated", None)


async def test_waking_one_that_was_asked_to_leave_brings_it_back(space):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    assert (await space.http.post("/ada/hibernate")).json()["leaving"] is True
    told = (await space.http.post("/ada/wake")).json()
    assert (told["residency"], told["leaving"]) == ("resident", True)
    left = await runtime.commit(turn.id, turn.base, heard(turn), Ending(text="done"), Usage())
    assert left == Leave("evict")
    await runtime.retire()
    assert await standing(space) == ("queued", None)
    await runtime.claim(None)
    await runtime.all_unread()
    assert (await space.http.get("/ada")).json()["leaving"] is False
    assert await space.control.work() == []


async def test_a_resident_hibernates_when_it_has_nothing_to_do(space):
    runtime = await space.agent()
    answer = await space.http.post("/ada/hibernate")
    assert (answer.status_code, answer.json()["residency"]) == (202, "resident")
    assert await runtime.all_unread() == Leave("evict")
    await runtime.retire()
    again = await space.http.post("/ada/hibernate")
    assert (again.status_code, again.json()["residency"]) == (202, "hibernated")


async def test_a_turn_is_finished_before_its_agent_hibernates(space):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    told = (await space.http.post("/ada/hibernate")).json()
    assert (told["residency"], told["turn"]) == ("resident", turn.id)
    left = await runtime.commit(turn.id, turn.base, heard(turn), Ending(text="done"), Usage())
    assert left == Leave("evict")


async def test_who_waits_for_a_process_has_none_to_give_up(space):
    await asleep(space)
    await space.say("hello")
    said = "agent ada has no process to give up: it waits for one"
    refused(await space.http.post("/ada/hibernate"), 409, "queued", "name", said)


@pytest.mark.parametrize("order", ["wake", "hibernate"])
async def test_a_suspended_agent_is_neither_woken_nor_hibernated(space, order):
    runtime = await space.agent()
    await space.control.ctl("ada", "pause")
    said = "agent ada is suspended: its process leaves after its turn"
    refused(await space.http.post(f"/ada/{order}"), 409, "suspended", "name", said)
    await runtime.retire()
    said = "agent ada is suspended: it has no process until it is resumed"
    refused(await space.http.post(f"/ada/{order}"), 409, "suspended", "name", said)
    await space.control.ctl("ada", "resume")
    assert await standing(space) == ("hibernated", None), "the refused order left no level behind"


@pytest.mark.parametrize("order", ["wake", "hibernate"])
async def test_a_terminated_or_unknown_agent_is_neither_woken_nor_hibernated(space, order):
    await asleep(space)
    await space.control.terminate("ada", "uid-ada")
    refused(await space.http.post(f"/ada/{order}"), 410, "terminated", "name", "ada was terminated")
    refused(await space.http.post(f"/nobody/{order}"), 404, "not-found", "name", "there is no agent nobody")
    refused(await space.http.post(f"/No_Name/{order}"), 400, "bad-request", "name")
    refused(await space.http.post(f"/ada/{order}?now=1"), 400, "bad-request", "now")


async def test_a_namespace_that_nobody_knows_has_an_empty_pool_without_a_limit(space):
    empty = {"maxRunning": None, "resident": 0, "queued": 0, "starting": 0, "hibernated": 0}
    assert await the_pool(space) == {**empty, "queue": [], "residents": []}


async def test_the_pool_tells_who_is_resident_and_who_waits_in_which_order(space):
    worker, idler = await space.agent("worker"), await space.agent("idler")
    await space.say("work", agent="worker")
    await worker.all_unread()
    for name in ("first", "second", "sleeper", "suspended"):
        await asleep(space, name)
    await space.say("hello", agent="first")
    await space.control.ctl("second", "wake")
    await space.control.ctl("suspended", "pause")
    await space.control.create("new", "uid-new")
    await space.control.tell_queue(["first", "second", "new"])
    await space.control.tell_limit(2)
    told = await the_pool(space)
    numbers = {name: told[name] for name in ("maxRunning", "resident", "queued", "starting", "hibernated")}
    assert numbers == {"maxRunning": 2, "resident": 2, "queued": 3, "starting": 0, "hibernated": 1}
    assert [(each["position"], each["name"], each["why"]) for each in told["queue"]] == [
        *((1, "first", "message"), (2, "second", "order"), (3, "new", "birth"))
    ]
    assert is_recent(told["queue"][0]["since"])
    assert told["queue"][2]["since"] is None
    assert [(each["name"], each["state"]) for each in told["residents"]] == [
        *(("idler", "idle"), ("worker", "running"))
    ]
    assert is_recent(told["residents"][0]["idleSince"])
    assert told["residents"][1]["idleSince"] is None
    assert idler


def view(name="ada", **changes):
    known = {"holder": "", "epoch": 1, "turn": "", "thread": "", "version": 1, "reason": "", "message": ""}
    counts = {"waiting": 0, "evict": False, "in_work": False, "owed": 0, "waits": 0, "dead": 0}
    return AgentView(**{"name": name, "uid": "u", "state": AgentState.IDLE, **known, **counts, **changes})


@pytest.mark.parametrize("state", [AgentState.PAUSED, AgentState.TERMINATED])
def test_an_agent_that_may_have_no_process_waits_for_none_whatever_the_queue_says(state):
    assert residency_of(view(state=state), Place(1, 1)) == "hibernated"


def test_who_stays_resident_and_was_evicted_waits_without_work():
    told = pool_body({"ada": view()}, ["ada"], 1)
    assert [(each.why, each.since) for each in told.queue] == [("stays", None)]


def test_the_idle_longest_resident_comes_first_and_those_that_work_last():
    views = [
        view("busy-new", holder="t", turn="1-0", in_work=True, claimed=50),
        view("busy-old", holder="t", waiting=1, in_work=True, claimed=40),
        view("idle-new", holder="t", rested=60, claimed=10),
        view("idle-old", holder="t", rested=30, claimed=20, evict=True),
    ]
    told = pool_body({each.name: each for each in views}, [], None)
    assert [(each.name, each.leaving) for each in told.residents] == [
        *(("idle-old", True), ("idle-new", False), ("busy-old", False), ("busy-new", False))
    ]
