"""What people are asked, listed and decided through the gateway."""

import asyncio

import pytest

from horos_api.messages import Verdict
from horos_bus.records import Turn
from tests.asking_people import FORM, QUESTION, call_to_approve, end_turn, question
from tests.gateway.test_messages import refused

DECIDE = "/ada/approvals/decide"


async def waiting(space):
    """An agent whose call waits for approval; its id."""
    runtime = await space.agent()
    turn = await space.turn(runtime, "Buy a pot")
    return runtime, turn, await call_to_approve(runtime, turn, item="pot", price=12)


async def asked(space):
    """An agent whose running call has a question; its id."""
    runtime = await space.agent()
    turn = await space.turn(runtime, "Buy a pot")
    return runtime, await question(runtime, turn)


async def decided(space, approval_id, verdict="approve", **more):
    return await space.http.post(DECIDE, json={"id": approval_id, "verdict": verdict, **more})


async def open_of(space, agent="ada"):
    return (await space.http.get(f"/{agent}/approvals")).json()["items"]


def namespace_url(space):
    return space.agents_url.removesuffix("/agents") + "/approvals"


async def test_a_call_that_waits_is_listed_with_what_would_be_done(space):
    _, turn, approval_id = await waiting(space)
    (found,) = await open_of(space)
    assert found == {
        "id": approval_id,
        "agent": "ada",
        "kind": "call",
        "thread": "main",
        "runId": turn.id,
        "tool": "shop__buy",
        "arguments": '{"item":"pot","price":12}',
        "server": "",
        "message": "",
        "schema": "",
        "askedAt": found["askedAt"],
        "expiresAt": found["expiresAt"],
        "secondsLeft": found["secondsLeft"],
        "status": "pending",
        "who": "",
        "reason": "",
        "decidedAt": None,
    }
    assert 600 <= found["secondsLeft"] <= 630
    assert found["askedAt"] < found["expiresAt"]
    assert (await space.http.get("/ada")).json()["approvals"] == 1
    assert (await space.http.get(space.agents_url)).json()["items"][0]["approvals"] == 1


async def test_a_question_of_a_server_is_listed_with_its_form(space):
    _, question_id = await asked(space)
    (found,) = await open_of(space)
    assert (found["id"], found["kind"], found["tool"]) == (question_id, "elicitation", "shop__buy")
    assert (found["server"], found["message"], found["schema"]) == ("shop", QUESTION, FORM)
    assert (await space.http.get("/ada")).json()["approvals"] == 1


async def test_a_namespace_lists_all_that_waits_and_nothing_that_is_decided(space):
    assert (await space.http.get(namespace_url(space))).json() == {"items": []}
    _, _, approval_id = await waiting(space)
    bob = await space.agent("bob")
    await space.say("hello", agent="bob")
    turn = await bob.all_unread()
    assert isinstance(turn, Turn)
    await call_to_approve(bob, turn)
    listed = (await space.http.get(namespace_url(space))).json()["items"]
    assert [each["agent"] for each in listed] == ["ada", "bob"]
    await decided(space, approval_id)
    listed = (await space.http.get(namespace_url(space))).json()["items"]
    assert [each["agent"] for each in listed] == ["bob"]
    # Of one agent what it has not acted on yet is told, too.
    assert [each["status"] for each in await open_of(space)] == ["approved"]


async def test_an_approval_reaches_the_agent_with_who_and_why(space):
    runtime, turn, approval_id = await waiting(space)
    answer = await decided(space, approval_id, reason="cheap", who="alice")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["status"], told["who"], told["reason"], told["secondsLeft"]) == (
        "approved",
        "alice",
        "cheap",
        0,
    )
    assert told["decidedAt"] is not None
    assert (await space.http.get("/ada")).json()["approvals"] == 0
    await end_turn(runtime, turn)
    decision = await runtime.all_unread()
    assert isinstance(decision, Turn)
    (message,) = decision.inputs
    assert (message.re, message.verdict, message.who, message.reason) == (
        approval_id,
        Verdict.APPROVE,
        "alice",
        "cheap",
    )


async def test_watchers_see_that_it_is_asked_and_decided(space):
    _, _, approval_id = await waiting(space)
    await decided(space, approval_id, "deny", who="alice")
    async with space.events(after="0") as events:
        told = [event["value"] for _, event in await events.caught_up() if event.get("name") == "approval"]
    assert [(each["id"], each["status"]) for each in told] == [
        (approval_id, "pending"),
        (approval_id, "denied"),
    ]


async def test_whoever_does_not_say_who_they_are_is_somebody_with_the_token(space):
    _, _, approval_id = await waiting(space)
    assert (await decided(space, approval_id, "deny")).json()["who"] == "someone with the gateway's token"


async def test_a_repeat_by_the_same_person_is_the_same_decision(space):
    runtime, turn, approval_id = await waiting(space)
    first = await decided(space, approval_id, who="alice", reason="cheap")
    again = await decided(space, approval_id, who="alice", reason="as I said")
    assert (again.status_code, again.json()) == (200, first.json())
    # Also when the agent has acted on it meanwhile.
    await end_turn(runtime, turn)
    decision = await runtime.all_unread()
    assert isinstance(decision, Turn)
    assert [each.re for each in decision.inputs] == [approval_id]
    assert (await decided(space, approval_id, who="alice")).json() == first.json()


@pytest.mark.parametrize(("verdict", "who"), [("approve", "bob"), ("deny", "alice"), ("deny", "bob")])
async def test_whoever_comes_second_is_told_who_was_first(space, verdict, who):
    _, _, approval_id = await waiting(space)
    first = (await decided(space, approval_id, who="alice", reason="cheap")).json()
    second = await decided(space, approval_id, verdict, who=who)
    said = f"{approval_id} was approved by alice at {first['decidedAt']}: cheap"
    refused(second, 409, "already-decided", "id", said)
    assert [each["who"] for each in await open_of(space)] == ["alice"]


async def test_two_at_once_are_one_decision(space):
    _, _, approval_id = await waiting(space)
    both = await asyncio.gather(
        decided(space, approval_id, "approve", who="alice"), decided(space, approval_id, "deny", who="bob")
    )
    assert sorted(each.status_code for each in both) == [200, 409]


async def test_what_nobody_decided_in_time_is_denied(space):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    approval_id = await call_to_approve(runtime, turn, seconds=0)
    late = await decided(space, approval_id, who="alice")
    refused(late, 409, "already-decided", "id", f"{approval_id} was denied at")
    assert late.json()["detail"].endswith("nobody decided in time")
    (found,) = await open_of(space)
    assert (found["status"], found["who"]) == ("expired", "")


async def test_an_answer_is_stored_complete_for_the_server(space):
    runtime, question_id = await asked(space)
    answer = await decided(space, question_id, who="alice", content={"city": "Bern", "days": 2})
    assert (answer.status_code, answer.json()["status"]) == (200, "approved"), answer.text
    found = await runtime.answer(question_id)
    assert found.content == '{"city":"Bern","units":"celsius","days":2,"gift":false,"extras":[]}'
    assert "content" not in answer.json()


async def test_an_answer_sent_again_is_the_same_and_other_values_are_not(space):
    runtime, question_id = await asked(space)
    first = await decided(space, question_id, who="alice", content={"city": "Bern"})
    again = await decided(space, question_id, who="alice", content={"days": 3, "city": "Bern"})
    assert (again.status_code, again.json()) == (200, first.json())
    for content in ({"city": "Basel"}, {"town": "Bern"}):
        other = await decided(space, question_id, who="alice", content=content)
        said = f"{question_id} was approved by alice at {first.json()['decidedAt']}, with other values"
        refused(other, 409, "already-decided", "id", said)
    assert '"Bern"' in (await runtime.answer(question_id)).content


async def test_a_question_can_be_declined_without_values(space):
    runtime, question_id = await asked(space)
    assert (await decided(space, question_id, "deny")).json()["status"] == "denied"
    assert (await runtime.answer(question_id)).content == ""


async def test_a_question_that_asks_for_nothing_is_answered_with_nothing(space):
    runtime = await space.agent()
    question_id = await question(
        runtime, await space.turn(runtime), schema='{"type": "object", "properties": {}}'
    )
    assert (await decided(space, question_id)).status_code == 200
    assert (await runtime.answer(question_id)).content == "{}"


@pytest.mark.parametrize(
    ("content", "field", "said"),
    [
        (None, "content.city", "city is missing; expected a text of at least 2 characters"),
        ({}, "content.city", "city is missing; expected a text of at least 2 characters"),
        ({"city": 5}, "content.city", "city is 5; expected a text of at least 2 characters"),
        ({"city": "B"}, "content.city", 'city is "B"; expected a text of at least 2 characters'),
        ({"city": "Bern", "days": "3"}, "content.days", 'days is "3"; expected a whole number 1 to 7'),
        ({"city": "Bern", "days": 8}, "content.days", "days is 8; expected a whole number 1 to 7"),
        ({"city": "Bern", "gift": 1}, "content.gift", "gift is 1; expected true or false"),
        (
            {"city": "Bern", "units": "kelvin"},
            "content.units",
            'is "kelvin"; expected one of celsius, fahrenheit',
        ),
        ({"city": "Bern", "extras": ["cake"]}, "content.extras", "expected a list of any of card, ribbon"),
        ({"city": "Bern", "mail": "me"}, "content.mail", 'mail is "me"; expected an e-mail address'),
        ({"city": "Bern", "town": "x"}, "content.town", "town is not asked for; asked for are city, units"),
    ],
)
async def test_values_that_do_not_fit_name_their_field_and_change_nothing(space, content, field, said):
    runtime, question_id = await asked(space)
    wrong = await decided(space, question_id, **({} if content is None else {"content": content}))
    refused(wrong, 400, "bad-request", field, said)
    assert await runtime.answer(question_id) is None
    assert [each["status"] for each in await open_of(space)] == ["pending"]


async def test_values_belong_to_approved_questions_only(space):
    runtime, turn, approval_id = await waiting(space)
    question_id = await question(runtime, turn)
    call = await decided(space, approval_id, content={"item": "pan"})
    refused(call, 400, "bad-request", "content", f"{approval_id} is a call of shop__buy: it takes no content")
    denied = await decided(space, question_id, "deny", content={"city": "Bern"})
    refused(denied, 400, "bad-request", "content", "content goes with verdict approve only")
    assert [each["status"] for each in await open_of(space)] == ["pending", "pending"]


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"id": None}, (400, "bad-request", "id", "string")),
        ({"id": ""}, (400, "bad-request", "id", "expected what waits for a decision of ada: ada/...")),
        ({"id": "bob/1-0/1.0"}, (400, "bad-request", "id", "'bob/1-0/1.0': expected what waits")),
        ({"id": "ada/" + "x" * 300}, (400, "bad-request", "id", "expected what waits")),
        ({"id": "ada/1 0"}, (400, "bad-request", "id", "expected what waits")),
        ({"id": "ada/1-0/1.0"}, (404, "not-found", "id", "nothing called ada/1-0/1.0 waits for a decision")),
        ({"verdict": "maybe"}, (400, "bad-request", "verdict", "'approve' or 'deny'")),
        ({"verdict": None}, (400, "bad-request", "verdict", "'approve' or 'deny'")),
        ({"reason": 5}, (400, "bad-request", "reason", "string")),
        ({"reason": "é" * 513}, (413, "too-large", "reason", "reason has 1026 bytes; expected at most 1024")),
        ({"who": ""}, (400, "bad-request", "who", "who '': expected 1 to 256 printable characters")),
        ({"who": " bob"}, (400, "bad-request", "who", "no space at either end")),
        ({"who": "bob\u202e"}, (400, "bad-request", "who", "printable")),
        ({"who": "b" * 257}, (400, "bad-request", "who", "expected 1 to 256")),
        ({"content": []}, (400, "bad-request", "content", "dictionary")),
        ({"values": {}}, (400, "bad-request", "values", "expected id, verdict, reason, who, content")),
    ],
)
async def test_a_wrong_decision_names_its_field(space, changed, refusal):
    _, _, approval_id = await waiting(space)
    body = {"id": approval_id, "verdict": "approve", **changed}
    refused(await space.http.post(DECIDE, json=body), *refusal)
    assert [each["status"] for each in await open_of(space)] == ["pending"]


@pytest.mark.parametrize("missing", ["id", "verdict"])
async def test_a_decision_without_its_id_or_verdict_is_refused(space, missing):
    await space.agent()
    body = {"id": "ada/1-0/1.0", "verdict": "approve"}
    del body[missing]
    refused(await space.http.post(DECIDE, json=body), 400, "bad-request", missing, "is missing")


async def test_a_decision_that_is_not_json_is_refused(space):
    await space.agent()
    wrong = await space.http.post(DECIDE, content=b"yes", headers={"content-type": "text/plain"})
    refused(wrong, 415, "media-type", "Content-Type")


@pytest.mark.parametrize("path", ["/nobody/approvals", "/nobody/servers"])
async def test_of_nobody_nothing_is_told(space, path):
    refused(await space.http.get(path), 404, "not-found", "name")


async def test_nobody_can_be_decided_about(space):
    body = {"id": "nobody/1-0/1.0", "verdict": "deny"}
    refused(await space.http.post("/nobody/approvals/decide", json=body), 404, "not-found", "name")


async def test_what_a_terminated_agent_waited_for_is_over(space):
    _, _, approval_id = await waiting(space)
    await space.control.terminate("ada", "uid-ada")
    refused(await decided(space, approval_id), 410, "terminated", "name")
    assert await open_of(space) == []


async def test_a_question_whose_call_is_over_cannot_be_answered(space):
    runtime, question_id = await asked(space)
    await runtime.withdraw(question_id)
    late = await decided(space, question_id, content={"city": "Bern"})
    refused(late, 404, "not-found", "id", "waits for a decision (any more)")
