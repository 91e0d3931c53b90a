"""What the gateway lets one do to an agent: cancel, suspend, resume, terminate, and look at dead letters."""

import pytest

from horos_api.resources import OperatingMode
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, Identity, Usage
from tests.gateway.conftest import heard
from tests.gateway.test_messages import refused


async def test_the_open_turn_is_cancelled_and_the_person_is_told(space):
    runtime = await space.agent()
    accepted = await space.say("hello")
    turn = await runtime.all_unread()
    answer = await space.http.post("/ada/cancel")
    assert (answer.status_code, answer.json()) == (202, {"runId": turn.id})
    assert (await space.http.get("/ada")).json()["cancelling"] is True
    assert (await runtime.standing()).cancelled
    await runtime.commit(turn.id, turn.base, heard(turn), Ending(error="cancelled by a person"), Usage())
    told = await space.http.get(f"/ada/messages/{accepted['id']}/reply")
    refused(told, 410, "never-answered", said="cancelled by a person")


async def test_a_turn_that_is_named_is_cancelled_only_while_it_is_open(space):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    refused(await space.http.post("/ada/cancel", json={"runId": "1-1"}), 409, "no-turn", "runId", "1-1")
    assert (await space.http.post("/ada/cancel", json={"runId": turn.id})).status_code == 202
    await runtime.commit(turn.id, turn.base, heard(turn), Ending(), Usage())
    refused(await space.http.post("/ada/cancel"), 409, "no-turn", said="nothing to cancel")


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"run": "1-1"}, "run", "expected runId"),
        ({"runId": 5}, "runId", "string"),
        ({"runId": "yesterday"}, "runId", "expected the runId of an event"),
        ([], "", "the body"),
    ],
)
async def test_a_wrong_cancel_names_its_field(space, body, field, said):
    await space.agent()
    refused(await space.http.post("/ada/cancel", json=body), 400, "bad-request", field, said)


async def test_a_cancel_that_is_not_json_is_refused(space):
    await space.agent()
    wrong = await space.http.post("/ada/cancel", content=b"now", headers={"content-type": "text/plain"})
    refused(wrong, 415, "media-type", "Content-Type")


@pytest.mark.parametrize(
    ("path", "mode"), [("suspend", "Suspended"), ("resume", "Running"), ("terminate", "Terminated")]
)
async def test_a_mode_is_ordered_of_the_operator(space, path, mode):
    await space.agent()
    answer = await space.http.post(f"/ada/{path}")
    assert (answer.status_code, answer.json()) == (202, {"name": "ada", "operatingMode": mode})
    (order,) = await space.control.orders()
    uid = (await space.control.agents())["ada"]
    assert (order.agent, order.uid, order.mode) == ("ada", uid, OperatingMode(mode))


async def test_nothing_is_asked_of_a_terminated_agent(space):
    await space.agent()
    await space.control.terminate("ada", (await space.control.agents())["ada"])
    for path in ("suspend", "resume"):
        refused(await space.http.post(f"/ada/{path}"), 410, "terminated", "name", "ada was terminated")
    message = await space.http.post("/ada/messages", json={"text": "hello"})
    refused(message, 410, "terminated", "name", "takes no messages")
    assert (await space.http.post("/ada/terminate")).status_code == 202


@pytest.mark.parametrize("path", ["cancel", "suspend", "resume", "terminate"])
async def test_nobody_can_be_asked(space, path):
    refused(await space.http.post(f"/nobody/{path}"), 404, "not-found", "name")


async def test_dead_letters_are_listed_with_their_reason(space):
    runtime = await space.agent()
    assert (await space.http.get("/ada/dead-letters")).json() == {"items": []}
    accepted = await space.say("poison", "side")
    turn = await runtime.all_unread()
    uid = (await space.control.agents())["ada"]
    other = MessageService(space.bus, Identity("ada", uid, "another"))
    await other.claim(None, max_attempts=1)
    (letter,) = (await space.http.get("/ada/dead-letters")).json()["items"]
    why = "agent ada died in 1 attempts at this message; it was given up"
    assert letter == {
        "id": letter["id"],
        "messageId": accepted["id"],
        "sender": "",
        "thread": "side",
        "kind": "request",
        "text": "poison",
        "reason": why,
        "runId": turn.id,
        "attempts": 1,
    }
    refused(await space.http.get(f"/ada/messages/{accepted['id']}/reply"), 410, "never-answered", said=why)


async def test_a_message_can_be_delayed(space):
    runtime = await space.agent()
    answer = await space.http.post("/ada/messages", json={"text": "later", "delaySeconds": 3600})
    assert answer.status_code == 202
    await space.control.work_off_later()
    assert (await space.http.get("/ada")).json()["waiting"] == 0
    assert await space.bus.command("ZCARD", space.bus.keys.later) == 1
    assert runtime


@pytest.mark.parametrize("delay", [-1, 2_592_001, "5", 1.5, True, None])
async def test_a_wrong_delay_is_refused(space, delay):
    await space.agent()
    wrong = await space.http.post("/ada/messages", json={"text": "later", "delaySeconds": delay})
    refused(wrong, 400, "bad-request", "delaySeconds")
